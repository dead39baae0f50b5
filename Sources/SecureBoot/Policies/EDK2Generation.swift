// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Cryptography
internal import Messages

/// What differs between firmware builds based on EDK2 when they judge images; found with real firmware by `verdict-test`.
struct EDK2Generation: Sendable {
  let name: Message
  /// The digests of an unsigned image that are looked up in db and dbx.
  let digestsOfUnsigned: Set<DigestAlgorithm>
  /// Whether signatures with elliptic curves are verified; if not, they count as invalid.
  let verifiesEllipticCurves: Bool
  /// Whether it follows the proposed order.
  let looksAtDigestsFirst: Bool

  private static let allDigests = Set(DigestAlgorithm.forSignatures)

  /// From old to new; an image starts only if it starts with all of them, since the machine's own is unknown.
  static let all = [
    EDK2Generation(
      name: "EDK2 of 2022", digestsOfUnsigned: [.sha256], verifiesEllipticCurves: false, looksAtDigestsFirst: false),
    EDK2Generation(
      name: "EDK2 of 2025", digestsOfUnsigned: allDigests, verifiesEllipticCurves: false, looksAtDigestsFirst: false),
    EDK2Generation(
      name: "EDK2 of 2026", digestsOfUnsigned: allDigests, verifiesEllipticCurves: true, looksAtDigestsFirst: false),
    EDK2Generation(
      name: "EDK2's proposed order", digestsOfUnsigned: allDigests, verifiesEllipticCurves: true,
      looksAtDigestsFirst: true),
  ]
}
