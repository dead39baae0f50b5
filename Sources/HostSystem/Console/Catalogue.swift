// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux
internal import Glibc
package import Messages

/// The translations of messages.
///
/// There is one language for the whole process, so only programs open it, and only they show what it says.
package enum Catalogue {
  /// Set before a program does anything else.
  nonisolated(unsafe) private static var tables: [TranslationTable] = []

  /// Takes the user's languages from the environment, and from now on the translations from
  /// `directory/LANGUAGE/LC_MESSAGES/domain.mo`.
  ///
  /// Before that, and where there is no such file or a damaged one, messages are English.
  package static func open(_ domain: String, directory: String = "/usr/share/locale") {
    psu_open_catalogue()
    tables = tables(domain, directory: directory) { name in getenv(name).map { String(cString: $0) } }
  }

  /// The translation of a key as `Message` has it, else what the C library has for it; the key itself if there is none.
  package static func translate(_ key: String) -> String {
    for table in tables {
      if let text = table.translation(of: key) { return text }
    }
    // Without a translation gettext returns the pointer it was given, which is good within this call only.
    return key.withCString { String(cString: psu_translate($0)) }
  }

  /// The catalogues that are there, the most wanted first.
  package static func tables(
    _ domain: String, directory: String, environment: (String) -> String?
  ) -> [TranslationTable] {
    languages(environment: environment).compactMap { language in
      let path = "\(directory)/\(language)/LC_MESSAGES/\(domain).mo"
      return try? TranslationTable(parsing: FileSystem().readFile(path, limit: 16 << 20))
    }
  }

  /// Names of directories, the most wanted first, by LANGUAGE, else by the first of LC_ALL, LC_MESSAGES and LANG that
  /// is set, as gettext(3) has it.
  ///
  /// Other than there the locale need not be installed, and English among the wanted languages ends them, since
  /// messages are English without a catalogue.
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

/// `LANGUAGE_TERRITORY.CODESET@MODIFIER`, where all but the language may be missing.
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

  /// The most particular first.
  ///
  /// None for a name that could lead elsewhere.
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
