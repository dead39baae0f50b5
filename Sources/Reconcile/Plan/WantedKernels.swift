// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import BootEnvironment
package import Messages

/// The kernels that should have a UKI, why, and their boot order.
///
/// The selection matches proxmox-boot-tool's, with two differences. Only complete kernels count, so that a version
/// without a kernel does not displace one that boots. The previous series is derived from the installed kernels instead
/// of meta packages.
///
/// If there are Proxmox kernels, others are only selected by name: a Debian kernel has no ZFS and must not come first
/// because of its version. An installed kernel without an initrd counts as long as its UKI exists, which still boots.
package struct WantedKernels: Hashable, Sendable {
  /// Why a kernel is wanted, in order of precedence.
  package enum Reason: String, CaseIterable, Sendable {
    case nextBootPin = "next-boot-pin"
    case pin = "pin"
    /// `pve-sb-uki boot prefer`
    case preferred = "preferred"
    case running = "running"
    /// One of the two newest.
    case newest = "newest"
    /// The newest of the series before that of the newest kernel.
    case previousSeries = "previous-series"
    /// `proxmox-boot-tool kernel add`
    case manual = "manual"

    /// The reason as a word for people.
    package var word: Message {
      switch self {
      case .nextBootPin: "next-boot-pin"
      case .pin: "pin"
      case .preferred: "preferred"
      case .running: "running"
      case .newest: "newest"
      case .previousSeries: "previous-series"
      case .manual: "manual"
      }
    }
  }

  package struct Wanted: Hashable, Sendable {
    package let kernel: Kernel
    /// In order of precedence, never empty.
    package let reasons: [Reason]
  }

  /// In order of precedence.
  package let kernels: [Wanted]
  /// The same kernels in boot order: pinned, preferred, then newest first.
  package let bootOrder: [Kernel]
  /// The previous UKI that comes before all others; nil if none was chosen.
  let preferredPrevious: UKIName?
  /// The kernel to boot once; nil if none is pinned for that or the pin was used.
  package let nextBoot: Kernel?
  /// Requests that cannot be met, one sentence each.
  package let notes: [Message]

  /// Selects kernels.
  ///
  /// - Parameters:
  ///   - inventory: the installed kernels.
  ///   - imageOnly: installed kernels without an initrd whose UKI exists.
  ///   - lists: the choices made with proxmox-boot-tool.
  ///   - choice: the UKI chosen with `boot prefer`.
  ///   - running: release of the running kernel; nil if the root is not that of the running system.
  ///   - keep: the number of kernels to keep, by precedence; 0 keeps all. The running kernel and the one that boots
  ///     next are always kept.
  ///   - bootTime: seconds since 1970; distinguishes a used next-boot pin from a new one.
  /// - Returns: the selected kernels.
  package static func make(
    inventory: KernelInventory, imageOnly: [Kernel] = [], lists: ProxmoxLists, preferred choice: UKIName?,
    running: String?, keep: Int, bootTime: Int64? = nil
  ) -> WantedKernels {
    let preferred = choice?.kernel
    let complete = (inventory.kernels + imageOnly).sorted { $0.isNewer(than: $1) }
    let candidates = complete.contains(where: \.isProxmox) ? complete.filter(\.isProxmox) : complete
    let running = complete.first { $0.release == running }
    let named: [(Reason, [Kernel])] = [
      (.nextBootPin, [lists.nextBootPin].compactMap { $0 }), (.pin, [lists.pin].compactMap { $0 }),
      (.preferred, [preferred].compactMap { $0 }), (.running, [running].compactMap { $0 }),
      (.newest, Array(candidates.prefix(2))), (.previousSeries, newestOfPreviousSeries(candidates)),
      (.manual, lists.manual.sorted { $0.isNewer(than: $1) }),
    ]
    let present = Set(complete)
    var order: [Kernel] = []
    var reasons: [Kernel: [Reason]] = [:]
    for (reason, kernels) in named {
      for kernel in kernels where present.contains(kernel) {
        if reasons[kernel] == nil { order.append(kernel) }
        reasons[kernel, default: []].append(reason)
      }
    }
    let bootOrder = Self.bootOrder(of: order, pin: lists.pin, preferred: preferred)
    let kept = keep > 0 ? Set(order.prefix(keep) + [running, bootOrder.first].compactMap { $0 }) : Set(order)
    return WantedKernels(
      kernels: order.filter { kept.contains($0) }.map { Wanted(kernel: $0, reasons: reasons[$0] ?? []) },
      bootOrder: bootOrder.filter { kept.contains($0) },
      preferredPrevious: choice.flatMap { $0.isPrevious && bootOrder.first == $0.kernel ? $0 : nil },
      nextBoot: lists.nextBootPin.flatMap { kernel in
        let isUsed = kernel == running && bootTime.map { lists.nextBootPinTime / 1_000_000_000 < $0 } ?? false
        return present.contains(kernel) && !isUsed ? kernel : nil
      },
      notes: notes(on: inventory, lists: lists, preferred: preferred, present: present))
  }

  private static func newestOfPreviousSeries(_ kernels: [Kernel]) -> [Kernel] {
    guard let newest = kernels.first?.series else { return [] }
    return kernels.first { $0.series != nil && $0.series != newest }.map { [$0] } ?? []
  }

  private static func bootOrder(of kernels: [Kernel], pin: Kernel?, preferred: Kernel?) -> [Kernel] {
    let chosen = [pin, preferred].compactMap { $0 }.filter { kernels.contains($0) }
    let others = kernels.filter { !chosen.contains($0) }
    let newestFirst = others.sorted { left, right in
      left.isProxmox == right.isProxmox ? left.isNewer(than: right) : left.isProxmox
    }
    return (chosen.count == 2 && chosen[0] == chosen[1] ? [chosen[0]] : chosen) + newestFirst
  }
}

extension WantedKernels {
  /// The UKIs in boot order: a chosen previous one, pinned, then newest first, then those that are only kept, then previous ones.
  ///
  /// Those in `unproven` come after all these, and those in `refused` last.
  func bootOrder(
    of images: Set<UKIName>, unproven: Set<UKIName> = [], refused: Set<UKIName> = []
  ) -> [UKIName] {
    let ranked = bootOrder + Set(images.map(\.kernel)).subtracting(bootOrder).sorted { $0.isNewer(than: $1) }
    var seen: Set<UKIName> = []
    // The previous UKI of a kernel takes the place of one that has to prove itself.
    let main = ranked.map { UKIName($0, isPrevious: unproven.contains(UKIName($0))) }
    let others = ranked.map { UKIName($0) } + ranked.map { UKIName($0, isPrevious: true) }
    let names = [preferredPrevious].compactMap { $0 } + main + others
    let order = names.filter { images.contains($0) && seen.insert($0).inserted }
    let accepted = order.filter { !refused.contains($0) }
    return accepted.filter { !unproven.contains($0) } + accepted.filter(unproven.contains)
      + order.filter(refused.contains)
  }
}

extension WantedKernels {
  /// Notes about kernels that were requested by name but are incomplete; proxmox-boot-tool skips them too.
  static func notes(
    on inventory: KernelInventory, lists: ProxmoxLists, preferred: Kernel?, present: Set<Kernel>
  ) -> [Message] {
    func note(_ kernel: Kernel?, asked: Message, advice: (Kernel) -> Message, others: Int = 0) -> Message? {
      guard let kernel, !present.contains(kernel) else { return nil }
      let release = kernel.release
      let note: Message =
        inventory.withoutInitrd.contains(kernel)
        ? "kernel \(release) is \(asked) but has no initrd; create one with: update-initramfs -c -k \(release)"
        : "kernel \(release) is \(asked) but is not installed; \(advice(kernel))"
      return others > 0 ? "\(note) (and \(others) more)" : note
    }
    func choose(_ option: String) -> Message {
      "choose another with: proxmox-boot-tool kernel pin\(option), or: proxmox-boot-tool kernel unpin\(option)"
    }
    let absent = lists.manual.filter { !present.contains($0) }
    return [
      note(lists.pin, asked: "pinned", advice: { _ in choose("") }),
      note(lists.nextBootPin, asked: "pinned for the next boot", advice: { _ in choose(" --next-boot") }),
      note(preferred, asked: "preferred", advice: { _ in "choose another with: pve-sb-uki boot prefer" }),
      note(
        absent.first, asked: "listed in \(ProxmoxLists.manualPath)",
        advice: { "remove it with: proxmox-boot-tool kernel remove \($0.release)" }, others: absent.count - 1),
    ].compactMap { $0 }
  }
}
