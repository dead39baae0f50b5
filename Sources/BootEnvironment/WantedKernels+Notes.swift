// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import Messages

extension WantedKernels {
  /// What was asked for by name and is not among the complete kernels, `present`; proxmox-boot-tool passes over it, too.
  static func notes(
    on inventory: Kernel.Inventory, _ lists: ProxmoxLists, _ preferred: Kernel?, _ present: Set<Kernel>
  ) -> [Message] {
    func note(_ kernel: Kernel?, _ asked: Message, _ advice: (Kernel) -> Message, others: Int = 0) -> Message? {
      guard let kernel, !present.contains(kernel) else { return nil }
      let release = kernel.release
      let note: Message =
        inventory.withoutInitrd.contains(kernel)
        ? "kernel \(release) is \(asked) but has no initrd; make one with: update-initramfs -c -k \(release)"
        : "kernel \(release) is \(asked) but is not installed; \(advice(kernel))"
      return others > 0 ? "\(note) (likewise \(others) more)" : note
    }
    func choose(_ option: String) -> Message {
      "choose another with: proxmox-boot-tool kernel pin\(option), or: proxmox-boot-tool kernel unpin\(option)"
    }
    let absent = lists.manual.filter { !present.contains($0) }
    return [
      note(lists.pin, "pinned", { _ in choose("") }),
      note(lists.nextBootPin, "pinned for the next boot", { _ in choose(" --next-boot") }),
      note(preferred, "preferred", { _ in "choose another with: pve-sb-uki boot prefer" }),
      note(
        absent.first, "listed in \(ProxmoxLists.manualPath)",
        { "take it out with: proxmox-boot-tool kernel remove \($0.release)" }, others: absent.count - 1),
    ].compactMap { $0 }
  }
}
