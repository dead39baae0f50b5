// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
package import HostSystem
internal import Messages

/// Restores the default in the `loader.conf` of each ESP after Proxmox's hook has overwritten it.
///
/// Runs immediately, even during an apt transaction. Needs neither a plan nor a key.
package enum LoaderDefaultRestoration {
  /// Seconds to wait for another run.
  private static let lockTimeout = 30

  /// Restores the default recorded by `apply` if it was changed.
  ///
  /// Reports nothing: `apply` runs later and reports the problems.
  package static func run(on host: Host) {
    let record = LoaderDefaultRecord.load(from: host.files)
    guard !record.defaults.isEmpty, let configuration = try? Configuration(of: host.files), configuration.isEnabled,
      let lock = try? host.files.lock(Apply.lockPath, waitingAtMost: lockTimeout),
      var survey = try? ESPSurvey(of: host, configuration)
    else { return }
    withExtendedLifetime(lock) {
      guard survey.esps.contains(where: { isOverwritten($0, record: record, on: host) }) else { return }
      var mending = ESPMending(host)
      mending.mendDirty(&survey)
      for esp in survey.esps { try? restore(esp, from: record, on: host) }
    }
  }

  private static func isOverwritten(_ esp: ESP, record: LoaderDefaultRecord, on host: Host)
    -> Bool
  {
    guard let files = try? esp.open(on: host, for: .reading) else { return false }
    return (try? change(on: files, record.defaults[esp.name])) != nil
  }

  private static func restore(_ esp: ESP, from record: LoaderDefaultRecord, on host: Host) throws {
    guard isOverwritten(esp, record: record, on: host) else { return }
    let files = try esp.open(on: host, for: .writing)
    guard let text = try change(on: files, record.defaults[esp.name]) else { return }
    try files.replaceFile(
      LoaderConfiguration.path,
      verify: { file in
        guard try file.readToEnd(limit: text.count) == text else {
          throw Failure("\(file.path): the data read back differs from the data written")
        }
      }, writing: { try $0.write(text) })
  }

  /// The settings with the recorded default; nil if they are already correct, or no default is recorded.
  private static func change(on files: FileSystem, _ recorded: String?) throws -> [UInt8]? {
    guard let recorded,
      let present = try files.readFileIfPresent(LoaderConfiguration.path, limit: LoaderConfiguration.sizeLimit)
    else { return nil }
    // The UKI may have been removed since.
    let isThere = try recorded == LoaderDefault.pattern || files.exists("\(UKIName.directory)/\(recorded)")
    let text = LoaderConfiguration.text(present, withDefault: isThere ? recorded : LoaderDefault.pattern)
    return text == present ? nil : text
  }
}
