// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Names of a UKI's sections (UAPI.5, "UKI Components").
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

  /// Sections that a stub must know to honour them: on one that does not, they would silently have no effect.
  package static let needStubSupport: Set<String> = [
    ".profile", ".dtb", ".dtbauto", ".hwids", ".efifw", ".pcrsig", ".pcrpkey",
  ]
  /// Sections that have an option of their own.
  package static let reserved: Set<String> = [
    linux, initrd, microcode, commandLine, osRelease, uname, splash, sbat, stubMagic,
  ]
}
