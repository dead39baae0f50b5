// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages

/// `pve-sb-uki config list` and `config get`: the settings in use and where they come from.
///
/// Changes nothing.
package struct ConfigurationList: Sendable {
  package init() {}

  /// Where a value comes from.
  package enum Source: String, CaseIterable, Sendable {
    /// No file assigns the key.
    case `default` = "default"
    /// `pve-sb-uki.conf`.
    case file = "file"
    /// A file in `pve-sb-uki.conf.d`.
    case dropIn = "drop-in"
  }

  package struct Item: Hashable, Sendable {
    package var key: String
    /// The value in use, as written in a file; empty for `Esp` if the mount point is detected.
    package var value: String
    package var source: Source
    /// Whether no file sets the key, or an empty value restores the default.
    package var isDefault: Bool
    /// The file with the assignment that takes effect; nil for a default.
    package var path: String?
    /// Its line, from 1; nil for a default.
    package var line: Int?
  }

  /// All settings.
  ///
  /// Throws `BootEnvironmentError` for an unknown key or an invalid value in a file, `HostError` if one cannot be read.
  package func run(on host: Host) throws -> [Item] {
    let survey = try SettingsSurvey(of: host.files)
    let configuration = try survey.configuration
    return Setting.all.map { Item($0, in: survey, configuration) }
  }

  /// One setting, regardless of the values of the others.
  ///
  /// Throws `Failure` for an unknown key, `BootEnvironmentError` for an invalid value of this setting or a line that is
  /// not an assignment, `HostError` if a file cannot be read.
  package func item(_ key: String, on host: Host) throws -> Item {
    let setting = try Setting.known(key)
    let survey = try SettingsSurvey(of: host.files)
    return Item(setting, in: survey, try survey.configuration(of: key))
  }
}

extension ConfigurationList.Item {
  init(_ setting: Setting, in survey: SettingsSurvey, _ configuration: Configuration) {
    let assignment = survey.last(setting.key)
    self.init(
      key: setting.key, value: setting.value(in: configuration), source: assignment?.source ?? .default,
      isDefault: assignment?.entry.value.isEmpty ?? true, path: assignment?.path, line: assignment?.entry.line)
  }
}

extension SettingsSurvey.Assignment {
  var source: ConfigurationList.Source { path.hasPrefix("\(Configuration.directory)/") ? .dropIn : .file }
}

extension Setting {
  /// The setting with that key; throws `Failure` if there is none.
  static func known(_ key: String) throws -> Setting {
    guard let setting = named(key) else {
      let error = unknown(key)
      throw Failure(error.detail, hint: error.hint)
    }
    return setting
  }
}
