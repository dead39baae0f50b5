// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Testing

@Suite struct CatalogueTests {
  /// gettext then returns its own argument; texts of several lengths, as the memory of a short one is used again first.
  @Test(arguments: [0, 1, 15, 16, 24, 40, 100, 1000, 100_000])
  func whatHasNoTranslationStaysAsItIs(length: Int) {
    // Not ASCII: such a string is copied for C.
    let key = (0..<length).map { "\($0 % 10)" }.joined() + "ö"
    #expect(Catalogue.translate(key) == key)
    #expect(Catalogue.translate(String(key.reversed())) == String(key.reversed()))
  }

  @Test func nothingStaysNothing() {
    #expect(Catalogue.translate("").isEmpty)
  }
}
