// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Glibc
internal import Messages

/// Standard output or standard error, written without buffering.
package struct StandardStream: Sendable {
  private let number: Int32
  private let name: Message

  package static let output = StandardStream(number: 1, name: "standard output")
  package static let error = StandardStream(number: 2, name: "standard error")

  /// Writes all of `bytes`. Throws `HostError`, also when nobody reads any more and SIGPIPE is ignored.
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
