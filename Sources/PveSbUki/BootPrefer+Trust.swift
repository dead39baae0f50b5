// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import SecureBoot
internal import UseCaseSupport

extension BootPrefer {
  /// Throws `Failure` unless this machine starts what our key signed, by itself or through shim where the entry leads
  /// to it.
  static func requireTrust(in number: BootEntryNumber, path: String, on host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    // Without Secure Boot keys need not be there.
    guard database.secureBootEnabled == true, database.setupMode != true else { return }
    let configuration = try Configuration(of: host.files)
    let source = KeySource(key: configuration.key, certificate: configuration.certificate, isHostPath: true)
    let name = path.split(separator: "/").last ?? ""
    let verdict = try BootTrust.evaluate(
      certificate: source.loadCertificate(from: host), database: database,
      throughShim: name.lowercased().hasPrefix("shim"))
    if case .refused(let reason, let hint) = verdict {
      throw Failure("\(number.name) stays where it is, since this machine would turn it down: \(reason)", hint: hint)
    }
  }
}
