// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// What a kernel command line may hold.
package enum CommandLineCheck {
  /// The line as it goes into `.cmdline`.
  ///
  /// Throws `commandLine` for a NUL, a line break or another control character (the stub would cut or the kernel
  /// misread it there), for an empty line and for more than `limit` bytes.
  package static func checked(_ line: [UInt8], limit: Int) throws(ImageError) -> [UInt8] {
    if let index = line.firstIndex(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7f }) {
      let what: Message =
        line[index] == 0 ? "a NUL byte" : line[index] == 0x0a ? "a line break" : "a control character"
      throw ImageError(
        .commandLine, "the command line holds \(what) at byte \(index)", hint: "write it as one line of plain text")
    }
    guard line.contains(where: { $0 != 0x20 && $0 != 0x09 }) else {
      throw ImageError(.commandLine, "the command line is empty", hint: "it needs at least root=")
    }
    guard line.count <= limit else {
      throw ImageError(
        .commandLine, "the command line has \(line.count) bytes, the kernel takes \(limit)", hint: "shorten it")
    }
    return line
  }
}
