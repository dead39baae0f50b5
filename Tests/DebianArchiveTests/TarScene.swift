// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import DebianArchive
import TestSupport

/// Archives made by GNU tar, and what Python and TarReader read from them.
enum TarScene {
  static let formats = ["v7", "oldgnu", "gnu", "ustar", "posix"]
  static let longName = String(repeating: "long-", count: 24) + "name"

  /// A tree with files, directories, both kinds of links, a FIFO and a long name below `d`, packed by GNU tar.
  static func archive(_ format: String, _ options: [String] = []) throws -> [UInt8] {
    let directory = try TemporaryDirectory()
    try directory.write("d/empty", "")
    try directory.write("d/file", String(repeating: "0123456789", count: 123), mode: 0o640)
    try directory.write("d/block", [UInt8](repeating: 7, count: 512))
    if format != "v7" && format != "ustar" { try directory.write("d/\(longName)/\(longName)", "long") }
    if format == "ustar" { try directory.write("d/\(longName.prefix(90))/\(longName.prefix(90))", "long") }
    try ExternalTool("ln").run([directory.path(of: "d/file"), directory.path(of: "d/hard")])
    try ExternalTool("ln").run(["-s", "../d/file", directory.path(of: "d/symbolic")])
    if format != "v7" {
      try ExternalTool("mkfifo").run([directory.path(of: "d/fifo")])
    }
    return try ExternalTool("tar").run(
      ["-C", directory.path, "--format=\(format)", "--sort=name", "--mtime=@1700000000", "-c"] + options + ["./d"])
  }

  /// One line for each entry with everything that Python's tarfile knows about it.
  static func pythonListing(_ archive: [UInt8]) throws -> [String] {
    let file = try ScratchFile(archive)
    let script = """
      import sys, tarfile
      t = tarfile.open(sys.argv[1])
      for m in t:
        name = m.name + ('/' if m.isdir() else '')
        kind = {b'\\0': '0', b'7': '0'}.get(m.type, m.type.decode())
        if m.isdir(): kind = '5'
        if m.issparse(): kind = 'S'
        size = m.size if m.issparse() or kind in '0' else 0
        device = [m.devmajor, m.devminor] if kind in '34' else None
        print(name, kind, size, oct(m.mode & 0o7777), m.uid, m.gid, m.uname, m.gname, int(m.mtime // 1), m.linkname if kind in '12' else '',
              device, m.offset, m.offset_data, sep='|')
      """
    let text = try ExternalTool("python3").run(["-c", script, file.path])
    return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
  }

  /// The same lines from TarReader.
  static func listing(_ archive: [UInt8], piece: Int = 1 << 20) throws -> [String] {
    try read(archive, piece: piece).entries.map { entry in
      let kind =
        switch entry.kind {
        case .file: "0"
        case .hardLink: "1"
        case .symbolicLink: "2"
        case .characterDevice: "3"
        case .blockDevice: "4"
        case .directory: "5"
        case .fifo: "6"
        case .sparseFile: "S"
        case .other(let type): String(UnicodeScalar(type))
        }
      let isDirectory = entry.kind == .directory
      var name = String(decoding: entry.rawName, as: UTF8.self)
      if isDirectory, !name.hasSuffix("/") { name += "/" }
      let device = entry.device.map { "[\($0[0]), \($0[1])]" } ?? "None"
      // Python counts the map before sparse content as part of the header.
      return [
        name, kind, "\(entry.realSize)", "0o" + String(entry.mode, radix: 8), "\(entry.owner)", "\(entry.group)",
        entry.ownerName, entry.groupName, "\(entry.modified)", String(decoding: entry.rawLink, as: UTF8.self), device,
        "\(entry.start)", "\(entry.contentRange.lowerBound)",
      ].joined(separator: "|")
    }
  }

  /// Events in the wrong order.
  struct Disorder: Error {
    var what: String
  }

  struct Reading {
    var entries: [TarEntry] = []
    var contents: [[UInt8]] = []
    var endOfArchive: Int?
    var finished = 0
  }

  /// Feeds `archive` in pieces and checks the order of the events.
  static func read(
    _ archive: [UInt8], piece: Int = 1 << 20, startingAt offset: Int = 0, limits: TarLimits = TarLimits()
  ) throws -> Reading {
    var reader = TarReader(startingAt: offset, limits: limits)
    var reading = Reading()
    var isOpen = false
    for start in stride(from: 0, to: archive.count, by: piece) {
      try archive[start..<min(start + piece, archive.count)].withUnsafeBytes { bytes in
        try reader.feed(bytes) { event in
          switch event {
          case .entry(let entry):
            guard !isOpen else { throw Disorder(what: "an entry within an entry") }
            isOpen = true
            reading.entries.append(entry)
            reading.contents.append([])
          case .content(let bytes):
            guard isOpen, !bytes.isEmpty else { throw Disorder(what: "stray content") }
            reading.contents[reading.contents.count - 1] += bytes
          case .endOfEntry:
            guard isOpen else { throw Disorder(what: "an end without entry") }
            isOpen = false
          case .endOfArchive(let offset):
            reading.endOfArchive = offset
          }
        }
      }
    }
    reading.finished = try reader.finish()
    guard !isOpen else { throw Disorder(what: "an entry without end") }
    return reading
  }
}
