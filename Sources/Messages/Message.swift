// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A sentence, or a part of one, for people: English as it stands in the source, and able to be shown in their
/// language.
///
/// A literal is a message, and what it interpolates are its arguments: `"cannot \(operation) \(path): \(detail)"` is
/// found in a catalogue under the key `cannot {0} {1}: {2}`. Arguments are data, which is shown as it is, or messages,
/// which are translated like the whole. Two messages are equal if they read alike in English.
package struct Message: Sendable {
  package enum Argument: Sendable {
    case text(String)
    case message(Message)
  }

  /// What a catalogue knows the message by: the English text, `{0}` for its first argument, braces of its own doubled.
  package let key: String
  package let arguments: [Argument]

  package init(key: String, arguments: [Argument]) {
    self.key = key
    self.arguments = arguments
  }

  /// Data such as a name, which no catalogue knows.
  package init(verbatim text: String) { self.init(key: "{0}", arguments: [.text(text)]) }

  /// What an error says, as far as it can be translated.
  package init(_ error: any Error) {
    self = (error as? any MessageConvertible)?.message ?? Message(verbatim: "\(error)")
  }

  /// The text in the language of `translate`, which turns a key into its translation, or into itself if it has none.
  package func text(_ translate: (String) -> String) -> String {
    let texts = arguments.map { argument in
      switch argument {
      case .text(let text): text
      case .message(let message): message.text(translate)
      }
    }
    return Self.fill(translate(key), texts)
  }

  /// Puts `arguments` where `template` has their numbers in braces.
  ///
  /// A number that no argument has stays as it is.
  private static func fill(_ template: String, _ arguments: [String]) -> String {
    var output: [UInt8] = []
    var rest = Array(template.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") else {
        output.append(byte)
        continue
      }
      if rest.first == byte {
        output.append(rest.removeFirst())
      } else if let end = rest.firstIndex(of: UInt8(ascii: "}")), byte == UInt8(ascii: "{"),
        let number = Int(String(decoding: rest[..<end], as: UTF8.self)), arguments.indices.contains(number)
      {
        output += arguments[number].utf8
        rest = rest[(end + 1)...]
      } else {
        output.append(byte)
      }
    }
    return String(decoding: output, as: UTF8.self)
  }
}

extension Message: CustomStringConvertible {
  /// The English text.
  package var description: String { text { $0 } }
}

extension Message: Hashable {
  @inline(never)
  package static func == (left: Message, right: Message) -> Bool { left.description == right.description }
  @inline(never)
  package func hash(into hasher: inout Hasher) { hasher.combine(description) }
}

/// What can be told to people in their language; its description is English.
package protocol MessageConvertible: CustomStringConvertible {
  var message: Message { get }
}

extension MessageConvertible {
  package var description: String { message.description }
}

extension Message: MessageConvertible {
  package var message: Message { self }
}

extension Message: ExpressibleByStringInterpolation {
  package init(stringLiteral text: String) {
    self.init(key: Self.escaped(text), arguments: [])
  }

  package init(stringInterpolation interpolation: StringInterpolation) {
    self.init(key: interpolation.key, arguments: interpolation.arguments)
  }

  /// `text` with its braces doubled.
  ///
  /// Most texts have none, and messages are made where nothing is told in the end.
  private static func escaped(_ text: String) -> String {
    func isBrace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") }
    guard text.utf8.contains(where: isBrace) else { return text }
    return String(decoding: text.utf8.flatMap { isBrace($0) ? [$0, $0] : [$0] }, as: UTF8.self)
  }

  package struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var key = ""
    fileprivate var arguments: [Argument] = []

    package init(literalCapacity: Int, interpolationCount: Int) {}

    package mutating func appendLiteral(_ text: String) { key += Message.escaped(text) }

    /// Data.
    package mutating func appendInterpolation(_ value: some CustomStringConvertible) {
      append(.text(value.description))
    }

    /// What has a message of its own.
    package mutating func appendInterpolation(_ value: some MessageConvertible) { append(.message(value.message)) }

    package mutating func appendInterpolation(_ error: any Error) { append(.message(Message(error))) }

    private mutating func append(_ argument: Argument) {
      key += "{\(arguments.count)}"
      arguments.append(argument)
    }
  }
}

extension Sequence<Message> {
  /// One message of all, as `String` has it.
  package func joined(separator: String = "") -> Message {
    var interpolation = Message.StringInterpolation(literalCapacity: 0, interpolationCount: 0)
    for (index, message) in enumerated() {
      if index > 0 { interpolation.appendLiteral(separator) }
      interpolation.appendInterpolation(message)
    }
    return Message(stringInterpolation: interpolation)
  }
}
