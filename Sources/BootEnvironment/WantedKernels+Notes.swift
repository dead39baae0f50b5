// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

extension WantedKernels {
  /// What was asked for by name and is not among the complete kernels, `present`; proxmox-boot-tool passes over it, too.
  static func notes(
    on inventory: Kernel.Inventory, _ lists: ProxmoxLists, _ preferred: Kernel?, _ present: Set<Kernel>
  ) -> [String] {
    func note(_ kernel: Kernel?, _ asked: String, _ advice: (Kernel) -> String, others: Int = 0) -> String? {
      guard let kernel, !present.contains(kernel) else { return nil }
      let hasNoInitrd = inventory.withoutInitrd.contains(kernel)
      let what = hasNoInitrd ? "has no initrd" : "is not installed"
      let todo = hasNoInitrd ? "make one with: update-initramfs -c -k \(kernel.release)" : advice(kernel)
      return "kernel \(kernel.release) is \(asked) but \(what); \(todo)"
        + (others > 0 ? " (likewise \(others) more)" : "")
    }
    func choose(_ option: String) -> String {
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
