// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import HostSystem
import Messages
import TestSupport
import Testing

@Suite struct CatalogueTests {
  /// gettext then returns its own argument; several lengths, since the memory of short strings is reused first.
  @Test(arguments: [0, 1, 15, 16, 24, 40, 100, 1000, 100_000])
  func untranslatedTextIsUnchanged(length: Int) {
    // Not ASCII, so that the string is copied for C.
    let key = (0..<length).map { "\($0 % 10)" }.joined() + "ö"
    #expect(Catalogue.translate(key) == key)
    #expect(Catalogue.translate(String(key.reversed())) == String(key.reversed()))
  }

  /// GNU gettext manual, "Locale Environment Variables" and "The LANGUAGE variable".
  @Test(arguments: [
    ([:], []),
    (["LANG": "de_AT.UTF-8"], ["de_AT", "de"]),
    (["LANG": "sr_RS.UTF-8@latin"], ["sr_RS@latin", "sr@latin", "sr_RS", "sr"]),
    (["LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"], ["fr_FR", "fr"]),
    (["LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": "es"], ["es"]),
    (["LANG": "de_DE.UTF-8", "LC_ALL": ""], ["de_DE", "de"]),
    (["LANG": "C", "LANGUAGE": "de"], []),
    (["LANG": "POSIX", "LANGUAGE": "de"], []),
    (["LANGUAGE": "de"], []),
    (["LANG": "C.UTF-8"], []),
    (["LANG": "C.UTF-8", "LANGUAGE": "de"], ["de"]),
    (["LANG": "fr_FR.UTF-8", "LANGUAGE": "sv:de_CH"], ["sv", "de_CH", "de"]),
    (["LANG": "fr_FR.UTF-8", "LANGUAGE": ""], ["fr_FR", "fr"]),
    // English needs no catalogue.
    (["LANG": "en_GB.UTF-8"], []),
    (["LANG": "en_GB.UTF-8", "LANGUAGE": "en_GB:en"], []),
    (["LANG": "de_DE.UTF-8", "LANGUAGE": "en:de"], []),
    (["LANG": "de_DE.UTF-8", "LANGUAGE": "de:en:fr"], ["de"]),
    // No name leads out of the directory.
    (["LANG": "../../etc"], []),
    (["LANG": "/etc"], []),
    (["LANG": "de_DE/.."], ["de"]),
    (["LANG": "_DE"], []),
  ]) func languagesFollowTheEnvironment(_ variables: [String: String], _ languages: [String]) {
    #expect(Catalogue.languages { variables[$0] } == languages)
  }

  @Test func theGermanCatalogueIsLoaded() throws {
    let directory = try TemporaryDirectory()
    let messages = "\(directory.path)/de/LC_MESSAGES"
    try ExternalTool("mkdir").run(["-p", messages])
    try ExternalTool("msgfmt").run(["-o", "\(messages)/test.mo", "\(Fixture.projectDirectory)/po/de.po"])
    let tables = Catalogue.tables("test", directory: directory.path) {
      ["LANG": "de_DE.UTF-8", "LANGUAGE": "fr:de"][$0]
    }
    #expect(tables.count == 1)
    #expect(tables.first?.translation(of: "it is a directory") == "ist ein Verzeichnis")
    #expect(tables.first?.translation(of: "cannot {0} {1}: {2}") == "kann {1} nicht {0}: {2}")
    #expect(Catalogue.tables("other", directory: directory.path) { ["LANG": "de_DE.UTF-8"][$0] }.isEmpty)
  }

  @Test func aDamagedCatalogueIsIgnored() throws {
    let directory = try TemporaryDirectory()
    try ExternalTool("mkdir").run(["-p", "\(directory.path)/de/LC_MESSAGES"])
    try ExternalTool("cp").run([#filePath, "\(directory.path)/de/LC_MESSAGES/test.mo"])
    #expect(Catalogue.tables("test", directory: directory.path) { ["LANG": "de_DE.UTF-8"][$0] }.isEmpty)
  }

  @Test func emptyTextStaysEmpty() {
    #expect(Catalogue.translate("").isEmpty)
  }
}
