// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import EFIData
package import HostSystem
package import Messages

/// The firmware's menu of this machine: how to get into it, and how to enrol the staged files in it.
package struct MenuWalk: Sendable {
  /// Whether firmware opens its menu at the next boot on request (UEFI 2.10 section 8.5.4).
  package let opensOnRequest: Bool
  private let vendor: MenuVendor?

  /// How the staged files get into the firmware's lists.
  package enum Task: Sendable {
    /// All of PK, KEK and db; `isInSetupMode` says whether the vendor's PK is gone already.
    case replaceAll(isInSetupMode: Bool)
    /// Only the certificate that signs UKIs, added to db.
    case addCertificate
  }

  /// Reads the names that the firmware gives (SMBIOS) and what it supports; all is optional.
  package init(of host: Host) {
    let name = EFIVariableName(name: "OsIndicationsSupported", vendor: EFIVariableName.globalVendor)
    let data = (try? host.variables.read(name.fileName)).flatMap { $0 }.flatMap {
      try? EFIVariableContent(parsing: $0).data
    }
    opensOnRequest = (data?.first ?? 0) & 1 != 0
    vendor = MenuVendor.recognise { field in
      let text = (try? host.files.readTextIfPresent("/sys/class/dmi/id/\(field)", limit: 4096)).flatMap { $0 }
      return text.map { String($0.prefix { $0 != "\n" }) } ?? ""
    }
  }

  /// After the keys are in the firmware's lists.
  package static let lastStep: Message = "Turn Secure Boot on, and save."

  /// The command that leads to the menu, or at least starts the machine again.
  ///
  /// `--firmware-setup` fails on firmware that does not support it.
  package var command: Message { opensOnRequest ? "systemctl reboot --firmware-setup" : "systemctl reboot" }

  /// How to get into the menu; nil if `command` leads to it.
  package var entrance: Message? {
    guard !opensOnRequest else { return nil }
    guard let key = vendor?.key else {
      return "Press the key for the firmware's menu while it starts, often Del, F2 or F10."
    }
    return "Press \(key) for the firmware's menu while it starts."
  }

  /// What to do in the menu, one line each.
  package func steps(_ task: Task) -> [Message] {
    var lines = [entrance].compactMap { $0 }
    let directory: Message = "EFI/pve-sb-uki on the ESP"
    guard let vendor else {
      switch task {
      case .replaceAll(let isInSetupMode):
        if !isInSetupMode { lines.append("Delete the platform key (PK), which starts Setup Mode.") }
        lines.append(
          "Enrol db, then KEK, then PK, from \(directory): the .auth files, or the .cer files if it rejects those.")
      case .addCertificate: lines.append("Add the certificate db.cer to db, from \(directory).")
      }
      return lines + [Self.lastStep]
    }
    lines.append("On firmware of \(vendor.name), open \(vendor.place).")
    switch task {
    case .replaceAll(let isInSetupMode):
      if !isInSetupMode, let step = vendor.setupModeStep { lines.append(step) }
      lines += vendor.steps.map { role, item in
        "\(item): choose \(role)\(vendor.suffix) from \(directory)."
      }
    case .addCertificate:
      if let item = vendor.steps.first?.item { lines.append("\(item): choose db.cer from \(directory).") }
    }
    if let note = vendor.note { lines.append(note) }
    return lines + [Self.lastStep]
  }
}
