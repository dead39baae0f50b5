// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import EFIData
import TestSupport
import Testing

@Suite struct EFITextTests {
  /// Bytes from `printf … | iconv -t UTF-16LE`.
  @Test func textMatchesIconv() {
    let bytes: [UInt8] = [0x70, 0, 0x76, 0, 0x65, 0, 0x20, 0x20, 0x3d, 0xd8, 0x42, 0xde, 0, 0]
    #expect(EFIText.parse(bytes) == "pve\u{2020}\u{1f642}")
    #expect(EFIText.serialize("pve\u{2020}\u{1f642}") == bytes)
  }

  @Test(arguments: [
    ([], ""), ([0, 0], ""), ([0x61, 0], "a"), ([0x61, 0, 0, 0, 0x62, 0], "a"), ([0x61], nil), ([0x61, 0, 0], nil),
    // Half a surrogate pair, and the wrong half first.
    ([0x3d, 0xd8, 0, 0], nil), ([0x42, 0xde, 0x3d, 0xd8], nil),
  ])
  func textEndsAtNULAndInvalidTextIsRejected(bytes: [UInt8], text: String?) { #expect(EFIText.parse(bytes) == text) }

  @Test func damagedTextNeverCrashes() {
    for bytes in Mutations(of: EFIText.serialize("\\EFI\\Linux\\pve-6.8.12-4-pve.efi"), count: 2000) {
      #expect((EFIText.parse(bytes)?.utf16.count ?? 0) * 2 <= bytes.count)
    }
  }
}
