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

/// `pve-sb-uki config set`: checks values and writes them to `/etc/pve-sb-uki/pve-sb-uki.conf`, all or none.
package struct ConfigurationSet: Sendable {
  package struct Assignment: Hashable, Sendable {
    package var key: String
    /// The value; empty for the default.
    package var value: String

    package init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  /// What to write; each key once.
  package var assignments: [Assignment]
  /// Whether to write values even if a drop-in overrides them or the key cannot sign.
  package var isForced = false
  /// Whether to check everything and write nothing.
  package var isDryRun = false
  /// How long to wait for another run to end, in seconds.
  package var lockTimeout = 120

  package init(_ assignments: [Assignment]) { self.assignments = assignments }

  /// The result for one key.
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

  /// Checks the values and writes those that are not already in use; returns the results in the order of `assignments`.
  ///
  /// Nothing is written if a key is unknown, a value is invalid or overridden by a drop-in, or the new signing key cannot
  /// sign for the certificate. Other settings may be invalid, so that they can be corrected one after the other. Throws
  /// `Failure`, `BootEnvironmentError` or `HostError`.
  package func run(on host: Host) throws -> [Result] {
    let wanted = try wantedValues()
    // Without a change, not even the lock file is written.
    let decision = try decide(wanted, on: host)
    guard decision.isChange else { return decision.results }
    try requireUsableKey(after: decision, on: host)
    try requireUsableSplash(after: decision, on: host)
    guard !isDryRun else { return decision.results }
    do {
      let lock = try host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout)
      return try withExtendedLifetime(lock) {
        let decision = try decide(wanted, on: host)
        if decision.isChange {
          try host.files.makeDirectory("/etc/pve-sb-uki")
          try host.files.replaceFile(Configuration.path, mode: decision.mode, content: decision.content)
        }
        return decision.results
      }
    } catch var error as HostError {
      error.hint = error.hint ?? Self.hint(error)
      throw error
    }
  }

  private struct Wanted {
    var setting: Setting
    /// The value to write.
    var text: String
    /// The value as `config get` would print it.
    var value: String
  }

  private func wantedValues() throws -> [Wanted] {
    var seen: Set<String> = []
    return try assignments.map { assignment in
      let setting = try Setting.known(assignment.key)
      guard seen.insert(setting.key).inserted else {
        throw Failure("\(setting.key) is set twice", hint: "specify each key once")
      }
      let text = SettingsFile.trimmed(assignment.value)
      guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
        throw Failure("the value of \(setting.key) contains a control character", hint: "write it as plain text")
      }
      return Wanted(setting: setting, text: text, value: try Self.judged(text, setting))
    }
  }

  private struct Decision {
    var results: [Result]
    var content: [UInt8]
    var mode: UInt32

    var isChange: Bool { results.contains(where: \.isChange) }
  }

  private func decide(_ wanted: [Wanted], on host: Host) throws -> Decision {
    let files = host.files
    let content = try files.readFileIfPresent(Configuration.path, limit: SettingsSurvey.sizeLimit) ?? []
    let present = try? SettingsSurvey(of: files, replacement: content)
    var decision = Decision(
      results: [], content: content, mode: try files.linkStatus(of: Configuration.path)?.mode ?? 0o644)
    for item in wanted {
      let key = item.setting.key
      let old = (try? present?.configuration(of: key)).map { item.setting.value(in: $0) }
      var result = Result(key: key, old: old, new: item.value)
      if old != item.value || isForced {
        let changed = SettingsFile.setting(key, to: item.text, in: decision.content)
        let survey = try SettingsSurvey(of: files, replacement: changed)
        result.new = item.setting.value(in: try survey.configuration(of: key))
        result.outweighing = try outweighing(item, in: survey)
        // The default of Key= follows KeyDirectory=, so it is not the same as that path.
        let isDefaultKey = key == "Key" && item.text.isEmpty
        let isSame = !isDefaultKey && present?.isInMainFile(item.setting, item.value) ?? false
        if !isSame, changed != decision.content {
          result.isChange = true
          decision.content = changed
          if key == "Key", KeySource.holdsPIN(item.text) { decision.mode &= 0o700 }
        }
      }
      decision.results.append(result)
    }
    return decision
  }

  /// The assignment in a drop-in that overrides the value; throws `Failure` if there is one, unless forced.
  private func outweighing(_ wanted: Wanted, in survey: SettingsSurvey) throws -> ConfigurationList.Item? {
    let key = wanted.setting.key
    guard let assignment = survey.last(key), assignment.source == .dropIn else { return nil }
    let item = ConfigurationList.Item(wanted.setting, in: survey, try survey.configuration(of: key))
    guard isForced else {
      throw Failure(
        """
        \(key)=\(wanted.text) would have no effect: \(assignment.path), line \(item.line ?? 0), sets \(key) to \
        '\(item.value)'
        """,
        hint: "change the value there, or use --force to write it anyway")
    }
    return item
  }

  /// Throws `Failure` if another key or certificate was specified and UKIs could not be signed with them.
  ///
  /// The host's own keys are not checked: they may be created later.
  private func requireUsableKey(after decision: Decision, on host: Host) throws {
    let keys = ["KeyDirectory", "Key", "Certificate", "PassphraseFile"]
    guard !isForced, decision.results.contains(where: { $0.isChange && keys.contains($0.key) }) else { return }
    let survey = try SettingsSurvey(of: host.files, replacement: decision.content)
    let configuration = try survey.configuration(of: "KeyDirectory", "Key", "Certificate", "PassphraseFile")
    let isOwn =
      configuration.key == Configuration.defaultKey && configuration.certificate == Configuration.defaultCertificate
    // Keys that do not exist yet are created where the settings say.
    let willBeCreated =
      try configuration.specifiedKey == nil && KeyStore(of: host, configuration).existingNames().isEmpty
    let changesFile = decision.results.contains { $0.isChange && $0.key == "PassphraseFile" && !$0.new.isEmpty }
    guard !isOwn || changesFile, !willBeCreated else { return }
    var host = host
    // An answer would hide that the file is wrong.
    if changesFile { host.passphrases.mayAsk = false }
    do {
      try configuration.signingKey.requireSignature(from: host)
    } catch {
      let isMove = decision.results.contains { $0.key == "KeyDirectory" }
      let isOneOfTwo = !["Key", "Certificate"].allSatisfy { key in decision.results.contains { $0.key == key } }
      throw Failure(
        "the signing key cannot be used: \(Failure(adopting: error, of: "\(configuration.key)").withHint)",
        hint: isMove
          ? "move the keys with 'pve-sb-uki keys move \(configuration.keyDirectory.shellWord)'"
          : isOneOfTwo && !changesFile
            ? "set Key and Certificate together, or use --force to write the value anyway"
            : "use --force to write the values anyway")
    }
  }

  /// Throws `Failure` if the EFI stub would not show another picture.
  private func requireUsableSplash(after decision: Decision, on host: Host) throws {
    let change = decision.results.first { $0.isChange && $0.key == "Splash" && !$0.new.isEmpty }
    guard !isForced, let change else { return }
    do {
      _ = try ImageInputs.openSplash(change.new, host)
    } catch let error as Failure {
      throw Failure(error.message, hint: "specify an uncompressed BMP picture with 24 bits per pixel")
    }
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
