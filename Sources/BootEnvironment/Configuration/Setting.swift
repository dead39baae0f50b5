// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

/// A setting: its key, how a value is parsed, and how the value in use is written.
package struct Setting: Sendable {
  package let key: String
  /// Parses a value into the configuration; an empty value means the default.
  ///
  /// Throws `BootEnvironmentError`.
  let set: @Sendable (inout Configuration, Configuration.Value, _ defaults: Configuration) throws -> Void
  private let write: @Sendable (Configuration) -> String

  private init(
    _ key: String,
    set: @escaping @Sendable (inout Configuration, Configuration.Value, _ defaults: Configuration) throws -> Void,
    write: @escaping @Sendable (Configuration) -> String
  ) {
    self.key = key
    self.set = set
    self.write = write
  }

  /// All settings, in the order of the manual page.
  package static let all = [
    Setting("Enabled", set: { $0.isEnabled = try $1.truth() ?? $2.isEnabled }, write: { word($0.isEnabled) }),
    Setting("Strict", set: { $0.isStrict = try $1.truth() ?? $2.isStrict }, write: { word($0.isStrict) }),
    Setting("Keep", set: { $0.keep = try $1.count() ?? $2.keep }, write: { $0.keep.description }),
    Setting("KeyDirectory", set: { $0.keyDirectory = try $1.directory() ?? $2.keyDirectory }) { $0.keyDirectory },
    Setting("Key", set: { configuration, value, _ in configuration.specifiedKey = try value.pathOrURI() }) { $0.key },
    Setting("Certificate", set: { $0.certificate = try $1.absolutePath() ?? $2.certificate }) { $0.certificate },
    Setting("PassphraseFile", set: { $0.passphraseFile = try $1.absolutePath() ?? $2.passphraseFile }) {
      $0.passphraseFile ?? ""
    },
    Setting("Esp", set: { configuration, value, _ in configuration.espPath = try value.absolutePath() }) {
      $0.espPath ?? ""
    },
    Setting("Chain", set: { $0.chain = try $1.choice(wanted: "auto, direct, systemd-boot or shim") ?? $2.chain }) {
      $0.chain.rawValue
    },
    Setting("Removable", set: { $0.writesRemovablePath = try $1.truth() ?? $2.writesRemovablePath }) {
      word($0.writesRemovablePath)
    },
    Setting("Type1", set: { $0.typeOne = try $1.choice(wanted: "keep or remove") ?? $2.typeOne }) {
      $0.typeOne.rawValue
    },
    Setting("Dkms", set: { $0.signsModules = try $1.truth() ?? $2.signsModules }, write: { word($0.signsModules) }),
    Setting("Promotion", set: { $0.promotion = try $1.choice(wanted: "immediate or trial") ?? $2.promotion }) {
      $0.promotion.rawValue
    },
    Setting("ConfirmUnits", set: { configuration, value, _ in configuration.confirmUnits = try value.units() }) {
      $0.confirmUnits.joined(separator: " ")
    },
    Setting("ConfirmSeconds", set: { $0.confirmSeconds = try $1.count(0...3600) ?? $2.confirmSeconds }) {
      $0.confirmSeconds.description
    },
    Setting("TrialSeconds", set: { $0.trialSeconds = try $1.count(60...86_400) ?? $2.trialSeconds }) {
      $0.trialSeconds.description
    },
    Setting("Watchdog", set: { configuration, value, _ in configuration.watchdog = try value.module() }) {
      $0.watchdog ?? ""
    },
    Setting("Splash", set: { configuration, value, _ in configuration.splash = try value.absolutePath() }) {
      $0.splash ?? ""
    },
    Setting("SecureBoot", set: { $0.secureBoot = try $1.choice(wanted: "required or optional") ?? $2.secureBoot }) {
      $0.secureBoot.rawValue
    },
  ]

  private static func word(_ truth: Bool) -> String { truth ? "yes" : "no" }

  /// The setting with that key; nil if the key is unknown.
  package static func named(_ key: String) -> Setting? { all.first { $0.key == key } }

  /// The error for an unknown key.
  package static func unknown(
    _ key: String, path: String = Configuration.path, line: Int? = nil
  ) -> BootEnvironmentError {
    let known = all.map(\.key).joined(separator: ", ")
    return BootEnvironmentError(path, line: line, "unknown key '\(key)'", hint: "valid keys: \(known)")
  }

  /// The value in use, as written in a file; empty for `Esp` if pve-sb-uki searches for the mount point, and for
  /// settings without a value.
  package func value(in configuration: Configuration) -> String { write(configuration) }

  /// The value that `text` means, as `value(in:)` writes it.
  ///
  /// Throws `BootEnvironmentError` with `path` as its object if the setting does not accept the value.
  package func value(of text: String, path: String) throws -> String {
    let assignment = SettingsSurvey.Assignment(path: path, entry: SettingsFile.Entry(key: key, value: text))
    return value(in: try Configuration([assignment]))
  }
}
