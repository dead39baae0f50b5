// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import DebianArchive
internal import HostSystem
internal import Messages

/// Collects the edits of the data archive while it is read piece by piece: signed files and renamed paths.
struct DataEditor {
  private(set) var signer: FileSigner
  let name: PackageName
  /// The input's md5sums, which the files must match.
  let sums: MD5Sums
  let workers: Int
  var scan: DataScan
  private(set) var changes: [FileChange] = []
  /// Offsets of kernel images in the archive.
  ///
  /// They are already compressed, so LZMA cannot shrink them.
  private(set) var images: [Range<Int>] = []
  /// The number of images read, changed or not.
  private(set) var imageCount = 0
  /// The number of modules read, changed or not; 0 unless modules are signed.
  private(set) var moduleCount = 0
  /// Modification time of the newest image in seconds since 1970, which added files get.
  private(set) var modified = 0
  /// Old and new paths of renamed entries.
  private(set) var renamed: [(old: ArchivePath, new: ArchivePath)] = []
  /// All edits so far, in order.
  private(set) var edits: [ByteEdit] = []

  /// `aliases` are files that only a link's name shows to be kernel files.
  init(
    signer: FileSigner, name: PackageName, sums: MD5Sums, checksAll: Bool, workers: Int,
    aliases: [ArchivePath: Alias] = [:]
  ) {
    self.signer = signer
    self.name = name
    self.sums = sums
    self.workers = workers
    let directories = name.isRenamed ? Self.directories(of: name.old) : []
    scan = DataScan(
      checksAll: checksAll, aliases: aliases,
      isRenamed: { path in directories.contains { path == $0 || path.isBelow($0) } },
      prefers: signer.signatures.covers, kind: signer.kind)
  }

  /// The directories named after the package.
  private static func directories(of package: String) -> [ArchivePath] {
    ["doc", "bug", "lintian/overrides"].map { ArchivePath("usr/share/\($0)/\(package)") }
  }

  /// Adds edits, which are usually after all others.
  mutating func add(_ more: [ByteEdit]) { edits.insert(sorting: more) }

  /// Reads the next bytes of the archive and signs the files that they complete, several at a time.
  ///
  /// Throws `Failure` if a changed file does not match the package's md5sums; also the errors of `DataScan` and
  /// `FileSigner`.
  mutating func feed(_ bytes: UnsafeRawBufferPointer) throws {
    try scan.feed(bytes)
    let files = scan.takeFiles()
    for file in files where file.kind == .configuration { signer.digests.add(file) }
    moduleCount += files.filter { $0.kind == .module }.count
    for file in files where file.kind == .image {
      imageCount += 1
      images.append(file.entry.contentRange)
      modified = max(modified, file.entry.modified)
    }
    let (signer, sums) = (signer, sums)
    let found = try ParallelWork.map(files.count, workers: workers) { index in
      guard let change = try signer.change(of: files[index]) else { return nil as FileChange? }
      try Self.require(change.old.md5, of: change.entryPath, in: sums)
      return change
    }
    let new = found.compactMap { $0 }
    changes += new
    let names = try scan.takeRenamed().flatMap { try rename($0) }
    add(new.flatMap(\.edits) + names)
  }

  /// Adds to each change the names that hard links give to its file.
  ///
  /// Call after the whole archive was read. Throws `Failure` if one of these names has another digest in md5sums.
  mutating func settleLinks() throws {
    for index in changes.indices {
      changes[index].names = scan.links.names(of: changes[index].entryPath)
      for name in changes[index].names { try Self.require(changes[index].old.md5, of: name, in: sums) }
    }
  }

  /// The edits that rename an entry in one of the package's directories, or a link to such an entry.
  private mutating func rename(_ entry: TarEntry) throws -> [ByteEdit] {
    let new = newPath(of: entry.path)
    let link = entry.kind == .hardLink ? newPath(of: entry.linkPath) : nil
    if let new { renamed.append((entry.path, new)) }
    return try entry.edits(renamedTo: new ?? entry.path, linkedTo: link)
  }

  /// The path in the renamed package; nil if it stays the same.
  private func newPath(of path: ArchivePath) -> ArchivePath? {
    guard
      let directory = Self.directories(of: name.old).first(where: { $0 == path || path.isBelow($0) })
    else { return nil }
    let parent = Array(directory.bytes.dropLast(name.old.utf8.count))
    let rest = Array(path.bytes.dropFirst(directory.bytes.count))
    return ArchivePath(normalizing: parent + Array(name.new.utf8) + rest)
  }

  /// Throws `Failure` unless every file in md5sums is in the archive and matches.
  ///
  /// The scan must check all files.
  func requireListedFiles() throws {
    for path in sums.paths {
      guard let md5 = scan.digests[path] else {
        throw Failure(
          "\(path) is in md5sums, but not in the package",
          hint: "download the package again, or omit --check-contents if you trust it")
      }
      try Self.require(md5, of: path, in: sums)
    }
  }

  private static func require(_ md5: [UInt8], of path: ArchivePath, in sums: MD5Sums) throws {
    guard let listed = sums.digest(of: path), listed != md5 else { return }
    throw Failure(
      "\(path) has MD5 \(md5.hexadecimal); the package's md5sums lists \(listed.hexadecimal)",
      hint: "the package is damaged or was modified; download it again")
  }
}
