// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// Why nothing is written.
package struct Refusal: HintedError, Hashable {
  /// The raw values are the names in `--json`, which never change.
  package enum Kind: String, CaseIterable, Sendable {
    /// The firmware is not in Setup Mode.
    case notInSetupMode = "not-in-setup-mode"
    /// The firmware's KEK does not contain the owner's, so it rejects updates signed by that key.
    case foreignKeyExchangeKey = "kek-is-foreign"
    /// The firmware has no factory lists.
    case noFactoryLists = "no-factory-lists"
    /// The firmware's variables cannot be written.
    case readOnly = "variables-read-only"
    /// Private keys are not on this host.
    case keysAway = "keys-away"
    /// An ESP has no UKI, or one that would be rejected.
    case noUsableUKI = "no-usable-uki"
    /// No path would start.
    case noBootPath = "no-boot-path"
    /// Paths that start now would be rejected.
    case lostBootPath = "lost-boot-path"
    /// The store of variables has too little room.
    case variableRoom = "nvram-full"
    /// A disk would stop being unlocked by the TPM.
    case lostUnlocking = "lost-tpm-unlock"
    /// A disk can be unlocked by the TPM only.
    case noOtherKeyslot = "no-passphrase"
    /// How a disk is unlocked is unknown.
    case unknownDisk = "unknown-disk"
    /// The firmware of a card would be rejected, or that is unknown.
    case lostOptionROM = "lost-option-rom"
  }

  package var kind: Kind
  package var message: Message
  package var hint: Message?
  /// What the administrator has to accept; nil if no option overrides it.
  package var risk: EnrolmentGoal.Risk?

  package init(_ kind: Kind, _ message: Message, hint: Message?, risk: EnrolmentGoal.Risk? = nil) {
    self.kind = kind
    self.message = message
    self.hint = hint
    self.risk = risk
  }
}
