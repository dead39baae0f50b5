// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
internal import Messages
import Reconcile
import Testing

@Suite struct WantedKernelsTests {
  /// A host, its wanted kernels with reasons in order of precedence, and their boot order.
  struct Row: Sendable, CustomTestStringConvertible {
    var name: String
    var complete: String
    var withoutInitrd = ""
    var running = ""
    var pin = ""
    var next = ""
    var preferred = ""
    var manual = ""
    var keep = 0
    var wanted: String
    var bootOrder: String
    var testDescription: String { name }

    func make() -> WantedKernels {
      let inventory = KernelInventory(
        kernels: WantedKernelsTests.kernels(complete), withoutInitrd: WantedKernelsTests.kernels(withoutInitrd))
      var lists = ProxmoxLists()
      lists.pin = Kernel(release: pin)
      lists.nextBootPin = Kernel(release: next)
      lists.manual = WantedKernelsTests.kernels(manual)
      return WantedKernels.make(
        inventory: inventory, lists: lists, preferred: Kernel(release: preferred).map { UKIName($0) }, running: running,
        keep: keep)
    }
  }

  static func kernels(_ text: String) -> [Kernel] { text.split(separator: " ").compactMap { Kernel(release: $0) } }

  static let rows: [Row] = [
    Row(name: "no kernel", complete: "", wanted: "", bootOrder: ""),
    Row(
      name: "the newest two by version, not by text", complete: "6.8.12-9-pve 6.8.12-10-pve 6.8.12-11-pve",
      wanted: "6.8.12-11-pve:newest 6.8.12-10-pve:newest", bootOrder: "6.8.12-11-pve 6.8.12-10-pve"),
    Row(
      name: "Keep=1 after an upgrade from PVE 8 to 9 keeps the kernel of PVE 9",
      complete: "6.14.8-2-bpo12-pve 6.14.8-2-pve", keep: 1, wanted: "6.14.8-2-pve:newest", bootOrder: "6.14.8-2-pve"),
    Row(
      name: "Keep=1 keeps the kernel that proxmox-boot-tool considers the newest",
      complete: "6.18.0-1-pve 6.18.0-rc3-1-pve", keep: 1, wanted: "6.18.0-rc3-1-pve:newest",
      bootOrder: "6.18.0-rc3-1-pve"),
    Row(
      name: "the newest kernel of the previous series is wanted",
      complete: "6.14.8-2-pve 6.14.8-1-pve 6.11.11-2-pve 6.11.11-1-pve 6.8.12-9-pve",
      running: "6.14.8-2-pve",
      wanted: "6.14.8-2-pve:running,newest 6.14.8-1-pve:newest 6.11.11-2-pve:previous-series",
      bootOrder: "6.14.8-2-pve 6.14.8-1-pve 6.11.11-2-pve"),
    Row(
      name: "the previous series is among the newest two", complete: "6.14.8-2-pve 6.11.11-2-pve 6.8.12-9-pve",
      wanted: "6.14.8-2-pve:newest 6.11.11-2-pve:newest,previous-series", bootOrder: "6.14.8-2-pve 6.11.11-2-pve"),
    Row(
      name: "an old running kernel comes first and boots last", complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-1-pve",
      running: "6.8.12-1-pve", wanted: "6.8.12-1-pve:running 6.8.12-4-pve:newest 6.8.12-3-pve:newest",
      bootOrder: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-1-pve"),
    Row(
      name: "a running kernel that was removed is not wanted", complete: "6.8.12-4-pve", running: "6.8.12-1-pve",
      wanted: "6.8.12-4-pve:newest", bootOrder: "6.8.12-4-pve"),
    Row(
      name: "a pin boots first", complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-1-pve", running: "6.8.12-4-pve",
      pin: "6.8.12-1-pve", wanted: "6.8.12-1-pve:pin 6.8.12-4-pve:running,newest 6.8.12-3-pve:newest",
      bootOrder: "6.8.12-1-pve 6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "a next-boot pin precedes a pin and does not change the order",
      complete: "6.8.12-5-pve 6.8.12-4-pve 6.8.12-3-pve 6.8.12-1-pve", pin: "6.8.12-1-pve", next: "6.8.12-3-pve",
      wanted: "6.8.12-3-pve:next-boot-pin 6.8.12-1-pve:pin 6.8.12-5-pve:newest 6.8.12-4-pve:newest",
      bootOrder: "6.8.12-1-pve 6.8.12-5-pve 6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "all reasons of one kernel", complete: "6.8.12-4-pve", running: "6.8.12-4-pve", pin: "6.8.12-4-pve",
      next: "6.8.12-4-pve", preferred: "6.8.12-4-pve", manual: "6.8.12-4-pve",
      wanted: "6.8.12-4-pve:next-boot-pin,pin,preferred,running,newest,manual", bootOrder: "6.8.12-4-pve"),
    Row(
      name: "a pin outweighs a preference", complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-2-pve 6.8.12-1-pve",
      pin: "6.8.12-1-pve", preferred: "6.8.12-2-pve",
      wanted: "6.8.12-1-pve:pin 6.8.12-2-pve:preferred 6.8.12-4-pve:newest 6.8.12-3-pve:newest",
      bootOrder: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "a preference boots before the newest", complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-2-pve",
      preferred: "6.8.12-2-pve", wanted: "6.8.12-2-pve:preferred 6.8.12-4-pve:newest 6.8.12-3-pve:newest",
      bootOrder: "6.8.12-2-pve 6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "a pin to an absent kernel changes nothing", complete: "6.8.12-4-pve 6.8.12-3-pve", pin: "6.8.12-99-pve",
      next: "6.8.12-98-pve", wanted: "6.8.12-4-pve:newest 6.8.12-3-pve:newest", bootOrder: "6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "a pin matches the whole release", complete: "6.8.12-6-pve 6.8.12-5-pve 6.8.12-4-pve-custom 6.8.12-4-pve",
      pin: "6.8.12-4-pve", wanted: "6.8.12-4-pve:pin 6.8.12-6-pve:newest 6.8.12-5-pve:newest",
      bootOrder: "6.8.12-4-pve 6.8.12-6-pve 6.8.12-5-pve"),
    Row(
      name: "a pin does not match a custom kernel of the same release",
      complete: "6.8.12-6-pve 6.8.12-5-pve 6.8.12-4-pve-custom",
      pin: "6.8.12-4-pve", wanted: "6.8.12-6-pve:newest 6.8.12-5-pve:newest",
      bootOrder: "6.8.12-6-pve 6.8.12-5-pve"),
    Row(
      name: "a custom kernel counts and is newer than its original",
      complete: "6.8.12-4-pve 6.8.12-4-pve-custom 6.8.12-3-pve",
      wanted: "6.8.12-4-pve-custom:newest 6.8.12-4-pve:newest", bootOrder: "6.8.12-4-pve-custom 6.8.12-4-pve"),
    Row(
      name: "a kernel without initrd displaces no other", complete: "6.8.12-4-pve 6.8.12-3-pve",
      withoutInitrd: "6.11.11-2-pve", running: "6.11.11-2-pve", pin: "6.11.11-2-pve", manual: "6.11.11-2-pve",
      wanted: "6.8.12-4-pve:newest 6.8.12-3-pve:newest", bootOrder: "6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "Debian kernels only", complete: "6.1.0-50-amd64 6.1.0-49-amd64 6.1.0-50-cloud-amd64",
      running: "6.1.0-49-amd64",
      wanted: "6.1.0-49-amd64:running 6.1.0-50-cloud-amd64:newest 6.1.0-50-amd64:newest",
      bootOrder: "6.1.0-50-cloud-amd64 6.1.0-50-amd64 6.1.0-49-amd64"),
    Row(
      name: "a newer Debian kernel does not displace Proxmox's", complete: "6.12.94-amd64 6.8.12-4-pve 6.8.12-3-pve",
      wanted: "6.8.12-4-pve:newest 6.8.12-3-pve:newest", bootOrder: "6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "a Debian kernel added by name comes after Proxmox's", complete: "6.12.94-amd64 6.8.12-4-pve 6.8.12-3-pve",
      running: "6.12.94-amd64", manual: "6.12.94-amd64",
      wanted: "6.12.94-amd64:running,manual 6.8.12-4-pve:newest 6.8.12-3-pve:newest",
      bootOrder: "6.8.12-4-pve 6.8.12-3-pve 6.12.94-amd64"),
    Row(
      name: "a pinned Debian kernel boots first", complete: "6.1.0-50-amd64 6.8.12-4-pve", pin: "6.1.0-50-amd64",
      wanted: "6.1.0-50-amd64:pin 6.8.12-4-pve:newest", bootOrder: "6.1.0-50-amd64 6.8.12-4-pve"),
    Row(
      name: "a release candidate is older than its release", complete: "6.14.0~rc3-1-pve 6.14.0-1-pve 6.11.11-2-pve",
      wanted: "6.14.0-1-pve:newest 6.14.0~rc3-1-pve:newest 6.11.11-2-pve:previous-series",
      bootOrder: "6.14.0-1-pve 6.14.0~rc3-1-pve 6.11.11-2-pve"),
    Row(
      name: "missing kernels in the manual list are ignored",
      complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-2-pve 6.8.12-1-pve", manual: "6.2.16-3-pve 6.8.12-1-pve 6.8.12-2-pve",
      wanted: "6.8.12-4-pve:newest 6.8.12-3-pve:newest 6.8.12-2-pve:manual 6.8.12-1-pve:manual",
      bootOrder: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-2-pve 6.8.12-1-pve"),
    Row(
      name: "Keep=1 on the newest", complete: "6.8.12-4-pve 6.8.12-3-pve", running: "6.8.12-4-pve", keep: 1,
      wanted: "6.8.12-4-pve:running,newest", bootOrder: "6.8.12-4-pve"),
    Row(
      name: "Keep=1 still adds a new kernel", complete: "6.8.12-4-pve 6.8.12-3-pve 6.8.12-2-pve",
      running: "6.8.12-2-pve", keep: 1, wanted: "6.8.12-2-pve:running 6.8.12-4-pve:newest",
      bootOrder: "6.8.12-4-pve 6.8.12-2-pve"),
    Row(
      name: "Keep=1 with a pin keeps the running kernel too", complete: "6.8.12-4-pve 6.8.12-3-pve",
      running: "6.8.12-4-pve", pin: "6.8.12-3-pve", keep: 1,
      wanted: "6.8.12-3-pve:pin,newest 6.8.12-4-pve:running,newest", bootOrder: "6.8.12-3-pve 6.8.12-4-pve"),
    Row(
      name: "Keep=1 with a next-boot pin keeps the kernel that boots after it", complete: "6.8.12-4-pve 6.8.12-3-pve",
      next: "6.8.12-3-pve", keep: 1, wanted: "6.8.12-3-pve:next-boot-pin,newest 6.8.12-4-pve:newest",
      bootOrder: "6.8.12-4-pve 6.8.12-3-pve"),
    Row(
      name: "Keep=2", complete: "6.14.8-2-pve 6.14.8-1-pve 6.11.11-2-pve", running: "6.14.8-2-pve", keep: 2,
      wanted: "6.14.8-2-pve:running,newest 6.14.8-1-pve:newest", bootOrder: "6.14.8-2-pve 6.14.8-1-pve"),
    Row(
      name: "Keep=3 cuts the manual list first", complete: "6.14.8-2-pve 6.14.8-1-pve 6.11.11-2-pve 6.8.12-9-pve",
      manual: "6.8.12-9-pve", keep: 3,
      wanted: "6.14.8-2-pve:newest 6.14.8-1-pve:newest 6.11.11-2-pve:previous-series",
      bootOrder: "6.14.8-2-pve 6.14.8-1-pve 6.11.11-2-pve"),
    Row(
      name: "Keep=4 with fewer kernels keeps all", complete: "6.8.12-4-pve 6.8.12-3-pve 6.5.13-6-pve", keep: 4,
      wanted: "6.8.12-4-pve:newest 6.8.12-3-pve:newest 6.5.13-6-pve:previous-series",
      bootOrder: "6.8.12-4-pve 6.8.12-3-pve 6.5.13-6-pve"),
  ]

  @Test(arguments: rows)
  func theExpectedKernelsAreWanted(row: Row) {
    let wanted = row.make()
    let shown = wanted.kernels.map { wanted in
      "\(wanted.kernel.release):\(wanted.reasons.map(\.rawValue).joined(separator: ","))"
    }
    #expect(shown.joined(separator: " ") == row.wanted)
    #expect(wanted.bootOrder.map(\.release).joined(separator: " ") == row.bootOrder)
  }

  struct NextBoot: Sendable {
    /// Seconds since 1970.
    var pinned: Int64
    var booted: Int64?
    var running: String
    var isUsed: Bool
  }

  /// A next-boot pin is used once.
  @Test(arguments: [
    NextBoot(pinned: 100, booted: 200, running: "6.8.12-1-pve", isUsed: true),
    NextBoot(pinned: 200, booted: 200, running: "6.8.12-1-pve", isUsed: false),
    NextBoot(pinned: 300, booted: 200, running: "6.8.12-1-pve", isUsed: false),
    NextBoot(pinned: 100, booted: 200, running: "6.8.12-2-pve", isUsed: false),
    NextBoot(pinned: 100, booted: nil, running: "6.8.12-1-pve", isUsed: false),
  ])
  func aNextBootPinIsUsedOnce(row: NextBoot) {
    var lists = ProxmoxLists()
    lists.nextBootPin = Kernel(release: "6.8.12-1-pve")
    lists.nextBootPinTime = row.pinned * 1_000_000_000
    let wanted = WantedKernels.make(
      inventory: KernelInventory(kernels: Self.kernels("6.8.12-2-pve 6.8.12-1-pve")), lists: lists, preferred: nil,
      running: row.running, keep: 0, bootTime: row.booted)
    #expect(wanted.nextBoot?.release == (row.isUsed ? nil : "6.8.12-1-pve"))
  }

  @Test func unavailableKernelsAreReportedOnce() {
    let row = Row(
      name: "", complete: "6.8.12-4-pve", withoutInitrd: "6.8.12-3-pve", pin: "6.8.12-3-pve", next: "6.8.12-9-pve",
      preferred: "6.5.13-1-pve", manual: "6.2.16-3-pve 6.2.16-4-pve", wanted: "", bootOrder: "")
    let wanted = row.make()
    #expect(wanted.nextBoot == nil)
    #expect(
      wanted.notes.map(\.description) == [
        "kernel 6.8.12-3-pve is pinned but has no initrd; create one with: update-initramfs -c -k 6.8.12-3-pve",
        "kernel 6.8.12-9-pve is pinned for the next boot but is not installed; "
          + "choose another with: proxmox-boot-tool kernel pin --next-boot, or: proxmox-boot-tool kernel unpin --next-boot",
        "kernel 6.5.13-1-pve is preferred but is not installed; choose another with: pve-sb-uki boot prefer",
        "kernel 6.2.16-3-pve is listed in /etc/kernel/proxmox-boot-manual-kernels but is not installed; "
          + "remove it with: proxmox-boot-tool kernel remove 6.2.16-3-pve (and 1 more)",
      ])
  }
}
