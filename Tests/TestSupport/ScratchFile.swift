// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import HostSystem
import Messages

/// A temporary file for tools that need a path; deleted with the value.
package final class ScratchFile: Sendable {
  package let path: String

  /// Creates a file whose name ends with `suffix`.
  package init(_ bytes: [UInt8] = [], suffix: String = "") throws {
    var template = Array("/tmp/pve-sb-uki-test-XXXXXX\(suffix)".utf8CString)
    let descriptor = mkstemps(&template, Int32(suffix.utf8.count))
    guard descriptor >= 0 else { throw ExternalTool.Failure(description: "cannot create a scratch file") }
    close(descriptor)
    path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try write(bytes)
  }

  deinit { unlink(path) }

  package func write(_ bytes: [UInt8]) throws {
    guard let stream = fopen(path, "w") else { throw ExternalTool.Failure(description: "cannot write \(path)") }
    defer { fclose(stream) }
    guard fwrite(bytes, 1, bytes.count, stream) == bytes.count else {
      throw ExternalTool.Failure(description: "cannot write \(path)")
    }
  }

  package func bytes() throws -> [UInt8] { try FileSystem().readFile(path, limit: 1 << 30) }
}
