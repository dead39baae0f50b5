// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import DebianArchive
internal import HostSystem
internal import Messages

/// Writes the repacked package: the input's archive with two members in the place of old ones.
struct PackageOutput {
  let input: PackageInput
  let control: RewrittenMember
  let data: RewrittenMember
  let dataCompression: MemberCompression
  let spool: SpoolFile

  struct Written {
    var size: Int
    var sha256: [UInt8]
  }

  /// Writes `path`, reads the layout back, and only then gives it its name. Throws `HostError`, `Failure`.
  func write(to path: String, in files: FileSystem) throws -> Written {
    try files.replaceFile(path, verify: { try requireLayout($0) }) { file in
      let sink = DigestingSink(file, try RunningDigest(.sha256))
      try sink.write(Array("!<arch>\n".utf8))
      for member in members { try write(member, to: sink) }
      return Written(size: file.count, sha256: try sink.digest.finish())
    }
  }

  /// Signatures of the whole package by debsigs or dpkg-sig do not hold any more.
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
      try TransferBuffer().forEachChunk(of: input.file, in: range) { try sink.write($0) }
    }
    let count = new?.member.count ?? member.contentRange.count
    if !count.isMultiple(of: 2) { try sink.write([UInt8(ascii: "\n")]) }
  }

  /// The member's own header with another size, and another name if its compression is another.
  private func header(of member: ArArchive.Member, name: String, size: Int) throws -> [UInt8] {
    var header = try input.file.readBytes(at: member.headerRange.lowerBound, count: 60, format: "ar")
    let digits = Array("\(size)".utf8)
    guard digits.count <= 10 else {
      throw Failure(
        "the repacked \(name) has \(size) bytes, more than a package can hold", hint: "give --compression xz")
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
        "\(file.path), read back, is not what was written", hint: "memory or storage of this machine may be failing")
    }
  }
}

/// Digests what it passes on.
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

  /// Nothing is patched here: the digest has seen those bytes.
  func patch(_ bytes: [UInt8], at offset: Int) throws { try sink.patch(bytes, at: offset) }
}
