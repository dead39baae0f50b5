// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem

/// Settings of initramfs-tools (initramfs.conf(5)), as mkinitramfs reads them.
package struct InitramfsSettings: Hashable, Sendable {
  private var values: [String: String] = [:]

  private static let main = "/etc/initramfs-tools/initramfs.conf"
  private static let directory = "/etc/initramfs-tools/conf.d"
  private static let sharedDirectory = "/usr/share/initramfs-tools/conf.d"
  /// Files of a directory, and bytes of a file.
  private static let countLimit = 256
  private static let sizeLimit = 1 << 16

  /// Reads the files: first `initramfs.conf`, then those in /usr/share that /etc does not mask, then those in /etc.
  ///
  /// Throws `HostError`.
  package init(of files: FileSystem) throws {
    let own = try Self.names(Self.directory, files)
    let shared = try Self.names(Self.sharedDirectory, files).filter { !own.contains($0) }
    let paths = [Self.main] + shared.map { "\(Self.sharedDirectory)/\($0)" } + own.map { "\(Self.directory)/\($0)" }
    for path in paths {
      guard let text = try files.readTextIfPresent(path, limit: Self.sizeLimit) else { continue }
      for line in text.split(separator: "\n") { add(line) }
    }
  }

  /// The value of a setting such as `MODULES`; nil if no file has it.
  package subscript(name: String) -> String? { values[name] }

  /// The files are shell scripts; only plain assignments are understood.
  private mutating func add(_ line: Substring) {
    let fields = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
    guard fields.count == 2 else { return }
    let name = fields[0].drop { $0 == " " || $0 == "\t" }
    guard !name.isEmpty,
      name.utf8.allSatisfy({ UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 || $0 == UInt8(ascii: "_") })
    else { return }
    let value = fields[1].prefix { $0 != " " && $0 != "\t" && $0 != "#" && $0 != ";" }
    values[String(name)] = value.filter { $0 != "\"" && $0 != "'" }
  }

  private static func names(_ directory: String, _ files: FileSystem) throws -> [String] {
    guard try files.isDirectory(directory) else { return [] }
    let names = try files.list(directory) ?? []
    return try names.prefix(countLimit).filter { name in
      let isPlain = name.utf8.allSatisfy { byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      }
      return try isPlain && name.first?.isPunctuation == false && !name.contains(bytes: ".dpkg-")
        && !files.isDirectory("\(directory)/\(name)")
    }
  }
}
