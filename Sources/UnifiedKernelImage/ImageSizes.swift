// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import PortableExecutable

/// The bytes of a UKI by part, as the section table shows them; nothing else has to be read.
///
/// A part of a UKI with several profiles has the bytes of all of them.
package struct ImageSizes: Hashable, Sendable {
  package enum Part: String, CaseIterable, Sendable {
    case kernel = "kernel"
    case initrd = "initrd"
    case microcode = "microcode"
    case splash = "splash"
    /// Stub, headers, texts, padding and signatures.
    case other = "other"
  }

  /// Bytes of the file.
  package private(set) var total: Int
  /// Bytes of all parts except `other`, which is the rest of `total`.
  private var parts: [Part: Int]

  /// No file.
  package init() { self.init(total: 0, [:]) }

  /// Parts that `parts` lacks have no bytes, and its entry for `other` is ignored.
  package init(total: Int, _ parts: [Part: Int]) {
    self.total = total
    self.parts = parts.filter { $0.key != .other && $0.value > 0 }
  }

  /// The sizes of a file with these headers.
  ///
  /// Sections do not overlap and are within the file, which parsing the headers has checked.
  package init(of header: PEHeader) {
    func size(_ name: String) -> Int {
      header.sections.reduce(0) { $0 + ($1.name == name ? $1.contentRange.count : 0) }
    }
    self.init(
      total: header.fileSize,
      [
        .kernel: size(SectionName.linux), .initrd: size(SectionName.initrd), .microcode: size(SectionName.microcode),
        .splash: size(SectionName.splash),
      ])
  }

  /// Bytes of a part.
  package subscript(part: Part) -> Int {
    part == .other ? max(0, total - parts.values.reduce(0, +)) : parts[part] ?? 0
  }

  /// Counts all microcode as such that is in the file, also what precedes the initrd in its section.
  package mutating func setMicrocode(_ bytes: Int) {
    let moved = min(max(0, bytes - self[.microcode]), self[.initrd])
    var parts = parts
    parts[.microcode] = self[.microcode] + moved
    parts[.initrd] = self[.initrd] - moved
    self = Self(total: total, parts)
  }
}
