// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive

/// The file in a repacked package that says where it comes from: a stanza in the form of deb822(5).
struct Provenance {
  var toolVersion: String
  var name: PackageName
  /// The input's name, without directories.
  var inputName: String
  var inputDigest: [UInt8]
  var signer: String
  var certificateFingerprint: [UInt8]?
  var changes: [FileChange]

  static let fileName = "pve-sb-uki-repack.provenance"

  /// The first path of that kind which `exists` does not know: a package may be repacked more than once.
  static func path(in package: String, exists: (ArchivePath) -> Bool) -> ArchivePath {
    let base = "usr/share/doc/\(package)/\(fileName)"
    var number = 1
    while number < 1000, exists(ArchivePath(number == 1 ? base : "\(base).\(number)")) { number += 1 }
    return ArchivePath(number == 1 ? base : "\(base).\(number)")
  }

  var text: [UInt8] {
    var lines = [
      "Repacked-By: pve-sb-uki-repack \(toolVersion)",
      "Package: \(name.new)",
      "Version: \(name.newVersion)",
      "Input-File: \(Self.oneLine(inputName))",
      "Input-Package: \(name.old)",
      "Input-Version: \(name.oldVersion)",
      "Input-SHA256: \(inputDigest.hexadecimal)",
      "Signer: \(Self.oneLine(signer))",
    ]
    if let certificateFingerprint { lines.append("Signer-Certificate-SHA256: \(certificateFingerprint.hexadecimal)") }
    let images = changes.filter(\.isImage)
    if !images.isEmpty {
      lines.append("Signed-Images:")
      for image in images {
        lines.append(" \(image.old.sha256.hexadecimal) \(image.new.sha256.hexadecimal) \(image.path)")
      }
    }
    if changes.count > images.count { lines.append("Signed-Modules: \(changes.count - images.count)") }
    return Array((lines.joined(separator: "\n") + "\n").utf8)
  }

  private static func oneLine(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7f ? "?" : $0 }))
  }
}

extension FileChange {
  var isImage: Bool {
    if case .image = kind { return true }
    return false
  }
}
