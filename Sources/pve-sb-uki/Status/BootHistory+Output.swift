// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BinaryFormat
internal import BootEnvironment
internal import Cryptography
internal import Messages
internal import Reconcile

extension BootHistory.Boot {
  /// How long it took, and when unless it is this boot.
  func text(isThis: Bool) -> Message { isThis ? duration : "\(CalendarDate(seconds: time)): \(duration)" }

  /// Without claims that the sources do not support; see `BootTimes`.
  private var duration: Message {
    let loaded: Message = image.map { "\($0.name) (\(Quantity.megabytes($0.size)) MB)" } ?? "the UKI"
    func seconds(_ time: Int) -> String { Quantity.seconds(time) }
    switch (times.program, times.firmware, times.loading) {
    case (.uki, let firmware?, let loading?):
      return "\(seconds(firmware)) s in the firmware, at least \(seconds(loading)) s of it to load \(loaded)"
    case (_, let firmware?, let loading?) where times.hasMenu:
      return """
        \(seconds(firmware)) s in the firmware, then \(seconds(loading)) s in systemd-boot for its menu and to load \(loaded)
        """
    case (_, let firmware?, let loading?):
      return "\(seconds(firmware)) s in the firmware, then \(seconds(loading)) s in systemd-boot to load \(loaded)"
    case (.uki, nil, let loading?): return "at least \(seconds(loading)) s in the firmware to load \(loaded)"
    case (_, nil, let loading?): return "\(seconds(loading)) s in systemd-boot to load \(loaded)"
    case (_, let firmware?, nil):
      guard let kernel = times.kernel else { return "\(seconds(firmware)) s in the firmware" }
      return "\(seconds(kernel)) s until the kernel started, \(seconds(firmware)) s of it in the firmware"
    case (_, nil, nil): return times.kernel.map { "\(seconds($0)) s until the kernel started" } ?? "unknown"
    }
  }

  var json: JSONValue {
    .object([
      "boot_id": .string(bootID), "time": .string(CalendarDate(seconds: time).description),
      "first_program": .string(times.program.rawValue), "firmware_usec": JSONValue(times.firmware),
      "loading_usec": JSONValue(times.loading), "kernel_usec": JSONValue(times.kernel),
      "menu": .boolean(times.hasMenu), "uki": JSONValue(image?.name), "size": JSONValue(image?.size),
      "sha256": JSONValue(image?.digest.hexadecimal),
    ])
  }
}
