// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import Cryptography
internal import Findings
internal import Messages
internal import SecureBoot

/// Keys in the firmware whose private half is public: anyone can sign updates of its lists, or programs, with them.
enum PlatformKeys {
  /// What test keys say about themselves in subject or issuer.
  private static let marks = ["DO NOT TRUST", "DO NOT SHIP"]

  /// SHA-256 of the DER encoding of known keys.
  ///
  /// The first four are AMI's test keys in CERT's note VU#455367 (PKfail, CVE-2024-8105); the last two are in Debian's
  /// package ovmf (12 and 13), with their private keys.
  private static let known: Set<String> = [
    "01adaf2c334e76a6479516daf618381898323d8f5e7a57bed12bad7ab229209d",
    "d7ddc0ac61513b51601e76673826cd44187b5ff85f6c29eacdf8d1e37c52388a",
    "cca4e3f3170230030dc3e33d1e3fa7d1383de8b3367430892e93cbccde034ce0",
    "617f9a3582de92b19a14bf45cd7041950f365b1e49bac2633fd02bb106902c8d",
    "282e8130b7070f107aaecc25d3992ca4440270860b09088792a5075fab0d13f8",
    "5e2a886d7d56dc918f16806366d4c2e1c0de23a6f1026ba5df14f0370f0e19a0",
  ]

  static func findings(_ firmware: FirmwareKeys) -> [Finding] {
    let lists = [
      ("PK", firmware.platformKeys), ("KEK", firmware.keyExchangeKeys), ("db", firmware.database.db.certificates),
    ]
    let suspects = lists.flatMap { variable, certificates in certificates.map { (variable, $0) } }
    return suspects.compactMap { variable, certificate in
      guard isPublic(certificate) else { return nil }
      return Finding(
        .platformKeyLeaked,
        """
        the firmware's \(variable) contains the test key \(certificate.displayName), whose private half is public: \
        anyone can change what this machine starts
        """,
        arguments: [
          "variable": .string(variable), "certificate": .string(certificate.displayName),
          "sha256": JSONValue((try? certificate.fingerprint())?.hexadecimal),
        ],
        actions: [advice(firmware)])
    }
  }

  /// Whether a certificate says that it is a test key, or is a known one.
  static func isPublic(_ certificate: Certificate) -> Bool {
    let names = [certificate.subject, certificate.issuer]
    if marks.contains(where: { mark in names.contains { $0.contains(bytes: mark) } }) { return true }
    return (try? certificate.fingerprint()).map { known.contains($0.hexadecimal) } ?? false
  }

  private static func advice(_ firmware: FirmwareKeys) -> Finding.Action {
    guard !firmware.own.isEmpty else {
      return .advise(
        "replace it with your own keys: run 'pve-sb-uki keys create' and follow the steps that it prints")
    }
    return .advise(
      firmware.database.setupMode == true
        ? "replace it with your own keys: pve-sb-uki enroll --firmware"
        : "replace it with your own keys: delete PK in the firmware's setup menu, then run: pve-sb-uki enroll --firmware"
    )
  }
}
