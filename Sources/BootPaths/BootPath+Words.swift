// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import Messages

extension BootPath {
  /// Where the path starts: `Boot0003`, `BootNext (Boot0003)`, `removable path of 1111-AAA1`.
  package var name: Message {
    switch origin {
    case .next(let number): "BootNext (\(Self.name(ofEntry: number)))"
    case .entry(let number): Message(verbatim: Self.name(ofEntry: number))
    case .driver(let number): Message(verbatim: "Driver" + EFIVariableName.bootOptionDigits(number))
    case .preparation(let number): Message(verbatim: "SysPrep" + EFIVariableName.bootOptionDigits(number))
    case .removable(let partition): "removable path of \(partition)"
    }
  }

  /// `Boot0003`.
  static func name(ofEntry number: UInt16) -> String { EFIVariableName.bootOption(number).name }

  /// The programs: `shim, then GRUB`.
  package var programs: Message {
    let words = steps.map(\.program.word)
    guard let first = words.first else { return "no program" }
    return words.dropFirst().reduce(first) { "\($0), then \($1)" }
  }

  /// What happens at the next boot: `starts`, or `starts; rejected with Secure Boot on`.
  package var outcomeWord: Message {
    guard outcome != outcomeIfEnforced else { return outcome.word }
    return "\(outcome.word); \(outcomeIfEnforced.word) with Secure Boot on"
  }

  /// The path in one line: `Boot0003  shim, then GRUB: starts`.
  package var line: Message { "\(name)  \(programs): \(outcomeWord)" }
}

extension BootPath.Outcome {
  package var word: Message {
    switch self {
    case .starts: "starts"
    case .depends: "depends on the firmware"
    case .rejected: "rejected"
    case .broken: "leads nowhere"
    case .skipped: "skipped by the firmware"
    case .unknown: "unknown"
    }
  }
}

extension BootStep.Program {
  package var word: Message {
    switch self {
    case .shim: "shim"
    case .mokManager: "MokManager"
    case .fallback: "shim's fallback"
    case .grub: "GRUB"
    case .systemdBoot: "systemd-boot"
    case .ownImage: "UKI"
    case .foreignImage: "UKI of another system"
    case .kernel: "kernel without signed initrd"
    case .windows: "Windows"
    case .fwupd: "fwupd"
    case .firmware: "part of the firmware"
    case .network: "network"
    case .device: "first bootable disk"
    case .unknown: "unknown program"
    }
  }
}

extension BootStep.Verdict {
  package var word: Message {
    switch self {
    case .starts: "starts"
    case .depends: "depends on the firmware"
    case .rejected: "rejected"
    case .missing: "missing"
    case .damaged: "damaged"
    case .unknown: "unknown"
    }
  }
}

extension BootStep {
  /// Its place: `/EFI/proxmox/shimx64.efi on 1111-AAA1`; nil if it is not a file.
  package var place: Message? {
    guard let path else { return nil }
    return partition.map { "\(path) on \($0)" } ?? Message(verbatim: path)
  }

  /// The step in one line: `shim, /EFI/proxmox/shimx64.efi on 1111-AAA1: starts, signed by CN = …`.
  package var line: Message {
    let object: Message = place.map { "\(program.word), \($0)" } ?? program.word
    return "\(object): \(verdict.word), \(reason)"
  }
}
