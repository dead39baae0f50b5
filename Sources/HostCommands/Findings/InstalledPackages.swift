// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem

/// The packages that dpkg has installed on a host, from /var/lib/dpkg/status.
package struct InstalledPackages: Sendable {
  /// Versions by name.
  private var versions: [String: String] = [:]

  /// Maximum size of the file in bytes; 3000 packages have about 3 MiB.
  private static let sizeLimit = 64 << 20

  /// Reads the file; no packages if it does not exist.
  ///
  /// Throws `HostError`.
  package init(of files: FileSystem) throws {
    self.init(parsing: try files.readFileIfPresent("/var/lib/dpkg/status", limit: Self.sizeLimit) ?? [])
  }

  /// Parses paragraphs of deb822(5); paragraphs without the fields Package and Status are ignored.
  ///
  /// A package counts as installed if its files are in place, even if it is not configured.
  package init(parsing content: [UInt8]) {
    var package: ArraySlice<UInt8>?
    var version: ArraySlice<UInt8>?
    var isInstalled = false
    for line in ByteLines(content) {
      if line.isEmpty {
        if let package, isInstalled { versions[Self.text(package)] = version.map(Self.text) ?? "" }
        (package, version, isInstalled) = (nil, nil, false)
      } else if let name = Self.value(of: Self.packageField, in: line) {
        package = name
      } else if let number = Self.value(of: Self.versionField, in: line) {
        version = number
      } else if let status = Self.value(of: Self.statusField, in: line) {
        isInstalled = Self.states.contains(Self.text(status.split(separator: 0x20).last ?? []))
      }
    }
    if let package, isInstalled { versions[Self.text(package)] = version.map(Self.text) ?? "" }
  }

  /// The version of a package; nil if it is not installed.
  package subscript(name: String) -> String? { versions[name] }

  private static let packageField = Array("Package: ".utf8)
  private static let versionField = Array("Version: ".utf8)
  private static let statusField = Array("Status: ".utf8)
  private static let states: Set = ["installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending"]

  private static func value(of field: [UInt8], in line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    line.starts(with: field) ? line.dropFirst(field.count) : nil
  }

  private static func text(_ bytes: ArraySlice<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }
}
