// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import BootEnvironment
package import HostSystem

/// What was found in UKIs, by their digests in the manifest, in `/var/cache/pve-sb-uki/startup`.
///
/// Listing an initrd means to unpack it; the record saves that for UKIs that are unchanged. It is only a cache: if it
/// is missing or damaged, the UKIs are read again.
package struct StartupRecord: Hashable, Sendable {
  package private(set) var images: [[UInt8]: ExaminedImage] = [:]
  /// The files that their initrds were made from, where known.
  private var initrds: [[UInt8]: InputRecord] = [:]
  /// UKIs that could not be examined when the record was made.
  package private(set) var omitted: Set<[UInt8]> = []

  package static let path = "/var/cache/pve-sb-uki/startup"
  private static let sizeLimit = 16 << 20

  package init() {}

  package subscript(digest: [UInt8]) -> ExaminedImage? { images[digest] }

  /// A UKI with the initrd from this file that was examined before; nil if none was.
  ///
  /// So a UKI with only another command line needs no unpacking.
  package func image(withInitrd initrd: InputRecord) -> ExaminedImage? {
    initrds.first { $0.value == initrd }.flatMap { images[$0.key] }
  }

  /// Records a UKI, unless its texts could not be read back.
  ///
  /// `initrd` is the file that its initrd was made from, if known.
  package mutating func set(_ digest: [UInt8], _ image: ExaminedImage, from initrd: InputRecord? = nil) {
    let texts = [image.commandLine, image.uname ?? ""]
    guard digest.count == 32, texts.allSatisfy({ text in text.utf8.allSatisfy { $0 >= 0x20 } }) else { return }
    images[digest] = image
    initrds[digest] = initrd
  }

  /// Whether it was made when all of these UKIs existed, so that examining them again would find nothing new.
  package func covers(_ digests: [[UInt8]]) -> Bool {
    digests.allSatisfy { images[$0] != nil || omitted.contains($0) }
  }

  /// Records that those of these UKIs that it does not have could not be examined.
  package mutating func cover(_ digests: [[UInt8]]) {
    omitted = Set(digests.filter { $0.count == 32 && images[$0] == nil })
  }

  /// Loads the record of the host; empty if it does not exist or cannot be used.
  package static func load(from files: FileSystem) -> StartupRecord {
    let content = (try? files.readFileIfPresent(path, limit: sizeLimit)).flatMap { $0 }
    return content.flatMap { StartupRecord(parsing: $0) } ?? StartupRecord()
  }

  /// Saves the record; writes nothing if it is already saved, or empty.
  ///
  /// Throws `HostError`.
  package func save(to files: FileSystem) throws {
    if images.isEmpty, omitted.isEmpty, try !files.exists(Self.path) { return }
    let content = serialize()
    guard content.count <= Self.sizeLimit else { return }
    try files.makeDirectory("/var/cache/pve-sb-uki")
    try files.replaceFile(Self.path, content: content)
  }
}

// The record is text with one fact per line and fields separated by one space:
//
//     pve-sb-uki startup 2
//     image DIGEST                         (as in the manifest)
//     from SIZE MTIME INODE PATH           (only if the file of the initrd is known)
//     uname TEXT                           (only if the UKI has it)
//     cmdline TEXT
//     initrd GENERATOR [init] [crypttab] [opaque]
//     programs [NAME…]
//     modules RELEASE yes|no [NAME…]       (yes: with modules.dep)
//     size, microcode, content             (see ImageUsage)
//     omitted DIGEST
//     end
//
// The number in the first line changes whenever the rules for what is found change.
extension StartupRecord {
  private static let header = "pve-sb-uki startup 2"

  package func serialize() -> [UInt8] {
    var lines = [Self.header]
    for (digest, image) in images.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
      let initrd = image.initrd
      lines.append("image \(digest.hexadecimal)")
      if let file = initrds[digest] { lines.append("from \(file.size) \(file.modified) \(file.inode) \(file.path)") }
      if let uname = image.uname { lines.append("uname \(uname)") }
      lines.append("cmdline \(image.commandLine)")
      let marks = [("init", initrd.hasInit), ("crypttab", initrd.hasCryptroot), ("opaque", initrd.isOpaque)]
      lines.append((["initrd", initrd.generator.rawValue] + marks.filter(\.1).map(\.0)).joined(separator: " "))
      lines.append((["programs"] + initrd.programs.sorted()).joined(separator: " "))
      for (release, names) in initrd.modules.sorted(by: { $0.key < $1.key }) where Self.isWord(release) {
        let isIndexed = initrd.indexed.contains(release) ? "yes" : "no"
        lines.append((["modules", release, isIndexed] + names.sorted()).joined(separator: " "))
      }
      lines += image.usage.lines
    }
    lines += omitted.map { "omitted \($0.hexadecimal)" }.sorted()
    lines.append("end\n")
    return Array(lines.joined(separator: "\n").utf8)
  }

  private static func isWord(_ text: String) -> Bool { text.utf8.allSatisfy { 0x21...0x7e ~= $0 } }

  /// Parses a record; nil for content that `serialize` would not write.
  package init?(parsing content: [UInt8]) {
    var lines = content.split(separator: 0x0a, omittingEmptySubsequences: false).map {
      String(decoding: $0, as: UTF8.self)
    }[...]
    guard lines.popFirst() == Self.header, lines.popLast() == "", lines.popLast() == "end" else { return nil }
    while !lines.isEmpty {
      if let omitted = Self.value("omitted", &lines) {
        guard let digest = [UInt8](hexadecimal: omitted), digest.count == 32 else { return nil }
        self.omitted.insert(digest)
        continue
      }
      guard let digest = Self.value("image", &lines).flatMap({ [UInt8](hexadecimal: $0) }), digest.count == 32,
        images[digest] == nil
      else { return nil }
      if let text = Self.value("from", &lines) {
        guard let file = Self.initrdFile(text) else { return nil }
        initrds[digest] = file
      }
      let uname = Self.value("uname", &lines)
      guard let commandLine = Self.value("cmdline", &lines), let initrd = Self.initrd(&lines),
        let size = Self.value("size", &lines), let microcode = Self.value("microcode", &lines),
        let content = Self.value("content", &lines),
        let usage = ImageUsage(size: size, microcode: microcode, content: content)
      else { return nil }
      images[digest] = ExaminedImage(uname: uname, commandLine: commandLine, initrd: initrd, usage: usage)
    }
  }

  private static func initrdFile(_ text: String) -> InputRecord? {
    let fields = text.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false)
    guard fields.count == 4, let size = Int(fields[0]), size >= 0, let modified = Int64(fields[1]),
      let inode = UInt64(fields[2])
    else { return nil }
    return InputRecord(path: String(fields[3]), size: size, modified: modified, inode: inode)
  }

  private static func initrd(_ lines: inout ArraySlice<String>) -> InitrdContents? {
    var contents = InitrdContents()
    guard let marks = words("initrd", &lines), let first = marks.first,
      let generator = InitrdContents.Generator(rawValue: first), let programs = words("programs", &lines)
    else { return nil }
    contents.generator = generator
    contents.hasInit = marks.contains("init")
    contents.hasCryptroot = marks.contains("crypttab")
    contents.isOpaque = marks.contains("opaque")
    contents.programs = Set(programs)
    while let names = words("modules", &lines) {
      guard names.count >= 2, isWord(names[0]), contents.modules[names[0]] == nil else { return nil }
      contents.modules[names[0]] = Set(names.dropFirst(2))
      if names[1] == "yes" { contents.indexed.insert(names[0]) }
    }
    return contents
  }

  /// The rest of the next line if it starts with `keyword`, which removes the line.
  private static func value(_ keyword: String, _ lines: inout ArraySlice<String>) -> String? {
    guard let line = lines.first, line.hasPrefix("\(keyword) ") || line == keyword else { return nil }
    lines.removeFirst()
    return String(line.dropFirst(keyword.count + 1))
  }

  private static func words(_ keyword: String, _ lines: inout ArraySlice<String>) -> [String]? {
    value(keyword, &lines).map { $0.split(separator: " ").map(String.init) }
  }
}
