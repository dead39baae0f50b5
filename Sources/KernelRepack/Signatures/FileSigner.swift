// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import ModuleSignature
internal import PortableExecutable

/// Signs the files of one package.
struct FileSigner: Sendable {
  let signatures: any SignatureSource
  let images: ImagePolicy
  let modules: ModulePolicy
  var digests: ModuleDigests
  /// Shared by all threads, for the contents of files.
  let memory: MemoryBudget

  /// The kind of the file at `path`; nil for a file that has no part in signing.
  func kind(of path: ArchivePath) -> KernelFiles.Kind? {
    if let kind = signatures.kind(of: path) { return kind }
    let kind = KernelFiles.kind(of: path)
    if case .none = modules, kind != .image { return nil }
    return kind
  }

  /// Signs a file; returns nil if the file remains unchanged.
  ///
  /// Throws a `Failure` that names the file.
  func change(of file: DataScan.File) throws -> FileChange? {
    try describing(file.path.description) {
      switch file.kind {
      case .image: try memory.reserving(Self.copies * file.content.count) { try image(file) }
      case .module: try module(file)
      case .configuration: nil
      }
    }
  }

  /// How often a file's content is in memory while it is signed.
  private static let copies = 3

  private func image(_ file: DataScan.File) throws -> FileChange? {
    let image = try SignedImage(kernel: file)
    let before = image.table.entries.count
    if images == .keep, before > 0 { return nil }
    let isDone = try image.signatures(in: file.content).contains { found in
      guard let signature = found.signature else {
        // The firmware rejects an image with a signature that it cannot read, whatever is added.
        if case .failure(let error) = found.reading, error.rule != .otherType, images != .replace { throw error }
        return false
      }
      return found.verdict == .valid && signatures.isOurs(signature.message.signers)
    }
    if isDone, images == .add || before == 1 { return nil }
    let sink = MemorySink(reserving: file.content.count + (64 << 10))
    let signer = ImageSigner(existing: images == .replace ? .replace : .append) { digest in
      try signatures.imageSignature(of: file.path, digest: digest)
    }
    try signer.sign(file.content, to: sink)
    let after = images == .replace ? 1 : before + 1
    let signed = try SignedImage(parsing: sink.bytes).signatures(in: sink.bytes)
    guard signed.count == after, signed.last?.verdict == .valid else {
      throw Failure(
        "\(file.path): the signature does not belong to this image",
        hint: "create the signature from exactly this package, or sign with --key and --cert")
    }
    if let obstacle = signed.last?.signature?.firmwareObstacle {
      throw Failure("\(file.path): the signature \(obstacle)", hint: "use an RSA key of at least 2048 bits")
    }
    return try FileChange(file, kind: .image(before: before, after: after), new: sink.bytes)
  }

  private func module(_ file: DataScan.File) throws -> FileChange? {
    guard signatures.covers(file.path) else { return nil }
    let size = try PackedModule.unpackedSize(of: file.content, limit: DataScan.fileLimit)
    return try memory.reserving(Self.copies * size) { try module(file, unpackedSize: size) }
  }

  private func module(_ file: DataScan.File, unpackedSize: Int) throws -> FileChange? {
    var packed = try PackedModule(file.content, size: unpackedSize)
    let trailer = try ModuleTrailer(
      tail: Array(packed.content[...].suffix(ModuleTrailer.sizeLimit)), ofModuleWith: packed.content.count)
    if case .unsigned = modules, trailer != nil { return nil }
    let algorithm = try digests.digest(for: file.path)
    let contentCount = trailer?.contentCount ?? packed.content.count
    let oldTrailer = Array(packed.content[contentCount...])
    packed.content.removeSubrange(contentCount...)
    let digest = try Digest.of(packed.content, algorithm)
    let signature = try signatures.moduleSignature(of: file.path, digest: digest, algorithm: algorithm)
    let newTrailer = try ModuleTrailer.bytes(for: signature)
    if newTrailer == oldTrailer { return nil }
    packed.content += newTrailer
    return try FileChange(
      file, kind: .module(algorithm: algorithm.rawValue, replaced: trailer != nil), new: packed.pack())
  }
}

extension SignedImage {
  private static let compressions: [(name: String, magic: [UInt8])] = [
    ("gzip", [0x1f, 0x8b]), ("bzip2", Array("BZh".utf8)), ("xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]),
    ("lzma", [0x5d, 0, 0]), ("lz4", [0x02, 0x21, 0x4c, 0x18]), ("zstd", [0x28, 0xb5, 0x2f, 0xfd]),
  ]

  /// Throws a `Failure` with a hint if the file is not an EFI image, which firmware could not start with any signature.
  init(kernel file: DataScan.File) throws {
    let path = file.path
    do {
      try self.init(parsing: file.content)
    } catch let error as ParseError {
      let hint: Message = "use a package whose kernel is an EFI image, such as one built with CONFIG_EFI_STUB"
      if let compression = Self.compressions.first(where: { file.content.starts(with: $0.magic) }) {
        throw Failure("\(path) is compressed with \(compression.name), so the firmware cannot start it", hint: hint)
      }
      throw Failure("\(path) is not a valid EFI image: \(error)", hint: hint)
    }
  }
}

/// How one file of a package was changed by signing it.
package struct FileChange: Sendable {
  package enum Kind: Sendable {
    /// The number of signatures before and after; the new one is the last.
    case image(before: Int, after: Int)
    /// The digest algorithm, and whether the signature replaces another one.
    case module(algorithm: String, replaced: Bool)
  }

  /// Size and digests of the file before or after.
  package struct State: Sendable {
    /// Bytes.
    package let size: Int
    package let md5: [UInt8]
    package let sha256: [UInt8]

    /// Continues the digests of the first `count` bytes with the rest of `content`.
    fileprivate init(
      _ content: [UInt8], after count: Int, md5: consuming Digest, sha256: consuming Digest
    ) throws(CryptoError) {
      size = content.count
      try md5.update(content[count...])
      try sha256.update(content[count...])
      self.md5 = try md5.finish()
      self.sha256 = try sha256.finish()
    }

    /// The size in KiB, rounded up, as Installed-Size counts it.
    var kibibytes: Int { (size + 1023) / 1024 }
  }

  package let kind: Kind
  package let old: State
  package let new: State
  /// The name that shows the kind, unless that is a symbolic link.
  package var path: String { (names.contains(signedPath) ? signedPath : entryPath).description }
  /// The other names of the file, which are hard links.
  package var links: [String] { names.map(\.description).filter { $0 != path } }
  private let signedPath: ArchivePath
  /// The path of the entry with the content.
  let entryPath: ArchivePath
  /// All names of the file; only `entryPath` until the whole archive was read.
  var names: [ArchivePath]
  /// Edits of the data archive.
  let edits: [ByteEdit]

  init(_ file: DataScan.File, kind: Kind, new content: [UInt8]) throws {
    self.kind = kind
    entryPath = file.entry.path
    names = [entryPath]
    signedPath = file.path
    let edits = ContentEdits.inPlace(from: file.content, to: content)
    // A signed module differs only in its last bytes, so the others are digested once.
    let common = edits.first?.range.lowerBound ?? content.count
    var md5 = try Digest(.md5)
    var sha256 = try Digest()
    try md5.update(content[..<common])
    try sha256.update(content[..<common])
    old = try State(file.content, after: common, md5: try md5.copy(), sha256: try sha256.copy())
    new = try State(content, after: common, md5: md5, sha256: sha256)
    self.edits = try file.entry.edits(ofContent: edits)
  }
}
