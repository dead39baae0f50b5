// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension Message: ExpressibleByStringInterpolation {
  package init(stringLiteral text: String) {
    self.init(key: Self.escaped(text), arguments: [])
  }

  package init(stringInterpolation interpolation: StringInterpolation) {
    self.init(key: interpolation.key, arguments: interpolation.arguments)
  }

  /// `text` with its braces doubled. Most texts have none, and messages are made where nothing is told in the end.
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
