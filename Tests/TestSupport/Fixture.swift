// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Messages

/// Real files as test input, which `Tests/fixtures.sh` downloads to `build/fixtures`.
package enum Fixture: String, CaseIterable, Sendable {
  case stub252 = "stub-bookworm"
  case stub257 = "stub-trixie"
  case systemdBoot252 = "systemd-boot-bookworm"
  case systemdBoot257 = "systemd-boot-trixie"
  case kernel61 = "vmlinuz-bookworm"
  case kernel612 = "vmlinuz-trixie"
  case stub252ForARM64 = "stub-bookworm-arm64"
  case systemdBoot252ForARM64 = "systemd-boot-bookworm-arm64"
  case stub257ForARM64 = "stub-trixie-arm64"
  case systemdBoot257ForARM64 = "systemd-boot-trixie-arm64"

  package static let stubs: [Fixture] = [.stub252, .stub257]
  package static let systemdBoots: [Fixture] = [.systemdBoot252, .systemdBoot257]
  package static let kernels: [Fixture] = [.kernel61, .kernel612]
  /// The files that objdump of Debian's binutils can read.
  package static let forAMD64 = stubs + systemdBoots + kernels

  /// Names of Debian's fwupd with the signature that pesign made; for `path(of:)`.
  package static let signedFwupd = ["fwupd-bookworm", "fwupd-trixie"]

  /// Absolute path of the project's directory.
  package static let projectDirectory = "/" + PathName(#filePath).components.dropLast(3).joined(separator: "/")

  private static let directory = "\(projectDirectory)/build/fixtures"
  /// Absolute path of the directory with the kernel packages.
  package static let packageDirectory = "\(directory)/debs"

  /// Absolute path of the file.
  package var path: String { Self.path(of: rawValue) }

  /// Absolute path of another file that `Tests/fixtures.sh` downloads.
  package static func path(of name: String) -> String { "\(directory)/\(name)" }

  package func bytes() throws -> [UInt8] { try Self.bytes(of: rawValue) }

  /// The content of another file that `Tests/fixtures.sh` downloads.
  package static func bytes(of name: String) throws -> [UInt8] {
    do {
      return try FileSystem().readFile(path(of: name), limit: 1 << 30)
    } catch {
      throw ExternalTool.Failure(description: "\(error); run Tests/fixtures.sh (make check does)")
    }
  }

  /// The lines of a table in `Tests/System/lib`, without comments.
  package static func table(_ name: String) throws -> [String] {
    let content = try FileSystem().readFile("\(projectDirectory)/Tests/System/lib/\(name)", limit: 1 << 16)
    return String(decoding: content, as: UTF8.self).split(separator: "\n").map(String.init).filter { $0.first != "#" }
  }
}
