// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
internal import Messages
internal import Reconcile
internal import SigningKeys
import var Glibc.EACCES
import var Glibc.EPERM
import var Glibc.EROFS

/// `pve-sb-uki config set`: checks a value and writes it to `/etc/pve-sb-uki/pve-sb-uki.conf`.
package struct ConfigurationSet: Sendable {
  package var key: String
  /// The value; empty for the default.
  package var value: String
  /// Whether to write the value even if a drop-in overrides it.
  package var isForced = false
  /// Whether to check everything and write nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  package struct Result: Hashable, Sendable {
    package var key: String
    /// The value in use before, as written in a file; nil if the settings were invalid.
    package var old: String?
    /// The value in use now.
    package var new: String
    /// Whether the file was written; with `isDryRun`, whether it would be.
    package var isChange = false
    /// The drop-in that overrides the file, with the line; nil if there is none.
    package var outweighing: ConfigurationList.Item?
  }

  /// Checks the value and writes it unless it is already in use.
  ///
  /// Nothing is written if the key is unknown, the value is invalid or a drop-in overrides it. Other settings may be
  /// invalid, so that they can be corrected one after the other. Throws `Failure`, `BootEnvironmentError` or `HostError`.
  package func run(on host: Host) throws -> Result {
    let setting = try Setting.known(key)
    let value = SettingsFile.trimmed(value)
    guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
      throw Failure("the value of \(key) contains a control character", hint: "write it as plain text")
    }
    let wanted = try Self.judged(value, setting)
    // Without a change, not even the lock file is written.
    switch try decide(setting, value, wanted: wanted, on: host.files) {
    case .unchanged(let result): return result
    case .write(_, _, let result) where isDryRun: return result
    case .write: break
    }
    do {
      let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
      return try withExtendedLifetime(lock) {
        switch try decide(setting, value, wanted: wanted, on: host.files) {
        case .unchanged(let result): return result
        case .write(let content, let mode, let result):
          try host.files.makeDirectory("/etc/pve-sb-uki")
          try host.files.replaceFile(Configuration.path, mode: mode, content: content)
          return result
        }
      }
    } catch var error as HostError {
      error.hint = error.hint ?? Self.hint(error)
      throw error
    }
  }

  private enum Decision {
    case unchanged(Result)
    case write([UInt8], mode: UInt32, Result)
  }

  private func decide(_ setting: Setting, _ value: String, wanted: String, on files: FileSystem) throws -> Decision {
    let content = try files.readFileIfPresent(Configuration.path, limit: SettingsSurvey.sizeLimit) ?? []
    let present = try? SettingsSurvey(of: files, replacement: content)
    let old = (try? present?.configuration(of: key)).map { setting.value(in: $0) }
    var result = Result(key: key, old: old, new: wanted)
    if old == wanted, !isForced { return .unchanged(result) }

    let changed = SettingsFile.setting(key, to: value, in: content)
    let survey = try SettingsSurvey(of: files, replacement: changed)
    let configuration = try survey.configuration(of: key)
    result.new = setting.value(in: configuration)
    if let assignment = survey.last(key), assignment.source == .dropIn {
      let item = ConfigurationList.Item(setting, in: survey, configuration)
      guard isForced else {
        throw Failure(
          "\(key)=\(value) would have no effect: \(assignment.path), line \(item.line ?? 0), sets \(key) to '\(item.value)'",
          hint: "change the value there, or use --force to write it anyway")
      }
      result.outweighing = item
    }
    let isSame = present?.isInMainFile(setting, wanted) ?? false
    guard !isSame, changed != content else { return .unchanged(result) }
    result.isChange = true
    var mode = try files.linkStatus(of: Configuration.path)?.mode ?? 0o644
    if key == "Key", KeySource.holdsPIN(value) { mode &= 0o700 }
    return .write(changed, mode: mode, result)
  }

  /// The value as `config get` would print it; throws `Failure` for one that the setting does not accept.
  private static func judged(_ value: String, _ setting: Setting) throws -> String {
    do {
      return try setting.value(of: value, path: Configuration.path)
    } catch let error as BootEnvironmentError {
      throw Failure(error.detail, hint: error.hint)
    }
  }

  private static func hint(_ error: HostError) -> Message? {
    switch error.errno {
    case EROFS: "remount the file system read-write"
    case EACCES, EPERM: "run this as root, and check with 'lsattr' whether the file or its directory is immutable"
    default: nil
    }
  }
}

extension SettingsSurvey {
  /// Whether `pve-sb-uki.conf` alone, with the defaults, results in that value.
  fileprivate func isInMainFile(_ setting: Setting, _ value: String) -> Bool {
    let main = assignments.last { $0.source == .file && $0.entry.key == setting.key }
    return (try? setting.value(of: main?.entry.value ?? "", path: Configuration.path)) == value
  }
}
