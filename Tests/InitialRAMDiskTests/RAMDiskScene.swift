// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BinaryFormat
import InitialRAMDisk
import Messages
import TestSupport

/// A directory with files of each kind, and the archives that cpio makes of it.
struct RAMDiskScene {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory()
    var random = SeededGenerator(seed: 7)
    for (name, size) in [
      ("init", 9), ("usr/lib/modules/6.1/kernel/fs/a.ko.xz", 70_001), ("empty", 0), ("usr/a name", 3),
      ("usr/\u{e4}", 4),
    ] {
      try directory.write("t/\(name)", (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) })
    }
    try shell("cd t && ln -s usr/lib lib && ln -s lib bin && chmod 4755 init && mkfifo fifo && ln init hard")
  }

  @discardableResult
  private func shell(_ script: String, input: [UInt8] = []) throws -> [UInt8] {
    try ExternalTool("sh").run(["-ec", "cd '\(directory.path)' && \(script)"], input: input)
  }

  /// The archive in a format of cpio.
  func archive(_ format: String = "newc") throws -> [UInt8] {
    try shell("cd t && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H \(format) 2>&1")
  }

  /// What cpio lists of archives one after the other.
  func listed(_ archives: [UInt8]...) throws -> [String] {
    try archives.flatMap { archive in
      let text = String(decoding: try shell("cpio --quiet -tv --numeric-uid-gid", input: archive), as: UTF8.self)
      return text.split(separator: "\n").map(String.init)
    }
  }

  static func packed(_ bytes: [UInt8], _ tool: String) throws -> [UInt8] {
    let words = tool.split(separator: " ").map(String.init)
    return try ExternalTool(words[0]).run(["-c"] + words.dropFirst(), input: bytes)
  }
}

/// All members of an initrd.
func members(
  of bytes: any RandomAccessBytes, limits: InitialRAMDisk.Limits = InitialRAMDisk.Limits()
) throws -> [RAMDiskMember] {
  var members: [RAMDiskMember] = []
  try InitialRAMDisk(bytes, limits: limits).forEachMember { members.append($0) }
  return members
}

/// The error for an initrd; nil if it is listed.
func failure(
  of bytes: any RandomAccessBytes, limits: InitialRAMDisk.Limits = InitialRAMDisk.Limits()
) -> ParseError? {
  thrown(ParseError.self) { _ = try members(of: bytes, limits: limits) }
}
