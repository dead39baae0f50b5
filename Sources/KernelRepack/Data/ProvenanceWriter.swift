// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive

/// A file that was added to a package, with the directories above it.
struct AddedFiles {
  let path: ArchivePath
  let md5: [UInt8]
  /// As Installed-Size counts them: one for a directory.
  let kibibytes: Int
}

/// Puts the provenance file behind the last entry of the data archive.
struct ProvenanceWriter {
  let input: PackageInput
  let name: PackageName
  let signatures: any SignatureSource
  let toolVersion: String

  /// Whether the list of files proves that the directory for documents is there.
  static func hasDirectory(of package: String, in sums: MD5Sums) -> Bool {
    sums.hasFile(below: ArchivePath("usr/share/doc/\(package)"))
  }

  /// Nil if the place for the file is something else than a directory.
  func add(to work: inout DataWork, at end: Int) throws -> AddedFiles? {
    let (sums, kinds) = (work.sums, work.scan.kinds)
    let path = Provenance.path(in: name.new) { sums.digest(of: $0) != nil || kinds[$0] != nil }
    let missing = path.parents.filter { !exists($0, in: work) }
    if let lowest = path.parents.first(where: { kinds[oldPath(of: $0)] != nil }),
      kinds[oldPath(of: lowest)] != .directory
    {
      return nil
    }
    let provenance = Provenance(
      toolVersion: toolVersion, name: name, inputName: input.fileName, inputDigest: input.sha256,
      signer: signatures.signer, certificateFingerprint: try signatures.certificateFingerprint(),
      changes: work.changes)
    let text = provenance.text
    var entries: [UInt8] = []
    for directory in missing.reversed() {
      entries += TarHeader.directory(directory, mode: 0o755, modified: work.modified)
    }
    entries += TarHeader.file(path, mode: 0o644, size: text.count, modified: work.modified)
    entries += text + TarHeader.fill(after: text.count)
    work.add([ByteEdit(range: end..<end, replacement: entries)])
    return AddedFiles(
      path: path, md5: try Digest.of(text, .md5), kibibytes: (text.count + 1023) / 1024 + missing.count)
  }

  private func exists(_ directory: ArchivePath, in work: DataWork) -> Bool {
    let old = oldPath(of: directory)
    return work.scan.kinds[old] != nil || work.sums.hasFile(below: old)
  }

  /// What a path was called in the input.
  private func oldPath(of path: ArchivePath) -> ArchivePath {
    path == ArchivePath("usr/share/doc/\(name.new)") ? ArchivePath("usr/share/doc/\(name.old)") : path
  }
}
