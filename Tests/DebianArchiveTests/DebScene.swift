// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import TestSupport

/// Small packages built by dpkg-deb.
enum DebScene {
  static func package(_ options: [String] = []) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    try directory.write(
      "p/DEBIAN/control",
      "Package: sample\nVersion: 1:2.3-4\nArchitecture: all\nMaintainer: Nobody <n@example.org>\nDescription: sample\n")
    try directory.write("p/usr/share/doc/sample/README", "nothing\n")
    let output = directory.path(of: "out.deb")
    try ExternalTool("dpkg-deb").run(["--root-owner-group"] + options + ["-b", directory.path(of: "p"), output])
    return try present(directory.read("out.deb"))
  }

  private struct Missing: Error {}
  private static func present(_ bytes: [UInt8]?) throws -> [UInt8] {
    guard let bytes else { throw Missing() }
    return bytes
  }

  /// The members of a package with their contents.
  static func members(_ package: [UInt8]) throws -> [(name: String, content: [UInt8])] {
    try ArArchive(parsing: package).members.map { ($0.name, Array(package[$0.contentRange])) }
  }

  /// Builds a package from its members.
  static func join(_ members: [(name: String, content: [UInt8])]) throws -> [UInt8] {
    try members.reduce(Array("!<arch>\n".utf8)) { archive, member in
      guard let header = ArArchive.header(name: member.name, size: member.content.count, modified: 0) else {
        throw Missing()
      }
      return archive + header + member.content + (member.content.count.isMultiple(of: 2) ? [] : [0x0a])
    }
  }
}
