// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
internal import Glibc
package import Messages

/// The translations of messages.
///
/// The whole process has one language, so only executables open the catalogue and show translations.
package enum Catalogue {
  /// Set once, when the program starts.
  nonisolated(unsafe) private static var tables: [TranslationTable] = []

  /// Loads translations for the user's languages from `directory/LANGUAGE/LC_MESSAGES/domain.mo`.
  ///
  /// The languages are taken from the environment. Messages are English before this call and if the file is missing or
  /// damaged.
  package static func open(_ domain: String, directory: String = "/usr/share/locale") {
    psu_open_catalogue()
    tables = tables(domain, directory: directory) { name in getenv(name).map { String(cString: $0) } }
  }

  /// The translation of a `Message` key, else the C library's translation, else the key itself.
  package static func translate(_ key: String) -> String {
    for table in tables {
      if let text = table.translation(of: key) { return text }
    }
    // Without a translation, gettext returns the pointer it was given, which is only valid within this call.
    return key.withCString { String(cString: psu_translate($0)) }
  }

  /// The available catalogues in order of preference.
  package static func tables(
    _ domain: String, directory: String, environment: (String) -> String?
  ) -> [TranslationTable] {
    languages(environment: environment).compactMap { language in
      let path = "\(directory)/\(language)/LC_MESSAGES/\(domain).mo"
      return try? TranslationTable(parsing: FileSystem().readFile(path, limit: 16 << 20))
    }
  }

  /// Directory names in order of preference, from LANGUAGE, else from the first of LC_ALL, LC_MESSAGES and LANG that is
  /// set, as in gettext(3).
  ///
  /// Unlike there, the locale need not be installed, and English ends the list, since messages are English without a
  /// catalogue.
  package static func languages(environment: (String) -> String?) -> [String] {
    func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }
    guard let locale = value("LC_ALL") ?? value("LC_MESSAGES") ?? value("LANG"), locale != "C", locale != "POSIX" else {
      return []
    }
    let wanted = value("LANGUAGE")?.split(separator: ":").map(String.init) ?? [locale]
    return wanted.prefix { !["C", "POSIX", "en"].contains(LocaleName($0).language) }
      .flatMap { LocaleName($0).directories }
  }
}

/// `LANGUAGE_TERRITORY.CODESET@MODIFIER`; all but the language are optional.
private struct LocaleName {
  let language: Substring
  private let territory: Substring
  private let modifier: Substring

  init(_ text: String) {
    let base = text.prefix { $0 != "." && $0 != "@" }
    language = base.prefix { $0 != "_" }
    territory = base[language.endIndex...]
    modifier = text.firstIndex(of: "@").map { text[$0...] } ?? ""
  }

  /// The directory names to try, the most specific first.
  ///
  /// Empty for a name that could lead out of the directory.
  var directories: [String] {
    var names: [String] = []
    for name in [
      "\(language)\(territory)\(modifier)", "\(language)\(modifier)", "\(language)\(territory)", "\(language)",
    ]
    where !language.isEmpty && name.utf8.allSatisfy(Self.isUsual) && !names.contains(name) {
      names.append(name)
    }
    return names
  }

  private static func isUsual(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "@"):
      true
    default: false
    }
  }
}
