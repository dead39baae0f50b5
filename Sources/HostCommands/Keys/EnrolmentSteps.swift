// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import HostSystem
package import Messages
internal import SigningKeys

/// The next step after keys were created: the firmware must accept them.
package enum EnrolmentSteps {
  /// The steps, one line each, with paths of this host.
  package static func lines(on host: Host) -> [Message] {
    let keys = KeyStore(of: host).displayPath
    let export: Message =
      if let esp = mountedESP(on: host) {
        "Write their public parts to the ESP: pve-sb-uki keys export \(esp)/EFI/pve-sb-uki"
      } else {
        "Write their public parts, and copy them to a USB stick: pve-sb-uki keys export /root/pve-sb-uki-public"
      }
    let steps: [Message] = [
      export,
      "Reboot into the firmware's menu: systemctl reboot --firmware-setup",
      "Delete its platform key (PK), which starts Setup Mode.",
      "Enrol db, KEK and PK from those files, in this order, and turn Secure Boot on.",
      "Check whether this machine starts its UKIs: pve-sb-uki status",
    ]
    return ["Next step, once per machine: enrol these keys in the firmware."]
      + steps.enumerated().map { "  \($0.offset + 1). \($0.element)" }
      + ["Keep a copy of \(keys) off this machine."]
  }

  /// Where an ESP is mounted; nil if none is, or if that is unknown.
  private static func mountedESP(on host: Host) -> String? {
    guard let configuration = try? Configuration(of: host.files),
      let survey = try? ESPSurvey(of: host, configuration)
    else { return nil }
    for case .directory(let path) in survey.esps.map(\.source) { return host.files.display(path) }
    return nil
  }
}
