// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import CLinux
internal import Glibc
package import Messages

/// The user at standard input and output; replaced in tests.
package struct Terminal: Sendable {
  /// Whether standard input and output are a terminal.
  package var isThere: @Sendable () -> Bool
  /// The next line of standard input, without its line feed; nil at its end.
  package var readLine: @Sendable () throws -> String?
  /// Shows a text, and reads a line that is not shown; nil without a terminal and at the end of its input.
  package var readSecret: @Sendable (String) throws -> Secret?
  /// Called before a question, to finish other output on the terminal.
  package var prepare: @Sendable () -> Void = {}

  package init(
    isThere: @escaping @Sendable () -> Bool, readLine: @escaping @Sendable () throws -> String?,
    readSecret: @escaping @Sendable (String) throws -> Secret? = { _ in nil }
  ) {
    self.isThere = isThere
    self.readLine = readLine
    self.readSecret = readSecret
  }

  /// The terminal of this process.
  package init() {
    self.init(
      isThere: { isatty(0) == 1 && isatty(1) == 1 }, readLine: Self.readStandardInput,
      readSecret: Self.readSecretLine)
  }

  /// Asks a question on standard error in the user's language and returns the answer; nil without a terminal.
  package func ask(_ question: Message) throws -> String? {
    guard isThere() else { return nil }
    prepare()
    try StandardStream.error.write(question.text(Catalogue.translate))
    return try readLine()
  }

  /// Asks a question that ends with `[y/N]`, and returns whether the answer is yes; false without a terminal.
  ///
  /// Yes is `y`, or the letter that the translation of the question offers in its place.
  package func confirms(_ question: Message) throws -> Bool {
    guard let first = try ask(question)?.lowercased().first else { return false }
    let offered = question.text(Catalogue.translate).split(separator: "[").last?.lowercased().first
    return first == "y" || first == offered
  }

  /// Asks a question in the user's language and returns the answer, which is not shown; nil without an answer.
  ///
  /// `note` is a line before the question.
  package func askSecret(_ question: Message, after note: Message? = nil) throws -> Secret? {
    prepare()
    let lines = [note, question].compactMap { $0?.text(Catalogue.translate) { $0.withoutControls } }
    return try readSecret(lines.joined(separator: "\n"))
  }

  /// Whether a program may ask the user: standard input and standard error are a terminal.
  package static var hasUser: Bool { isatty(0) == 1 && isatty(2) == 1 }

  /// Uses the terminal itself rather than standard input, which may be a file.
  private static func readSecretLine(_ question: String) throws -> Secret? {
    var buffer = [CChar](repeating: 0, count: Secret.sizeLimit)
    defer { buffer.withUnsafeMutableBytes { Secret.wipe($0) } }
    let length = psu_read_secret(question, &buffer, buffer.count)
    if length < 0 {
      switch errno {
      case EMSGSIZE:
        throw Failure(
          "the passphrase is too long", hint: "use at most \(Secret.sizeLimit) bytes")
      case ENODATA, ENXIO, ENOENT, EIO: return nil
      default: throw HostError("read from", "/dev/tty", errno: errno)
      }
    }
    var line = buffer[..<length].map { UInt8(bitPattern: $0) }
    return Secret(wiping: &line)
  }

  /// Reads byte by byte, so that the bytes after the line are left for the next reader.
  private static func readStandardInput() throws -> String? {
    var line: [UInt8] = []
    var byte: UInt8 = 0
    while line.count < 4096 {
      guard try SystemCall.check("read", of: "standard input", { Glibc.read(0, &byte, 1) }) == 1 else {
        return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
      }
      if byte == 0x0a { break }
      line.append(byte)
    }
    return String(decoding: line, as: UTF8.self)
  }
}

extension String {
  /// The text with `?` instead of control characters, which a name in a question may contain.
  fileprivate var withoutControls: String {
    String(UnicodeScalarView(unicodeScalars.map { $0.value < 0x20 || 0x7f...0x9f ~= $0.value ? "?" : $0 }))
  }
}

/// Standard output or standard error, written without buffering.
package struct StandardStream: Sendable {
  private let number: Int32
  private let name: Message

  package static let output = StandardStream(number: 1, name: "standard output")
  package static let error = StandardStream(number: 2, name: "standard error")

  package var isTerminal: Bool { isatty(number) == 1 }

  /// The width of the terminal; nil if it is unknown or this is not a terminal.
  package var columns: Int? {
    let columns = Int(psu_terminal_columns(number))
    return columns > 0 ? columns : nil
  }

  /// Writes all of `bytes`.
  ///
  /// Throws `HostError`, also for a closed pipe if SIGPIPE is ignored.
  package func write(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[done...])
      done += try SystemCall.check("write to", of: name) { Glibc.write(number, rest.baseAddress, rest.count) }
    }
  }

  package func write(_ text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }
}
