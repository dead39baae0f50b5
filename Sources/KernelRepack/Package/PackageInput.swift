// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Compression
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages
internal import RepositoryTrust

/// An open package whose control archive has been read.
struct PackageInput {
  let path: String
  let file: File
  let layout: DebLayout
  let control: ControlArchive
  let identity: ControlStanza.Identity
  /// Of the whole file.
  let sha256: [UInt8]

  /// Throws `HostError` if the file cannot be read, `ParseError` or `CompressionError` if it is not a valid package.
  init(_ path: String, from files: FileSystem) throws {
    self.path = path
    file = try files.openFile(path)
    layout = try DebLayout(parsing: file)
    try layout.control.requireOneStream(in: file, limit: ControlArchive.limit)
    try layout.data.requireOneStream(in: file, limit: layout.data.textLimit)
    var text: [UInt8] = []
    try layout.control.forEachChunk(of: file, limit: ControlArchive.limit) { text.append(contentsOf: $0) }
    control = try ControlArchive(text: text)
    identity = try control.stanza.identity()
    sha256 = try Digest.of(file)
  }

  var trustIdentity: DebIdentity {
    DebIdentity(
      path: path, sha256: sha256, package: identity.package, version: identity.version,
      architecture: identity.architecture)
  }
}

extension PackageInput {
  /// Thrown to stop reading.
  private struct Stop: Error {}

  /// Calls `body` with each regular file of the data archive that `isWanted` selects by one of its names, in the
  /// archive's order, until it returns false.
  ///
  /// Returns the names that links give to the files read so far. Throws `ParseError` or `CompressionError` for an archive
  /// that is damaged or unsafe to unpack.
  @discardableResult
  func forEachFile(
    where isWanted: @escaping @Sendable (ArchivePath) -> Bool, _ body: (DataScan.File) throws -> Bool
  ) throws -> FileNames {
    var aliases: [ArchivePath: Alias] = [:]
    while true {
      let isFirst = aliases.isEmpty
      let known = aliases
      var scan = DataScan(checksAll: false, aliases: known) { isFirst && isWanted($0) ? .image : nil }
      func take(_ bytes: UnsafeRawBufferPointer) throws {
        try scan.feed(bytes)
        for file in scan.takeFiles() {
          guard try body(file) else { throw Stop() }
        }
      }
      do {
        try layout.data.forEachChunk(of: file, limit: layout.data.textLimit, body: take)
        _ = try scan.finish()
      } catch is Stop {
        return scan.links
      }
      aliases = scan.missedAliases
      guard isFirst, !aliases.isEmpty else { return scan.links }
    }
  }
}

/// Runs `body` and turns any error into a `Failure` whose message starts with the package's path.
func describingPackage<Value>(_ path: String, _ body: () throws -> Value) throws(Failure) -> Value {
  do {
    return try body()
  } catch let failure as Failure {
    let names = failure.message.description.utf8.starts(with: "\(path):".utf8)
    throw names ? failure : Failure("\(path): \(failure.message)", hint: failure.hint)
  } catch {
    var failure = Failure(path, error)
    if let flaw = PackageFlaw(error) { failure.hint = flaw.hint(path) }
    throw failure
  }
}

/// Why a package cannot be read, as far as it tells what to do about it.
private enum PackageFlaw {
  /// Bytes are missing or wrong.
  case damage
  /// It unpacks outside its directory, or differently with different programs.
  case hazard
  /// Intact, but not as dpkg-deb writes packages.
  case unusual

  /// Nil for errors that are not about the package's content.
  init?(_ error: any Error) {
    switch error {
    case let error as ParseError:
      switch error.rule {
      case .truncated, .magic, "check", "checksum": self = .damage
      case "path": self = .hazard
      default: self = .unusual
      }
    case let error as CompressionError where error.operation != .unavailable:
      self = error.operation == .unpack ? .damage : .unusual
    default: return nil
    }
  }

  func hint(_ path: String) -> Message {
    switch self {
    case .damage: "the package is damaged or was modified; download it again"
    case .hazard: "do not install this package; report it to its maintainer"
    case .unusual:
      """
      the package is unusual; if you trust it, rebuild it with 'dpkg-deb -R \(path) DIR' and \
      'dpkg-deb --root-owner-group -Zxz -b DIR NEW.deb'
      """
    }
  }
}
