// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
package import HostSystem

/// What this program put where, in `/var/lib/pve-sb-uki/manifest`.
///
/// Text, a record a line, fields separated by one space, a path or command line last and to the end of its line:
///
///     pve-sb-uki manifest 1
///     image RELEASE SIZE MTIME SHA256 PATH
///     cmdline TEXT
///     certificate SHA256
///     input SIZE MTIME INODE SHA256 PATH
///     end
///
/// `cmdline`, `certificate` and `input` belong to the image before them. Anything else makes the whole file count as
/// absent, which costs a rebuild and removes nothing.
package struct Manifest: Hashable, Sendable {
  /// By host path.
  package var images: [String: ImageRecord] = [:]

  package static let path = "/var/lib/pve-sb-uki/manifest"
  private static let header = "pve-sb-uki manifest 1"
  private static let sizeLimit = 4 << 20

  package init() {}

  /// Reads the host's manifest. One that cannot be understood is empty; `note` then says so.
  package static func load(from files: FileSystem) -> (manifest: Manifest, note: String?) {
    do {
      guard let content = try files.readFileIfPresent(path, limit: sizeLimit) else { return (Manifest(), nil) }
      guard let manifest = Manifest(parsing: content) else {
        return (Manifest(), "\(path) is damaged or of another version; all images are made anew")
      }
      return (manifest, nil)
    } catch {
      return (Manifest(), "\(error); all images are made anew")
    }
  }

  /// Writes the manifest unless it is there already.
  package func save(to files: FileSystem) throws {
    try files.makeDirectory("/var/lib/pve-sb-uki")
    try files.replaceFile(Self.path, content: serialize())
  }

  package func serialize() -> [UInt8] {
    var lines = [Self.header]
    for image in images.values.sorted(by: { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }) {
      let facts = "\(image.size) \(image.modified) \(image.digest.hexadecimal)"
      lines.append("image \(image.kernel.release) \(facts) \(image.path)")
      lines.append("cmdline \(image.commandLine)")
      lines.append("certificate \(image.certificate.hexadecimal)")
      for input in image.inputs {
        lines.append("input \(input.size) \(input.modified) \(input.inode) \(input.digest.hexadecimal) \(input.path)")
      }
    }
    lines.append("end\n")
    return Array(lines.joined(separator: "\n").utf8)
  }

  /// Nil for anything that `serialize` would not have written.
  package init?(parsing content: [UInt8]) {
    var lines = String(decoding: content, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)[...]
    guard lines.popFirst().map({ $0 == Self.header }) == true, lines.popLast() == "", lines.popLast() == "end" else {
      return nil
    }
    while let line = lines.popFirst() {
      guard var image = Self.image(line) else { return nil }
      guard let text = lines.popFirst().flatMap({ Self.value("cmdline", $0) }) else { return nil }
      guard let certificate = lines.popFirst().flatMap({ Self.value("certificate", $0) }).flatMap(Self.digest) else {
        return nil
      }
      image.commandLine = String(text)
      image.certificate = certificate
      while let line = lines.first, line.hasPrefix("input ") {
        guard let input = Self.input(line) else { return nil }
        image.inputs.append(input)
        lines.removeFirst()
      }
      guard images.updateValue(image, forKey: image.path) == nil else { return nil }
    }
  }

  private static func image(_ line: Substring) -> ImageRecord? {
    guard let fields = fields(line, "image", 6), let kernel = Kernel(release: fields[1]), let size = count(fields[2]),
      let modified = Int64(fields[3]), let digest = digest(fields[4]), fields[5].hasPrefix("/")
    else { return nil }
    return ImageRecord(
      path: String(fields[5]), kernel: kernel, size: size, modified: modified, digest: digest, commandLine: "",
      certificate: [], inputs: [])
  }

  private static func input(_ line: Substring) -> InputRecord? {
    guard let fields = fields(line, "input", 6), let size = count(fields[1]), let modified = Int64(fields[2]),
      let inode = UInt64(fields[3]), let digest = digest(fields[4]), fields[5].hasPrefix("/")
    else { return nil }
    return InputRecord(path: String(fields[5]), size: size, modified: modified, inode: inode, digest: digest)
  }

  /// The fields of a line that begins with `keyword`, the last of `number` to the end of the line.
  private static func fields(_ line: Substring, _ keyword: String, _ number: Int) -> [Substring]? {
    let fields = line.split(separator: " ", maxSplits: number - 1, omittingEmptySubsequences: false)
    return fields.count == number && fields[0] == keyword ? fields : nil
  }

  private static func value(_ keyword: String, _ line: Substring) -> Substring? { fields(line, keyword, 2)?[1] }

  private static func count(_ text: Substring) -> Int? { Int(text).flatMap { $0 >= 0 ? $0 : nil } }

  private static func digest(_ text: Substring) -> [UInt8]? {
    [UInt8](hexadecimal: text).flatMap { $0.count == 32 ? $0 : nil }
  }
}
