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

  package init(isThere: @escaping @Sendable () -> Bool, readLine: @escaping @Sendable () throws -> String?) {
    self.isThere = isThere
    self.readLine = readLine
  }

  /// The terminal of this process.
  package init() {
    self.init(isThere: { isatty(0) == 1 && isatty(1) == 1 }, readLine: Self.readStandardInput)
  }

  /// Asks a question on standard error in the user's language and returns the answer; nil without a terminal.
  package func ask(_ question: Message) throws -> String? {
    guard isThere() else { return nil }
    try StandardStream.error.write(question.text(Catalogue.translate))
    return try readLine()
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
