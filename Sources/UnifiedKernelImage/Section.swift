// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BinaryFormat

/// The names of a UKI's sections (UAPI.5, "UKI Components").
package enum SectionName {
  package static let linux = ".linux"
  package static let initrd = ".initrd"
  package static let microcode = ".ucode"
  package static let commandLine = ".cmdline"
  package static let osRelease = ".osrel"
  package static let uname = ".uname"
  package static let splash = ".splash"
  package static let sbat = ".sbat"
  package static let stubMagic = ".sdmagic"
  package static let profile = ".profile"

  /// Sections that have no effect unless the stub supports them.
  package static let needStubSupport: Set<String> = [
    profile, ".dtb", ".dtbauto", ".hwids", ".efifw", ".pcrsig", ".pcrpkey",
  ]
  /// Sections that a UKI may contain several times: the stub chooses one (UAPI.5).
  package static let mayRepeat: Set<String> = [".dtbauto", ".efifw"]
  /// Sections that have an option of their own.
  package static let reserved: Set<String> = [
    linux, initrd, microcode, commandLine, osRelease, uname, splash, sbat, stubMagic,
  ]
}

/// The content of a section: concatenated parts, each aligned to 4 bytes as the kernel requires for initrds.
package struct SectionContent: Sendable {
  package let name: String
  package let parts: [any RandomAccessBytes]

  package init(name: String, parts: [any RandomAccessBytes]) {
    self.name = name
    self.parts = parts
  }

  package static let partAlignment = 4

  /// The total size in bytes; `Int.max` if it is larger, which sparse files can cause.
  package var size: Int {
    parts.reduce(0) { size, part in
      guard let start = size.roundedUp(toMultipleOf: Self.partAlignment) else { return .max }
      let (end, overflow) = start.addingReportingOverflow(part.count)
      return overflow ? .max : end
    }
  }
}
