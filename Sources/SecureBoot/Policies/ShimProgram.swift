// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import EFIData
package import HostSystem
package import Messages
internal import PortableExecutable

/// A shim: what is built into it, and the trusted files next to it.
package struct ShimProgram: Sendable {
  let evidence: ImageEvidence
  /// Lists built into shim in place of a certificate (`VENDOR_DB_FILE`); empty in most.
  private(set) var allowed = TrustList(name: "shim's vendor db")
  /// Revocations built into shim (`VENDOR_DBX_FILE`).
  private(set) var denied = TrustList(name: "shim's vendor dbx")
  /// The vendor's certificate.
  private(set) var vendor = TrustList(name: "shim's vendor certificate")
  /// Certificates of `shim_certificate*.efi` next to shim, if shim accepts these files.
  fileprivate(set) var added = TrustList(name: "shim_certificate")
  /// The levels in its section `.sbatlevel`.
  fileprivate(set) var levels: RevocationLevels?
  /// Those of `revocations_sbat.efi` next to shim, if shim accepts the file.
  fileprivate(set) var addedLevels: RevocationLevels?
  /// Skipped parts, each as a sentence.
  package private(set) var notes: [Message] = []

  var isNXCompatible: Bool { evidence.isNXCompatible }

  /// Reads a shim without the files next to it.
  ///
  /// Throws if it is not an EFI image or cannot be read. Damaged parts are skipped.
  package init(of file: File, database: TrustDatabase) throws {
    evidence = try ImageEvidence(of: file, for: database)
    let header = try PEHeader(parsing: file)
    if let table = try Self.content(of: ".vendor_cert", header, file) { readVendor(table) }
    levels = try Self.content(of: ".sbatlevel", header, file).flatMap(RevocationLevels.init(ofShim:))
  }

  /// Parses `cert_table`: sizes of the authorised and deauthorised part, then their offsets, each in 4 bytes.
  private mutating func readVendor(_ table: [UInt8]) {
    func part(_ index: Int) -> [UInt8]? {
      var reader = ByteReader(table, format: ".vendor_cert")
      do {
        try reader.seek(to: 4 * index)
        let size = try reader.readCount(UInt32.self)
        try reader.seek(to: 4 * index + 8)
        try reader.seek(to: try reader.readCount(UInt32.self))
        return size == 0 ? nil : Array(try reader.read(count: size))
      } catch {
        notes.append("shim's vendor certificate cannot be read: \(error)")
        return nil
      }
    }
    if let authorised = part(0) {
      if authorised.starts(with: [0x30, 0x82]) {
        let certificate = try? Certificate(parsingPrefixOf: authorised)
        vendor = TrustList(name: vendor.name, certificates: [certificate].compactMap { $0 })
      } else {
        allowed = TrustList(name: allowed.name, content: authorised, notes: &notes)
      }
    }
    if let deauthorised = part(1) { denied = TrustList(name: denied.name, content: deauthorised, notes: &notes) }
  }

  /// The content of a section, at most 1 MiB; nil if it is missing.
  static func content(of name: String, _ header: PEHeader, _ file: File) throws -> [UInt8]? {
    guard let section = try header.section(named: name, in: file) else { return nil }
    let range = section.contentRange
    return try file.readBytes(at: range.lowerBound, count: min(range.count, 1 << 20), format: name)
  }
}

/// The revocation levels that a shim or a `revocations_sbat.efi` carries.
struct RevocationLevels: Sendable {
  /// Applied by default.
  let automatic: RevocationLevel
  /// Applied on request (`mokutil --set-sbat-policy latest`).
  let latest: RevocationLevel

  /// Parses the section `.sbatlevel`: a version, the offsets of both texts from byte 4, the texts with a NUL each.
  ///
  /// Nil if it is damaged.
  init?(ofShim bytes: [UInt8]) {
    func text(_ index: Int) -> RevocationLevel? {
      var reader = ByteReader(bytes, format: ".sbatlevel")
      guard (try? reader.seek(to: 4 + 4 * index)) != nil, let offset = try? reader.readCount(UInt32.self),
        (try? reader.seek(to: 4 + offset)) != nil
      else { return nil }
      return RevocationLevel(parsing: Array(reader.readToEnd()))
    }
    guard let automatic = text(0), let latest = text(1) else { return nil }
    self.automatic = automatic
    self.latest = latest
  }

  init(automatic: RevocationLevel, latest: RevocationLevel) {
    self.automatic = automatic
    self.latest = latest
  }
}

extension RevocationLevel {
  /// The level that applies when the machine boots next, with Secure Boot on.
  ///
  /// shim replaces the stored level only with a newer one, and never with one that revokes shim itself. If Secure Boot was
  /// off at the last boot, the stored level is the original one.
  static func next(_ database: TrustDatabase, shim: ShimProgram?) -> RevocationLevel {
    let stored = database.revocationLevel.flatMap(RevocationLevel.init(parsing:))
    var level = stored ?? RevocationLevel()
    var isStored = stored != nil
    for levels in [shim?.levels, shim?.addedLevels].compactMap({ $0 }) {
      let candidate = database.revocationPolicy == 1 ? levels.latest : levels.automatic
      if isStored, level.isKept(over: candidate) || shim?.evidence.revocationData.refusal(at: candidate) != nil {
        continue
      }
      level = candidate
      isStored = true
    }
    return level
  }
}

/// A directory on an ESP or elsewhere.
package struct ProgramDirectory: Sendable {
  let files: FileSystem
  let path: String

  package init(_ path: String, in files: FileSystem) {
    self.files = files
    self.path = path
  }
}

extension ShimProgram {
  /// Reads a shim and the files that shim loads from the directories in which it is installed: `revocations_sbat.efi`
  /// first, then `shim_certificate*.efi`.
  ///
  /// shim loads only files that it would start. Throws if shim itself cannot be read.
  package init(of file: File, in directories: [ProgramDirectory], database: TrustDatabase) throws {
    try self.init(of: file, database: database)
    for directory in directories {
      for path in Self.files(named: "revocations_sbat.efi", in: directory) {
        guard let (file, header) = acceptedFile(path, in: directory.files, database) else { continue }
        let texts = [".sbata", ".sbatl"].map { (try? Self.content(of: $0, header, file)).flatMap { $0 } }
        guard let automatic = texts[0].flatMap(RevocationLevel.init(parsing:)),
          let latest = texts[1].flatMap(RevocationLevel.init(parsing:))
        else { continue }
        addedLevels = RevocationLevels(automatic: automatic, latest: latest)
      }
    }
    var certificates: [UInt8] = []
    for directory in directories {
      for path in Self.files(named: "shim_certificate", in: directory) {
        guard let (file, header) = acceptedFile(path, in: directory.files, database) else { continue }
        for section in header.sections where section.name == ".db" {
          let range = section.contentRange
          let content = try? file.readBytes(at: range.lowerBound, count: min(range.count, 1 << 20), format: ".db")
          certificates += content ?? []
        }
      }
    }
    if !certificates.isEmpty { added = TrustList(name: added.name, content: certificates, notes: &notes) }
  }

  /// The paths of at most 100 files whose names start like this, in any case.
  private static func files(named prefix: String, in directory: ProgramDirectory) -> [String] {
    let names = (try? directory.files.list(directory.path)).flatMap { $0 } ?? []
    return names.filter { $0.lowercased().hasPrefix(prefix) }.sorted().prefix(100).map { "\(directory.path)/\($0)" }
  }

  private func acceptedFile(
    _ path: String, in files: FileSystem, _ database: TrustDatabase
  ) -> (file: File, header: PEHeader)? {
    guard let file = try? files.openFile(path), let image = try? ImageEvidence(of: file, for: database),
      let header = try? PEHeader(parsing: file),
      (try? ShimPolicy(database: database, shim: self).judge(image).isAccepted) == true
    else { return nil }
    return (file, header)
  }
}
