// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages

/// Writes the repacked package: the input's ar archive with new control and data members.
struct PackageOutput {
  let input: PackageInput
  let control: RewrittenMember
  let data: RewrittenMember
  let dataCompression: MemberCompression
  let spool: SpoolFile

  struct Written {
    /// Bytes.
    var size: Int
    var sha256: [UInt8]
  }

  /// Writes the package under a temporary name, reads its layout back, and then renames it to `path`.
  ///
  /// Throws `HostError`; `Failure` if the input has changed since it was read or the layout is wrong.
  func write(to path: String, in files: FileSystem) throws -> Written {
    try files.replaceFile(path, verify: { try requireLayout($0) }) { file in
      let sink = DigestingSink(file, try RunningDigest(.sha256))
      try sink.write(Array("!<arch>\n".utf8))
      for member in members { try write(member, to: sink) }
      try sink.write(contentsOf: input.file, in: input.layout.trailer)
      return Written(size: file.count, sha256: try sink.digest.finish())
    }
  }

  /// All members except debsigs and dpkg-sig signatures of the whole package, which the changes invalidate.
  private var members: [ArArchive.Member] { input.layout.members.filter { !$0.name.hasPrefix("_gpg") } }

  private func write(_ member: ArArchive.Member, to sink: any ByteSink) throws {
    let new: (member: RewrittenMember, name: String)?
    switch member {
    case input.layout.control.member: new = (control, member.name)
    case input.layout.data.member: new = (data, "data.tar\(dataCompression.suffix)")
    default: new = nil
    }
    if let new {
      try sink.write(try header(of: member, name: new.name, size: new.member.count))
      try new.member.write(to: sink, input: input.file, spool: spool)
    } else {
      let range = member.headerRange.lowerBound..<member.contentRange.upperBound
      try sink.write(contentsOf: input.file, in: range)
    }
    let count = new?.member.count ?? member.contentRange.count
    if !count.isMultiple(of: 2) { try sink.write([UInt8(ascii: "\n")]) }
  }

  /// The member's header with the new size, and with the new name if the compression changes.
  private func header(of member: ArArchive.Member, name: String, size: Int) throws -> [UInt8] {
    var header = try input.file.readBytes(at: member.headerRange.lowerBound, count: 60, format: "ar")
    let digits = Array("\(size)".utf8)
    guard digits.count <= 10 else {
      throw Failure(
        "the repacked \(name) has \(size) bytes, more than a package can contain", hint: "use --compression xz")
    }
    header.replaceSubrange(48..<58, with: digits + repeatElement(UInt8(ascii: " "), count: 10 - digits.count))
    if name != member.name {
      let slash = member.nameField.contains(UInt8(ascii: "/")) ? "/" : ""
      let field = Array("\(name)\(slash)".utf8)
      header.replaceSubrange(0..<16, with: field + repeatElement(UInt8(ascii: " "), count: 16 - field.count))
    }
    return header
  }

  private func requireLayout(_ file: File) throws {
    try input.file.requireUnchanged()
    let layout = try DebLayout(parsing: file)
    guard
      layout.control.member.contentRange.count == control.count, layout.data.member.contentRange.count == data.count,
      layout.data.compression == dataCompression, layout.members.count == members.count
    else {
      throw Failure(
        "\(file.path): the file read back differs from the file written",
        hint: "check this machine's memory and storage")
    }
  }
}

/// Passes bytes on to another sink and digests them.
private final class DigestingSink: ByteSink {
  private let sink: any ByteSink
  let digest: RunningDigest

  init(_ sink: any ByteSink, _ digest: RunningDigest) {
    self.sink = sink
    self.digest = digest
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    try digest.update(bytes)
    try sink.write(bytes)
  }

  /// Required by the protocol; never called for a package, since the digest already includes the old bytes.
  func patch(_ bytes: [UInt8], at offset: Int) throws { try sink.patch(bytes, at: offset) }
}

/// A piece of a member of the output.
enum MemberPiece {
  /// A range of the input package.
  case input(Range<Int>)
  /// A range of the spool file.
  case spooled(Range<Int>)
  case bytes([UInt8])

  var count: Int {
    switch self {
    case .input(let range), .spooled(let range): range.count
    case .bytes(let bytes): bytes.count
    }
  }
}

/// A member of the output, before it is written.
struct RewrittenMember {
  var pieces: [MemberPiece] = []
  /// Bytes.
  var count: Int { pieces.reduce(0) { $0 + $1.count } }
  /// Whether a block that should have been transcoded had to be compressed again.
  var fellBack = false

  /// Appends everything that `body` writes to `spool`.
  mutating func spool(to spool: SpoolFile, _ body: (any ByteSink) throws -> Void) throws {
    let start = spool.count
    try body(spool)
    pieces.append(.spooled(start..<spool.count))
  }

  /// Writes the member.
  ///
  /// `input` is the whole input package.
  func write(to sink: any ByteSink, input: any RandomAccessBytes, spool: SpoolFile) throws {
    let buffer = TransferBuffer()
    for piece in pieces {
      switch piece {
      case .input(let range): try sink.write(contentsOf: input, in: range, through: buffer)
      case .spooled(let range): try sink.write(contentsOf: spool, in: range, through: buffer)
      case .bytes(let bytes): try sink.write(bytes)
      }
    }
  }
}
