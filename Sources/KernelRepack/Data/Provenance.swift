// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive

/// The file in a repacked package that records its origin: a stanza in the format of deb822(5).
struct Provenance {
  var toolVersion: String
  var name: PackageName
  /// The file name that dpkg-name gives to the input, so that the result does not depend on the file's name.
  var inputName: String
  /// SHA-256 of the input.
  var inputDigest: [UInt8]
  /// Subject of the signer's certificate, and its SHA-256.
  var signer: String
  var certificateFingerprint: [UInt8]?
  var changes: [FileChange]

  private static let fileName = "pve-sb-uki-repack.provenance"

  /// The first unused provenance path in `package`: if it is repacked more than once, the files are numbered from 2.
  static func path(in package: String, exists: (ArchivePath) -> Bool) -> ArchivePath {
    let base = "usr/share/doc/\(package)/\(fileName)"
    var number = 1
    while number < 1000, exists(ArchivePath(number == 1 ? base : "\(base).\(number)")) { number += 1 }
    return ArchivePath(number == 1 ? base : "\(base).\(number)")
  }

  /// Whether `path` is a provenance file in any package's directory.
  static func isPath(_ path: ArchivePath) -> Bool {
    guard path.parents.count == 4, path.hasPrefix("usr/share/doc/") else { return false }
    let file = path.bytes.split(separator: UInt8(ascii: "/")).last ?? []
    let rest = file.dropFirst(fileName.utf8.count)
    return file.starts(with: fileName.utf8)
      && (rest.isEmpty
        || rest.first == UInt8(ascii: ".") && rest.count > 1
          && rest.dropFirst().allSatisfy { (0x30...0x39).contains($0) })
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
  fileprivate var isImage: Bool {
    if case .image = kind { return true }
    return false
  }
}

/// A file that was added to a package, with the directories above it.
struct AddedFiles {
  let path: ArchivePath
  let md5: [UInt8]
  /// As Installed-Size counts: file sizes rounded up, and one for a directory.
  let kibibytes: Int
}

/// Adds the provenance file after the last entry of the data archive.
struct ProvenanceWriter {
  let input: PackageInput
  let name: PackageName
  let signatures: any SignatureSource
  let toolVersion: String

  /// Adds the file at offset `end` of the archive.
  ///
  /// Returns nil if a directory above it is something else, such as a symbolic link.
  func add(to editor: inout DataEditor, at end: Int) throws -> AddedFiles? {
    let (sums, kinds) = (editor.sums, editor.scan.entryKinds)
    let path = Provenance.path(in: name.new) { sums.digest(of: $0) != nil || kinds[$0] != nil }
    let missing = path.parents.filter { !exists($0, in: editor) }
    if let lowest = path.parents.first(where: { kinds[oldPath(of: $0)] != nil }),
      kinds[oldPath(of: lowest)] != .directory
    {
      return nil
    }
    let provenance = Provenance(
      toolVersion: toolVersion, name: name, inputName: input.identity.fileName, inputDigest: input.sha256,
      signer: signatures.signer, certificateFingerprint: try signatures.certificateFingerprint(),
      changes: editor.changes)
    let text = provenance.text
    var entries: [UInt8] = []
    for directory in missing.reversed() {
      entries += TarHeader.directory(directory, mode: 0o755, modified: editor.modified)
    }
    entries += TarHeader.file(path, mode: 0o644, size: text.count, modified: editor.modified)
    entries += text + TarHeader.fill(after: text.count)
    editor.add([ByteEdit(range: end..<end, replacement: entries)])
    return AddedFiles(
      path: path, md5: try Digest.of(text, .md5), kibibytes: (text.count + 1023) / 1024 + missing.count)
  }

  private func exists(_ directory: ArchivePath, in editor: DataEditor) -> Bool {
    let old = oldPath(of: directory)
    return editor.scan.entryKinds[old] != nil || editor.sums.hasFile(below: old)
  }

  /// The path of `path` in the input, which differs if the package is renamed.
  private func oldPath(of path: ArchivePath) -> ArchivePath {
    path == ArchivePath("usr/share/doc/\(name.new)") ? ArchivePath("usr/share/doc/\(name.old)") : path
  }
}
