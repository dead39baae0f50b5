// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// A sentence, or part of one, for the user: English in the source, shown in the user's language.
///
/// A literal is a message, and its interpolations are the arguments: `"cannot \(operation) \(path): \(detail)"` has the
/// key `cannot {0} {1}: {2}` in a catalogue. Arguments are either data, which is shown as is, or messages, which are
/// translated too. Two messages are equal if their English text is equal.
package struct Message: Sendable {
  package enum Argument: Sendable {
    case text(String)
    case message(Message)
  }

  /// The catalogue key: the English text with `{0}` for the first argument and literal braces doubled.
  package let key: String
  package let arguments: [Argument]

  package init(key: String, arguments: [Argument]) {
    self.key = key
    self.arguments = arguments
  }

  /// Data such as a name, which is never translated.
  package init(verbatim text: String) { self.init(key: "{0}", arguments: [.text(text)]) }

  /// The message of an error; translatable if the error is `MessageConvertible`.
  package init(_ error: any Error) {
    self = (error as? any MessageConvertible)?.message ?? Message(verbatim: "\(error)")
  }

  /// The text in the language of `translate`, which returns the translation of a key, or the key itself.
  ///
  /// `show` makes data presentable: an argument could otherwise end the line or look like another sentence.
  package func text(_ translate: (String) -> String, showing show: (String) -> String = { $0 }) -> String {
    let texts = arguments.map { argument in
      switch argument {
      case .text(let text): show(text)
      case .message(let message): message.text(translate, showing: show)
      }
    }
    return Self.fill(translate(key), texts)
  }

  /// Replaces the numbers in braces in `template` with `arguments`.
  ///
  /// A number without an argument is kept.
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

/// A value that can be shown in the user's language; its description is English.
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

  /// `text` with braces doubled.
  ///
  /// Fast path for text without braces: many messages are created and never shown.
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

    /// A value with its own message.
    package mutating func appendInterpolation(_ value: some MessageConvertible) { append(.message(value.message)) }

    package mutating func appendInterpolation(_ error: any Error) { append(.message(Message(error))) }

    private mutating func append(_ argument: Argument) {
      key += "{\(arguments.count)}"
      arguments.append(argument)
    }
  }
}

extension Sequence<Message> {
  /// Joins the messages into one, like `String`'s method.
  package func joined(separator: String = "") -> Message {
    var interpolation = Message.StringInterpolation(literalCapacity: 0, interpolationCount: 0)
    for (index, message) in enumerated() {
      if index > 0 { interpolation.appendLiteral(separator) }
      interpolation.appendInterpolation(message)
    }
    return Message(stringInterpolation: interpolation)
  }
}
