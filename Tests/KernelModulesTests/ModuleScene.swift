// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Cryptography
import HostSystem
import KernelModules
import TestSupport
import Testing

/// A root with modules as built by dkms.
///
/// OpenSSL signs them like the kernel's sign-file: CMS without attributes and certificates.
struct ModuleScene {
  static let release = "6.8.12-10-pve"
  /// Larger than one buffer, and not a multiple of any block size.
  static let content = (0..<700_001).map { UInt8(truncatingIfNeeded: $0 * 7919 >> 5) }

  let directory: TemporaryDirectory
  let key: SigningKey
  private static let keys = Result { (try SigningKey("Ours"), try SigningKey("Another")) }
  static func otherKey() throws -> SigningKey { try keys.get().1 }

  init() throws {
    directory = try TemporaryDirectory()
    key = try Self.keys.get().0
  }

  static func signature(over content: [UInt8], by key: SigningKey, digest: String = "sha512") throws -> [UInt8] {
    let (keyFile, certificate, data) = (try key.keyFile(), try key.certificateFile(), try ScratchFile(content))
    return try withExtendedLifetime((keyFile, certificate, data)) {
      try ExternalTool("openssl").run([
        "cms", "-sign", "-binary", "-noattr", "-nocerts", "-nosmimecap", "-outform", "DER", "-md", digest,
        "-signer", certificate.path, "-inkey", keyFile.path, "-in", data.path,
      ])
    }
  }

  /// Content and trailer (Linux, include/linux/module_signature.h).
  static func module(_ content: [UInt8], _ signature: [UInt8], idType: UInt8 = 2, size: Int? = nil) -> [UInt8] {
    let size = size ?? signature.count
    let length = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: size >> $0) }
    var bytes = content
    bytes += signature
    bytes += [0, 0, idType, 0, 0, 0, 0, 0]
    bytes += length
    bytes += Array("~Module signature appended~\n".utf8)
    return bytes
  }

  func put(_ fileName: String, _ bytes: [UInt8]) throws {
    try directory.write("lib/modules/\(Self.release)/updates/dkms/\(fileName)", bytes)
  }

  func survey() throws -> [String: ModuleTrust.Verdict] {
    let survey = try ModuleSurvey(on: directory.host(), own: key.certificate)
    let modules = survey.modules(of: [Self.release, "6.1.0-1"]) { Issue.record($0) }
    return Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0.signature) })
  }
}
