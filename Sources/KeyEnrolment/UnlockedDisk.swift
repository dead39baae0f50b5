// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// A disk with LUKS, and what an enrolment does to its unlocking by a TPM.
package struct UnlockedDisk: Hashable, Sendable {
  package enum Effect: Hashable, Sendable {
    /// No TPM unlocks it, or the TPM continues to do so.
    case none
    /// The TPM stops unlocking it.
    case stops
    case unknown(Message)
  }

  /// Its path in /dev.
  package var device: String
  package var tokens: [UnlockToken]
  package var effect: Effect
  /// Whether something else than the TPM unlocks it: a passphrase, a recovery key or a security key.
  package var hasOtherKeyslot: Bool

  /// The register with Secure Boot's state and lists (TCG PC Client Platform Firmware Profile, section 3.3.4.8).
  package static let secureBootRegister = 7

  /// A disk that cannot be examined.
  package init(device: String, unknown reason: Message) {
    self.device = device
    tokens = []
    effect = .unknown(reason)
    hasOtherKeyslot = false
  }

  /// A disk with the metadata of LUKS2.
  package init(device: String, _ metadata: LUKSMetadata) {
    self.device = device
    tokens = metadata.tokens.filter(\.usesTPM)
    effect = tokens.contains(where: \.isBoundToSecureBoot) ? .stops : .none
    let used = Set(tokens.flatMap(\.keyslots))
    hasOtherKeyslot = !metadata.keyslots.subtracting(used).isEmpty
  }

  /// The tokens and their PCRs: `systemd-tpm2 with PCR 7, clevis with PCR 1 and 7`.
  package var bindings: Message { tokens.map(\.binding).joined(separator: ", ") }
}

/// Something that unlocks a disk without a passphrase (LUKS2 On-Disk Format Specification, section 3.3).
package struct UnlockToken: Hashable, Sendable {
  /// Such as `systemd-tpm2` or `clevis`.
  package var type: String
  /// The numbers of the keyslots that it unlocks.
  package var keyslots: Set<String>
  package var usesTPM: Bool
  /// The PCRs whose values must not change, in ascending order.
  package var registers: [Int]
  /// Whether the PCRs are in a policy elsewhere, such as that of systemd-pcrlock.
  package var hasOtherPolicy = false

  /// Whether it stops working if Secure Boot's lists change.
  ///
  /// PCRs that a signed policy covers may change. A policy elsewhere counts as one with PCR 7.
  package var isBoundToSecureBoot: Bool {
    usesTPM && (hasOtherPolicy || registers.contains(UnlockedDisk.secureBootRegister))
  }

  package var binding: Message {
    if hasOtherPolicy { return "\(type) with a policy of systemd-pcrlock" }
    guard !registers.isEmpty else { return "\(type) without PCRs" }
    return "\(type) with PCR \(registers.map { String($0) }.joined(separator: "+"))"
  }
}
