// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import CLinux

/// The translations of messages, as gettext(3) finds them. The C library keeps one language for the whole process, so
/// only programs open it, and only they show what it says.
package enum Catalogue {
  /// Takes the user's language from LC_ALL, LC_MESSAGES, LANG and LANGUAGE, and from now on the translations from
  /// `directory/LANGUAGE/LC_MESSAGES/domain.mo`. Before that, and where there is no such file, messages are English.
  package static func open(_ domain: String, directory: String = "/usr/share/locale") {
    psu_open_catalogue(domain, directory)
  }

  /// The translation of a key as `Message` has it; the key itself if there is none.
  package static func translate(_ key: String) -> String {
    // Without a translation gettext returns the pointer it was given, which is good within this call only.
    key.withCString { String(cString: psu_translate($0)) }
  }
}
