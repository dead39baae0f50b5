// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc

/// Real inputs of the tests, which `Tests/fixtures.sh` brings to `build/fixtures`.
package enum Fixture: String, CaseIterable, Sendable {
  case stub252 = "stub-bookworm"
  case stub257 = "stub-trixie"
  case kernel61 = "vmlinuz-bookworm"
  case kernel612 = "vmlinuz-trixie"

  package static let stubs: [Fixture] = [.stub252, .stub257]
  package static let kernels: [Fixture] = [.kernel61, .kernel612]

  /// Absolute path of the file.
  package var path: String {
    let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
    return "/\(root)/build/fixtures/\(rawValue)"
  }

  package func bytes() throws -> [UInt8] {
    guard let stream = fopen(path, "r") else {
      throw ExternalTool.Failure(description: "\(rawValue) is missing; run Tests/fixtures.sh (make check does)")
    }
    defer { fclose(stream) }
    fseek(stream, 0, SEEK_END)
    let size = ftell(stream)
    rewind(stream)
    return [UInt8](unsafeUninitializedCapacity: max(0, size)) { buffer, count in
      count = fread(buffer.baseAddress, 1, buffer.count, stream)
    }
  }
}
