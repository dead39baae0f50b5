// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import EFIData
package import HostSystem
package import Messages

/// The UKIs that pve-sb-uki has written to ESPs, in `/var/lib/pve-sb-uki/manifest`.
package struct Manifest: Hashable, Sendable {
  /// The UKIs; each has a different digest and at least one copy, and no two copies are at the same place.
  ///
  /// Sorted by kernel and digest; copies by ESP and name.
  package private(set) var images: [ImageRecord] = []

  package static let path = "/var/lib/pve-sb-uki/manifest"
  private static let sizeLimit = 4 << 20

  package init() {}

  /// The UKI with that name on the ESP.
  package func image(on esp: String, _ name: UKIName) -> ImageRecord? {
    images.first { $0.copy(on: esp, name) != nil }
  }

  package func image(withDigest digest: [UInt8]) -> ImageRecord? { images.first { $0.digest == digest } }

  /// Records that `image` is now at these places, replacing what was there.
  package mutating func place(_ image: ImageRecord, at copies: [ImageRecord.Copy]) {
    for copy in copies { vacate(copy.esp, copy.name) }
    if let index = images.firstIndex(where: { $0.digest == image.digest }) {
      let placed = Self.sorted(images[index].copies + copies)
      let booted = [images[index].booted, image.booted].compactMap { $0 }.max()
      images[index] = image
      images[index].copies = placed
      images[index].booted = booted
    } else if !copies.isEmpty {
      var image = image
      image.copies = Self.sorted(copies)
      images.append(image)
      images.sort { ($0.kernel.release, $0.digest.hexadecimal) < ($1.kernel.release, $1.digest.hexadecimal) }
    }
    removeImagesWithoutCopy()
  }

  /// Records that there is no longer a UKI with that name on the ESP.
  package mutating func remove(_ name: UKIName, on esp: String) {
    vacate(esp, name)
    removeImagesWithoutCopy()
  }

  /// Updates the record of the UKI with that digest and keeps its copies.
  package mutating func update(_ digest: [UInt8], _ change: (inout ImageRecord) -> Void) {
    guard let index = images.firstIndex(where: { $0.digest == digest }) else { return }
    change(&images[index])
  }

  private mutating func vacate(_ esp: String, _ name: UKIName) {
    for index in images.indices {
      images[index].copies.removeAll { $0.esp == esp && $0.name == name }
    }
  }

  private static func sorted(_ copies: [ImageRecord.Copy]) -> [ImageRecord.Copy] {
    copies.sorted { ($0.esp, $0.name.fileName) < ($1.esp, $1.name.fileName) }
  }

  private mutating func removeImagesWithoutCopy() { images.removeAll { $0.copies.isEmpty } }

  /// Reads the manifest of the host.
  ///
  /// If it is invalid or unreadable, the result is empty, and `note` says why.
  package static func load(from files: FileSystem) -> (manifest: Manifest, note: Message?) {
    do {
      guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return (Manifest(), nil) }
      guard let manifest = Manifest(parsing: content) else {
        return (Manifest(), "\(path) is damaged or has another version; reading the UKIs on the ESPs instead")
      }
      return (manifest, nil)
    } catch {
      return (Manifest(), "\(error); reading the UKIs on the ESPs instead")
    }
  }

  /// Saves the manifest; no change if it is already saved.
  ///
  /// Throws `HostError`.
  package func save(to files: FileSystem) throws {
    let content = serialize()
    if images.isEmpty, try !files.exists(Self.path) { return }
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.path, content: content)
  }
}

// The manifest is text with one record per line and fields separated by one space; a path, name or command line is the
// last field and extends to the end of its line:
//
//     pve-sb-uki manifest 5
//     image RELEASE SIZE DIGEST
//     form file                           (only if DIGEST is that of the file, see DigestForm)
//     authenticode SHA256                 (only if known)
//     booted SECONDS                      (0: never seen)
//     made BOOT-ID                        (only if known)
//     cmdline TEXT
//     profiles SHA256                     (only if it has some)
//     certificate SHA256
//     input SIZE MTIME INODE PATH
//     copy MTIME FILENAME ESP
//     end
//
// Everything between two `image` lines belongs to the first. Version 2 has no `authenticode`, version 3 neither `made`
// nor `profiles`. Up to version 4, each DIGEST is that of the file, and inputs have one before their path. Anything else
// makes the whole file ignored: the UKIs are then read instead, and nothing is removed.
extension Manifest {
  private static let header = "pve-sb-uki manifest 5"
  private static let older = ["pve-sb-uki manifest 2", "pve-sb-uki manifest 3", "pve-sb-uki manifest 4"]

  package func serialize() -> [UInt8] {
    var lines = [Self.header]
    for image in images {
      lines.append("image \(image.kernel.release) \(image.size) \(image.digest.hexadecimal)")
      if image.digestForm != .image { lines.append("form \(image.digestForm.rawValue)") }
      if let authenticode = image.authenticode { lines.append("authenticode \(authenticode.hexadecimal)") }
      lines.append("booted \(image.booted ?? 0)")
      if let boot = image.made { lines.append("made \(boot)") }
      lines.append("cmdline \(image.commandLine)")
      if let profiles = image.profiles { lines.append("profiles \(profiles.hexadecimal)") }
      lines.append("certificate \(image.certificate.hexadecimal)")
      for input in image.inputs {
        lines.append("input \(input.size) \(input.modified) \(input.inode) \(input.path)")
      }
      for copy in image.copies {
        lines.append("copy \(copy.modified) \(copy.name.fileName) \(copy.esp)")
      }
    }
    lines.append("end\n")
    return Array(lines.joined(separator: "\n").utf8)
  }

  /// Parses a manifest; nil for content that `serialize` would not write.
  package init?(parsing content: [UInt8]) {
    self.init()
    var lines = String(decoding: content, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard let header = lines.popFirst().map(String.init), lines.popLast() == "", lines.popLast() == "end" else {
      return nil
    }
    let isOlder = Self.older.contains(header)
    guard isOlder || header == Self.header else { return nil }
    var places: Set<ImageRecord.Copy> = []
    while !lines.isEmpty {
      guard let image = Self.image(from: &lines, isOlder: isOlder), self.image(withDigest: image.digest) == nil else {
        return nil
      }
      for copy in image.copies {
        var place = copy
        place.modified = 0
        guard places.insert(place).inserted else { return nil }
      }
      guard !image.copies.isEmpty else { return nil }
      place(image, at: image.copies)
    }
  }

  private static func image(from lines: inout ArraySlice<Substring>, isOlder: Bool) -> ImageRecord? {
    guard let head = lines.popFirst().flatMap({ fields($0, keyword: "image", count: 4) }),
      let kernel = Kernel(release: head[1]),
      let size = count(head[2]), let digest = digest(head[3])
    else { return nil }
    var form = isOlder ? ImageRecord.DigestForm.file : .image
    if !isOlder, let text = optional("form", from: &lines) {
      guard text == ImageRecord.DigestForm.file.rawValue else { return nil }
      form = .file
    }
    var authenticode: [UInt8]?
    if let text = optional("authenticode", from: &lines) {
      guard let known = Self.digest(text) else { return nil }
      authenticode = known
    }
    guard let booted = lines.popFirst().flatMap({ value("booted", $0) }).flatMap({ EFITime.unixSeconds(parsing: $0) })
    else { return nil }
    let made = optional("made", from: &lines)
    guard let text = lines.popFirst().flatMap({ value("cmdline", $0) }) else { return nil }
    var profiles: [UInt8]?
    if let text = optional("profiles", from: &lines) {
      guard let known = Self.digest(text) else { return nil }
      profiles = known
    }
    guard let certificate = lines.popFirst().flatMap({ value("certificate", $0) }).flatMap(Self.digest) else {
      return nil
    }
    var image = ImageRecord(
      kernel: kernel, size: size, digest: digest, digestForm: form, authenticode: authenticode,
      booted: booted == 0 ? nil : booted, made: made.map(String.init), commandLine: String(text), profiles: profiles,
      certificate: certificate, inputs: [])
    while let line = lines.first, line.hasPrefix("input ") {
      guard let input = input(line, isOlder: isOlder) else { return nil }
      image.inputs.append(input)
      lines.removeFirst()
    }
    while let line = lines.first, line.hasPrefix("copy ") {
      guard let copy = copy(line) else { return nil }
      image.copies.append(copy)
      lines.removeFirst()
    }
    return image
  }

  private static func input(_ line: Substring, isOlder: Bool) -> InputRecord? {
    guard let fields = fields(line, keyword: "input", count: isOlder ? 6 : 5), let size = count(fields[1]),
      let modified = Int64(fields[2]), let inode = UInt64(fields[3]), let path = fields.last, path.hasPrefix("/"),
      !isOlder || digest(fields[4]) != nil
    else { return nil }
    return InputRecord(path: String(path), size: size, modified: modified, inode: inode)
  }

  private static func copy(_ line: Substring) -> ImageRecord.Copy? {
    guard let fields = fields(line, keyword: "copy", count: 4), let modified = Int64(fields[1]),
      let name = UKIName(fileName: String(fields[2])), !fields[3].isEmpty
    else { return nil }
    return ImageRecord.Copy(esp: String(fields[3]), name: name, modified: modified)
  }

  /// The fields of a line that starts with `keyword`; the last one extends to the end of the line.
  ///
  /// Nil if there are not `number` of them.
  private static func fields(_ line: Substring, keyword: String, count number: Int) -> [Substring]? {
    let fields = line.split(separator: " ", maxSplits: number - 1, omittingEmptySubsequences: false)
    return fields.count == number && fields[0] == keyword ? fields : nil
  }

  /// Takes the line with that keyword; nil if another one is next.
  private static func optional(_ keyword: String, from lines: inout ArraySlice<Substring>) -> Substring? {
    guard let text = lines.first.flatMap({ value(keyword, $0) }) else { return nil }
    lines.removeFirst()
    return text
  }

  private static func value(_ keyword: String, _ line: Substring) -> Substring? {
    fields(line, keyword: keyword, count: 2)?[1]
  }

  /// A size in bytes, at most 1 TiB, so that sums cannot overflow.
  private static func count(_ text: Substring) -> Int? { Int(text).flatMap { 0...1 << 40 ~= $0 ? $0 : nil } }

  private static func digest(_ text: Substring) -> [UInt8]? {
    [UInt8](hexadecimal: text).flatMap { $0.count == 32 ? $0 : nil }
  }
}
