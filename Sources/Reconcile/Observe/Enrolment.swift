// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Cryptography
package import HostSystem
package import SecureBoot
package import SigningKeys

/// Whether the firmware has the owner's keys, as read back from its variables.
package enum Enrolment {
  /// Whether the owner's PK is in PK, KEK in KEK and the certificate that signs UKIs in db, and Setup Mode has ended.
  ///
  /// An owner without PK and KEK has only a certificate to enrol. False if that cannot be read, or if the firmware does
  /// not say whether it is in Setup Mode.
  package static func isComplete(_ certificate: Certificate, _ database: TrustDatabase, on host: Host) -> Bool {
    guard database.setupMode == false, database.db.certificates.contains(certificate) else { return false }
    let store = KeyStore(of: host)
    guard (try? host.files.exists(store.path(of: KeyStore.certificateFile(of: .platformKey)))) == true else {
      return true
    }
    guard let lists = try? AuthorityLists(readingFrom: host.variables),
      let platformKey = try? store.certificate(of: .platformKey),
      let exchangeKey = try? store.certificate(of: .keyExchangeKey)
    else { return false }
    return lists.platformKeys.contains(platformKey) && lists.keyExchangeKeys.contains(exchangeKey)
  }

  /// What to remove from each ESP, by its name; empty unless the enrolment is complete.
  ///
  /// Reads nothing more if no ESP has such files.
  static func removals(
    _ contents: [String: ESPContents], _ open: OpenESPs, certificate: Certificate?, database: TrustDatabase?,
    on host: Host
  ) -> [String: StagedRemoval] {
    guard contents.values.contains(where: { !$0.staged.isEmpty }), let certificate, let database,
      isComplete(certificate, database, on: host)
    else { return [:] }
    let own = OwnKeyFiles(of: host, certificate: certificate)
    return contents.compactMapValues { found in found.staged.isEmpty ? nil : found.staged }
      .reduce(into: [:]) { removals, item in
        guard let files = open.files(of: item.key) else { return }
        let removal = StagedRemoval(of: item.value, in: files, own)
        if !removal.isEmpty { removals[item.key] = removal }
      }
  }
}

extension StagedRemoval {
  /// The removal of those of the files that are the owner's.
  package init(of paths: [String], in files: FileSystem, _ own: OwnKeyFiles) {
    let isOwn: (String) -> Bool = { path in
      (try? files.readFile(path, limit: OwnKeyFiles.sizeLimit)).map(own.contain) ?? false
    }
    self.init(paths: paths.filter(isOwn))
    guard paths.contains(where: { $0.hasPrefix(StagedKeys.automaticDirectory) }) else { return }
    restoresLoader = Self.isForced(in: files)
  }

  /// Whether `loader.conf` has pve-sb-uki's line for the enrolment.
  package static func isForced(in files: FileSystem) -> Bool {
    let text = try? files.readFileIfPresent(LoaderConfiguration.path, limit: LoaderConfiguration.sizeLimit)
    return text.flatMap { $0 }.map(LoaderConfiguration.forcesEnrolment) ?? false
  }
}
