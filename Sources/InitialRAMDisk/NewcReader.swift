// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A file, directory, link or device in an initrd.
package struct RAMDiskMember: Hashable, Sendable {
  /// As in the archive, up to the first NUL byte; bytes that are not UTF-8 become U+FFFD.
  package var name: String
  /// File type and permission bits, as in stat(2).
  package var mode: UInt32
  /// Bytes of the content; at most 4 GiB.
  package var size: Int
  /// The target of a symbolic link; nil for other members.
  package var target: String?

  package init(name: String, mode: UInt32, size: Int, target: String? = nil) {
    self.name = name
    self.mode = mode
    self.size = size
    self.target = target
  }

  package var isDirectory: Bool { mode & 0o170000 == 0o040000 }
  package var isSymbolicLink: Bool { mode & 0o170000 == 0o120000 }
  package var isRegular: Bool { mode & 0o170000 == 0o100000 }
}

/// Reads cpio archives in the format newc piece by piece, as the kernel does (Linux, init/initramfs.c).
///
/// Layout (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): a header of 110 bytes, which is
/// `070701` or, with checksums, `070702`, and thirteen fields of eight hexadecimal digits; the name with a final NUL,
/// padded to a multiple of four; the content, padded likewise. The member `TRAILER!!!` ends an archive; zeros and
/// another archive may follow. Members that the kernel skips are skipped: those with an empty name or one of more than
/// 4096 bytes, long link targets, and directories or devices with content.
struct NewcReader {
  static let format = "cpio"
  private static let headerSize = 110
  /// The kernel's PATH_MAX.
  private static let pathLimit = 4096

  private enum State {
    /// After an archive or before the first.
    case between
    case header
    case name(Header)
    case target(RAMDiskMember)
    case content
  }

  private struct Header {
    var mode: UInt32
    var size: Int
    var nameSize: Int
  }

  private var state = State.between
  /// The bytes of an unfinished header, name or target.
  private var collected: [UInt8] = []
  /// Bytes to skip before the next state.
  private var skipped = 0
  /// Bytes read so far.
  private(set) var position: Int
  private let start: Int

  /// A reader of data that starts at byte `start` of the initrd, which matters for errors only.
  init(startingAt start: Int) {
    self.start = start
    position = 0
  }

  /// Whether the last archive is complete.
  var isComplete: Bool { if case .between = state { skipped == 0 } else { false } }
  /// Whether the data may end here: after an archive, or between two members.
  var mayEnd: Bool {
    switch state {
    case .between, .header: skipped == 0 && collected.isEmpty
    case .name, .target, .content: false
    }
  }

  /// Reads the next bytes and passes each member to `body`.
  ///
  /// Returns the number of bytes read, which is less than all only between two archives, where something else than
  /// zeros and a header follows. Throws `ParseError` and the errors of `body`.
  mutating func feed(_ bytes: UnsafeRawBufferPointer, _ body: (RAMDiskMember) throws -> Void) throws -> Int {
    var rest = bytes[...]
    while !rest.isEmpty {
      if skipped > 0 {
        let count = min(skipped, rest.count)
        skip(count, &rest)
        skipped -= count
        continue
      }
      switch state {
      case .between:
        skip(rest.firstIndex { $0 != 0 }.map { $0 - rest.startIndex } ?? rest.count, &rest)
        guard let next = rest.first else { break }
        guard position % 4 == 0 else { throw error(.range, "padding does not end at a multiple of four bytes") }
        guard next == UInt8(ascii: "0") else { return bytes.count - rest.count }
        state = .header
      case .header:
        guard collect(Self.headerSize, &rest) else { break }
        let header = try parseHeader()
        try enter(header)
      case .name(let header):
        guard collect(header.nameSize, &rest) else { break }
        try finishName(header, body)
      case .target(var member):
        guard collect(member.size, &rest) else { break }
        member.target = Self.text(collected)
        collected.removeAll(keepingCapacity: true)
        pad()
        state = .header
        try body(member)
      case .content: state = .header
      }
    }
    return bytes.count
  }

  private mutating func skip(_ count: Int, _ rest: inout Slice<UnsafeRawBufferPointer>) {
    rest = rest.dropFirst(count)
    position += count
  }

  /// Collects bytes until there are `count`; false if more are needed.
  private mutating func collect(_ count: Int, _ rest: inout Slice<UnsafeRawBufferPointer>) -> Bool {
    let wanted = min(count - collected.count, rest.count)
    collected.append(contentsOf: UnsafeRawBufferPointer(rebasing: rest.prefix(wanted)))
    skip(wanted, &rest)
    return collected.count == count
  }

  /// Skips to the next multiple of four.
  private mutating func pad() { skipped = (4 - position % 4) % 4 }

  private func error(_ rule: ParseError.Rule, _ detail: Message, before count: Int = 0) -> ParseError {
    ParseError(Self.format, at: start + position - count, rule, detail)
  }

  private mutating func parseHeader() throws(ParseError) -> Header {
    defer { collected.removeAll(keepingCapacity: true) }
    let magic = collected[..<6]
    guard magic.elementsEqual("070701".utf8) || magic.elementsEqual("070702".utf8) else {
      let isOld = magic.elementsEqual("070707".utf8)
      throw error(
        .magic,
        isOld ? "the archive has the old format of cpio, which the kernel rejects" : "not the header of a member",
        before: Self.headerSize)
    }
    func field(_ number: Int) throws(ParseError) -> UInt32 {
      var value: UInt32 = 0
      for byte in collected[(6 + 8 * number)..<(14 + 8 * number)] {
        guard let digit = Self.digit(byte) else {
          throw error(.encoding, "a header field is not hexadecimal", before: Self.headerSize)
        }
        value = value << 4 | digit
      }
      return value
    }
    return Header(mode: try field(1), size: Int(try field(6)), nameSize: Int(try field(11)))
  }

  private static func digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }

  /// Goes to the name, or skips the member as the kernel does.
  private mutating func enter(_ header: Header) throws(ParseError) {
    let type = header.mode & 0o170000
    let isRead =
      1...Self.pathLimit ~= header.nameSize
      && (type == 0o100000 || header.size == 0 || type == 0o120000 && header.size <= Self.pathLimit)
    if isRead {
      state = .name(header)
    } else {
      let content = header.nameSize.roundedUpInArchive(at: position) + header.size
      skipped = content + (4 - (position + content) % 4) % 4
      state = .content
    }
  }

  private mutating func finishName(_ header: Header, _ body: (RAMDiskMember) throws -> Void) throws {
    defer { collected.removeAll(keepingCapacity: true) }
    guard collected.last == 0 else { throw error(.encoding, "a name does not end in a NUL byte", before: 1) }
    let name = Self.text(collected)
    pad()
    if name == "TRAILER!!!" {
      skipped += header.size
      skipped += (4 - (position + skipped) % 4) % 4
      state = .between
      return
    }
    let member = RAMDiskMember(name: name, mode: header.mode, size: header.size)
    if member.isSymbolicLink, header.size > 0 {
      // The content follows the padding, which `feed` skips first.
      state = .target(member)
      return
    }
    skipped += header.size
    skipped += (4 - (position + skipped) % 4) % 4
    state = .header
    try body(member)
  }

  /// The text before the first NUL.
  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self) }
}

extension Int {
  /// The bytes of a name of this size that starts at `position`, with its padding.
  fileprivate func roundedUpInArchive(at position: Int) -> Int { self + (4 - (position + self) % 4) % 4 }
}
