// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Authenticode
internal import BootEnvironment
internal import Cryptography
internal import EFIData
internal import HostSystem
internal import Messages
internal import PortableExecutable
internal import SecureBoot
internal import SigningKeys

extension BootPrefer {
  /// Throws `Failure` unless this machine starts what our key signed, by itself or through shim where the entry leads
  /// to it.
  static func requireTrust(in number: BootEntryNumber, path: String, on host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    // Without Secure Boot keys need not be there.
    guard database.isEnforced else { return }
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

  /// Throws `Failure` for an image that the firmware refuses by its digest.
  static func requireNotRevoked(_ file: DevicePath.File, in number: BootEntryNumber, on host: Host) throws {
    let database = try TrustDatabase(readingFrom: host)
    guard database.isEnforced, !database.forbiddenImageDigests.isEmpty,
      let partition = try EFISystemPartition.survey(on: host, Configuration(of: host.files)).partitions
        .first(where: { $0.location?.guid == file.partition.guid }),
      let image = try? partition.open(on: host, for: .reading).openFile(file.path),
      let header = try? SignedImage(parsing: image).header
    else { return }
    guard try database.forbiddenImageDigests.contains(ImageDigest.compute(of: image, header: header)) else { return }
    throw Failure(
      "\(number.name) stays where it is, since the firmware would refuse \(file.path.dropFirst()): dbx revokes its digest",
      hint: "choose another entry: pve-sb-uki boot list")
  }
}
