// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Cryptography
internal import HostSystem
internal import SecureBoot

extension BootPrefer {
  /// Throws `Failure` unless the firmware starts what our key signed.
  static func requireTrust(in number: BootEntryNumber, on host: Host) throws {
    let trust = try TrustDatabase(readingFrom: host)
    guard trust.secureBootEnabled == true, trust.setupMode != true else { return }
    let configuration = try Configuration(of: host.files)
    let source = KeySource(key: configuration.key, certificate: configuration.certificate, isHostPath: true)
    guard try !trust.firmwareCertificates.contains(source.loadCertificate(from: host)) else { return }
    throw Failure(
      "\(number.name) stays where it is: Secure Boot is on, and our certificate is not in the firmware's db",
      hint: "enrol the keys first; 'pve-sb-uki keys export' writes what the firmware's menu takes")
  }
}
