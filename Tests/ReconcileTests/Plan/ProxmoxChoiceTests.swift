// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import Reconcile
import Testing

/// Compares the choice of kernels with proxmox-boot-tool's.
///
/// The sets were made by `boot_kernel_list` of proxmox-kernel-helper 8.1.0 (src/proxmox-boot/functions) under dash.
/// `dpkg -l`, `uname` and `apt-config` were replaced by scripts that print the row. Each kernel had the package
/// `proxmox-kernel-K-signed` (its unsigned twin was removed but not purged), and the meta package `proxmox-kernel-X.Y`
/// of each series was installed. Versions without a file in /boot are omitted: the hook skips them when it copies.
@Suite struct ProxmoxChoiceTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var installed: String
    var running: String
    var pin = ""
    var next = ""
    var manual = ""
    /// In byte order.
    var chosen: String
    var testDescription: String { "\(installed), running \(running)" }
  }

  static let rows: [Row] = [
    Row(installed: "6.8.12-4-pve", running: "6.8.12-4-pve", chosen: "6.8.12-4-pve"),
    Row(
      installed: "6.8.12-4-pve 6.8.12-5-pve 6.8.12-10-pve", running: "6.8.12-4-pve",
      chosen: "6.8.12-10-pve 6.8.12-4-pve 6.8.12-5-pve"),
    Row(installed: "6.8.12-9-pve 6.8.12-10-pve 6.8.12-11-pve", running: "", chosen: "6.8.12-10-pve 6.8.12-11-pve"),
    Row(
      installed: "6.8.12-9-pve 6.8.12-10-pve 6.5.13-6-pve 6.5.13-5-pve", running: "6.8.12-10-pve",
      chosen: "6.5.13-6-pve 6.8.12-10-pve 6.8.12-9-pve"),
    Row(
      installed: "6.8.12-9-pve 6.11.11-2-pve 6.14.8-2-pve 6.14.11-1-pve", running: "6.14.8-2-pve",
      chosen: "6.11.11-2-pve 6.14.11-1-pve 6.14.8-2-pve"),
    Row(
      installed: "6.14.8-2-pve 6.11.11-2-pve 6.11.11-1-pve 6.8.12-9-pve", running: "6.14.8-2-pve",
      chosen: "6.11.11-2-pve 6.14.8-2-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve", running: "6.8.12-1-pve",
      chosen: "6.8.12-1-pve 6.8.12-3-pve 6.8.12-4-pve"),
    Row(installed: "6.8.12-2-pve 6.8.12-3-pve", running: "6.8.12-1-pve", chosen: "6.8.12-2-pve 6.8.12-3-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve", running: "6.8.12-3-pve", pin: "6.8.12-1-pve",
      chosen: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve", running: "6.8.12-3-pve", next: "6.8.12-1-pve",
      chosen: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve", running: "6.8.12-4-pve", pin: "6.8.12-1-pve",
      next: "6.8.12-2-pve", chosen: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve"),
    Row(
      installed: "6.8.12-2-pve 6.8.12-3-pve", running: "6.8.12-3-pve", pin: "6.8.12-99-pve",
      chosen: "6.8.12-2-pve 6.8.12-3-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve", running: "6.8.12-4-pve", manual: "6.8.12-1-pve",
      chosen: "6.8.12-1-pve 6.8.12-3-pve 6.8.12-4-pve"),
    Row(
      installed: "6.8.12-1-pve 6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve", running: "6.8.12-4-pve",
      manual: "6.2.16-3-pve 6.8.12-2-pve", chosen: "6.8.12-2-pve 6.8.12-3-pve 6.8.12-4-pve"),
    Row(
      installed: "6.8.12-4-pve 6.8.12-4-pve-custom 6.8.12-3-pve", running: "6.8.12-3-pve",
      chosen: "6.8.12-3-pve 6.8.12-4-pve 6.8.12-4-pve-custom"),
    Row(
      installed: "6.8.12-4-pve 6.8.12-4-pve-custom 6.8.12-5-pve 6.8.12-6-pve", running: "6.8.12-6-pve",
      pin: "6.8.12-4-pve", chosen: "6.8.12-4-pve 6.8.12-5-pve 6.8.12-6-pve"),
    Row(
      installed: "6.8.12-4-pve 6.8.12-4-pve-custom 6.8.12-5-pve 6.8.12-6-pve", running: "6.8.12-6-pve",
      pin: "6.8.12-4-pve-custom", chosen: "6.8.12-4-pve-custom 6.8.12-5-pve 6.8.12-6-pve"),
    Row(
      installed: "6.14.0~rc3-1-pve 6.14.0-1-pve 6.11.11-2-pve", running: "6.11.11-2-pve",
      chosen: "6.11.11-2-pve 6.14.0-1-pve 6.14.0~rc3-1-pve"),
    Row(
      installed: "6.17.0~rc1-1-pve 6.14.0-1-pve 6.14.0-2-pve 6.11.11-2-pve", running: "6.14.0-2-pve",
      chosen: "6.14.0-2-pve 6.17.0~rc1-1-pve"),
    Row(
      installed: "6.5.13-6-pve 6.8.12-1-pve 6.8.12-4-pve 6.11.11-2-pve 6.14.8-1-pve 6.14.8-2-pve",
      running: "6.8.12-4-pve", pin: "6.8.12-1-pve", next: "6.14.8-1-pve", manual: "6.5.13-6-pve",
      chosen: "6.11.11-2-pve 6.14.8-1-pve 6.14.8-2-pve 6.5.13-6-pve 6.8.12-1-pve 6.8.12-4-pve"),
    Row(
      installed: "5.15.158-2-pve 6.2.16-20-pve 6.5.13-6-pve 6.8.12-4-pve 6.11.11-2-pve", running: "6.8.12-4-pve",
      chosen: "6.11.11-2-pve 6.8.12-4-pve"),
  ]

  @Test(arguments: rows)
  func theSameKernelsAreChosenAsByProxmox(row: Row) {
    var lists = ProxmoxLists()
    lists.pin = Kernel(release: row.pin)
    lists.nextBootPin = Kernel(release: row.next)
    lists.manual = WantedKernelsTests.kernels(row.manual)
    let wanted = WantedKernels.make(
      inventory: KernelInventory(kernels: WantedKernelsTests.kernels(row.installed)), lists: lists, preferred: nil,
      running: row.running, keep: 0)
    #expect(wanted.kernels.map { $0.kernel.release }.sorted().joined(separator: " ") == row.chosen)
  }
}
