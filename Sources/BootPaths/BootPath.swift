// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// One boot path of this machine: what the firmware starts, and what each program then starts.
package struct BootPath: Sendable {
  /// Where the firmware finds the first program.
  package enum Origin: Hashable, Sendable {
    /// BootNext: the firmware tries this Boot#### once, before the boot order.
    case next(UInt16)
    /// A number in BootOrder.
    case entry(UInt16)
    /// A Driver#### in DriverOrder, started before anything else.
    case driver(UInt16)
    /// A SysPrep#### in SysPrepOrder, started before the boot order.
    case preparation(UInt16)
    /// The removable path of the partition with this name: the firmware tries it if no entry starts.
    case removable(String)
  }

  /// What happens on the path.
  package enum Outcome: String, Sendable {
    /// The last program starts.
    case starts = "starts"
    /// Firmware of different age decides differently.
    case depends = "depends"
    /// A program is rejected because of its signature, a revocation or its SBAT data.
    case rejected = "rejected"
    /// A partition or program is missing or damaged.
    case broken = "broken"
    /// The firmware skips it: the entry is inactive, or only for its menu.
    case skipped = "skipped"
    /// It cannot be examined, or leads to the network or into the firmware itself.
    case unknown = "unknown"
  }

  package internal(set) var origin: Origin
  /// The label of the entry; nil for a removable path and for an invalid entry.
  package internal(set) var label: String?
  /// The device path of the entry as text; nil for a removable path and for an invalid entry.
  package internal(set) var devicePath: String?
  /// The programs in the order in which they start; empty if the first one is unknown.
  package internal(set) var steps: [BootStep] = []
  /// The MokManager that shim starts on this path if a request is pending; nil if shim is not on the path.
  package internal(set) var mokManager: BootStep?
  /// The other entries in the menu of the path's boot loader; without `readsAll` only pve-sb-uki's UKIs.
  package internal(set) var alternatives: [BootStep] = []
  /// What happens at the next boot.
  package internal(set) var outcome = Outcome.unknown
  /// What would happen with Secure Boot on; the same as `outcome` if it is on.
  package internal(set) var outcomeIfEnforced = Outcome.unknown
  /// Whether pve-sb-uki made the entry.
  package internal(set) var isOurs = false
  /// Whether this machine was booted from the entry.
  package internal(set) var isCurrent = false

  init(_ origin: Origin) { self.origin = origin }

  /// Whether it leads to one of pve-sb-uki's UKIs.
  package var leadsToUKI: Bool { steps.last?.program == .ownImage }

  /// The step that decides the outcome, if the path does not start; nil if there is none.
  package var failing: BootStep? {
    let decisive: [BootStep.Verdict] =
      switch outcome == .starts ? outcomeIfEnforced : outcome {
      case .broken: [.missing, .damaged]
      case .rejected: [.rejected]
      case .depends: [.depends]
      case .unknown: [.unknown]
      case .starts, .skipped: []
      }
    return steps.first { decisive.contains($0.verdict) }
  }

  /// The number of the entry; nil for a removable path.
  package var number: UInt16? {
    switch origin {
    case .next(let number), .entry(let number), .driver(let number), .preparation(let number): number
    case .removable: nil
    }
  }
}

/// A program on a boot path.
package struct BootStep: Sendable {
  package enum Program: String, CaseIterable, Sendable {
    case shim = "shim"
    case mokManager = "mok-manager"
    /// fbx64.efi, which recreates boot entries.
    case fallback = "fallback"
    case grub = "grub"
    case systemdBoot = "systemd-boot"
    /// A UKI made by pve-sb-uki.
    case ownImage = "uki"
    /// Another UKI.
    case foreignImage = "foreign-uki"
    /// A kernel without a signed initrd and command line.
    case kernel = "kernel"
    case windows = "windows"
    case fwupd = "fwupd"
    /// A part of the firmware, such as its setup menu.
    case firmware = "firmware"
    case network = "network"
    /// A whole disk or class of devices, on which the firmware looks for the removable path.
    case device = "device"
    case unknown = "unknown"
  }

  package enum Verdict: String, Sendable {
    case starts = "starts"
    case depends = "depends"
    case rejected = "rejected"
    /// The partition or the file does not exist.
    case missing = "missing"
    /// Not a program that the firmware can start.
    case damaged = "damaged"
    /// It cannot be examined.
    case unknown = "unknown"
  }

  package internal(set) var program: Program
  /// From the root of its partition; nil if it is not a file.
  package internal(set) var path: String?
  /// The name of the partition: of its ESP, otherwise as in /dev/disk/by-partuuid; nil if it is not a file.
  package internal(set) var partition: String?
  /// Whether its partition exists and can be read.
  package internal(set) var isPartitionReadable = false
  /// Whether the program starts with Secure Boot on.
  package internal(set) var verdict: Verdict
  /// Why, as a fragment about the program.
  package internal(set) var reason: Message
  /// What else the administrator should know about it, as a sentence.
  package internal(set) var note: Message?
  /// Whether it is known to have no signature, so that only its digest in db could make it start with Secure Boot on.
  package internal(set) var isUnsigned = false
}
