// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import BootEnvironment
import EFIData
import Glibc
import HostScenes
import HostSystem
import Messages
import Reconcile
import TestSupport
import Testing

/// Boot entries that lead to something are kept, even if this run cannot see the target.
@Suite struct ApplyEntryTests {
  private let machine: MirrorScene
  private let serials = MirrorScene.serials
  init() throws { machine = try MirrorScene() }

  private let whole = [
    "pve-6.8.12-10-pve.efi on 0", "pve-6.8.12-10-pve.efi on 1", "pve-6.8.12-9-pve.efi on 0",
    "pve-6.8.12-9-pve.efi on 1", "grubx64.efi on 0",
  ]

  @Test func everyImageHasAnEntry() throws { #expect(try machine.order() == whole) }

  @Test(arguments: [[1], [0], [0, 1]]) func entriesOfAnUnmountableESPAreKept(esps: [Int]) throws {
    var host = try machine.host()
    let (good, broken) = (host.partitions, esps.map { serials[$0] })
    host.partitions = PartitionAccess { device, access, label in
      if broken.contains(where: device.hasSuffix) { throw HostError("mount", device, errno: ENODEV) }
      return try good.mount(device: device, access: access, label: label)
    } facts: {
      try good.facts(device: $0)
    }
    let result = try machine.apply(on: host)
    #expect(result.failures.count == esps.count)
    #expect(try Set(machine.order()) == Set(whole))
    #expect(try machine.variables().entries.count == 5)
  }

  /// If the entries for UKIs cannot be created, the machine keeps those that start it now.
  @Test func typeOneEntriesStayUntilBootEntriesAreWritten() throws {
    let files = try machine.host().files
    var manifest = Manifest.load(from: files).manifest
    for image in manifest.images { manifest.update(image.digest) { $0.booted = 1 } }
    try manifest.save(to: files)
    let entry = machine.path(serials[0], "/loader/entries/proxmox-1.conf")
    try machine.directory.write(entry, "linux /EFI/proxmox/\(MirrorScene.older)/vmlinuz-\(MirrorScene.older)\n")
    try machine.directory.write(Configuration.path, "Type1=remove\n")
    try machine.put(.bootOrder, [1])
    #expect(try machine.apply().failures.count == 1)
    #expect(try machine.directory.read(entry) != nil)
    try machine.put(.bootOrder, BootOrder([0]).serialize())
    #expect(try machine.apply().failures.isEmpty)
    #expect(try machine.directory.read(entry) == nil)
  }

  /// The disk was repartitioned, and the kernel still has the old partition table.
  @Test func entriesOfAPartitionWithoutALocationAreKept() throws {
    var host = try machine.host()
    let good = host.partitions
    let odd = serials[1]
    host.partitions = PartitionAccess { device, access, label in
      try good.mount(device: device, access: access, label: label)
    } facts: { device in
      var facts = try good.facts(device: device)
      if device.hasSuffix(odd) { facts.location = nil }
      return facts
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    #expect(try Set(machine.order()) == Set(whole))
  }

  private func host(_ change: @escaping @Sendable (String, inout PartitionFacts) -> Void) throws -> Host {
    var host = try machine.host()
    let good = host.partitions
    host.partitions = PartitionAccess { device, access, label in
      try good.mount(device: device, access: access, label: label)
    } facts: { device in
      var facts = try good.facts(device: device)
      change(device, &facts)
      return facts
    }
    return host
  }

  /// An ESP on md RAID, on LVM or on a whole disk.
  @Test func ofADeviceWithoutADevicePathIsAFailure() throws {
    let odd = serials[1]
    let host = try host { device, facts in
      guard device.hasSuffix(odd) else { return }
      facts.location = nil
      facts.locationProblem = Failure("it is on the RAID array md0", hint: "use a partition")
    }
    let result = try machine.apply(on: host)
    #expect(
      result.failures == [
        Failure("\(odd) cannot have boot entries: it is on the RAID array md0", hint: "use a partition")
      ])
    #expect(try Set(machine.order()) == Set(whole))
  }

  @Test func ofAPartitionOnADiskWithAnMBR() throws {
    let odd = serials[1]
    let host = try host { device, facts in
      guard device.hasSuffix(odd) else { return }
      facts.location = PartitionLocation(number: 1, startBlock: 2048, blockCount: 1 << 20, diskSignature: 0x1234_abcd)
    }
    #expect(try machine.apply(on: host).failures.isEmpty)
    let paths = try machine.variables().entries.compactMap { $0.option?.paths.first?.description }
    for release in [MirrorScene.newer, MirrorScene.older] {
      #expect(paths.contains(#"HD(1,MBR,0x1234abcd,0x800,0x100000)/\EFI\Linux\pve-"# + "\(release).efi"))
    }
    let second = try machine.apply(on: host)
    #expect(!second.isChange && second.failures.isEmpty)
  }

  /// Firmware that appends marks to each entry at each boot: nothing is written.
  @Test func withMarksOfTheFirmwareAreLeftAlone() throws {
    for entry in try machine.variables().entries {
      var option = try #require(entry.option)
      option.optionalData += [0, 0, 0x42, 0x4f]
      try machine.put(.bootOption(entry.number), option.serialize())
    }
    let result = try machine.apply()
    #expect(!result.isChange && result.failures.isEmpty && result.entries.isEmpty)
  }

  /// Another installation on this machine also uses pve-sb-uki.
  @Test func entriesOfAnotherInstallationAreKept() throws {
    try machine.put(0x20, label: "Proxmox VE 6.8.12-9-pve", on: 2, path: "/EFI/Linux/pve-6.8.12-9-pve.efi")
    try machine.put(0x21, label: "Proxmox VE 6.8.12-9-pve", on: 3, path: "/EFI/Linux/pve-6.8.12-9-pve.efi")
    for index in 0...2 {
      try machine.directory.write("dev/disk/by-partuuid/\(MirrorScene.location(index).guid)", "")
    }
    try machine.apply()
    #expect(try machine.variables()[0x20] != nil)
    // An ESP of a disk that was removed.
    #expect(try machine.variables()[0x21] == nil)
  }

  /// The manifest is lost, the key has changed, and no UKI can be built: existing UKIs may still boot.
  @Test func entriesOfAnUnrecognisedImageAreKept() throws {
    unlink(machine.directory.path(of: Manifest.path))
    try machine.use(SigningKey())
    for release in [MirrorScene.newer, MirrorScene.older] {
      try machine.directory.write("boot/initrd.img-\(release)", "")
    }
    #expect(try !machine.apply().failures.isEmpty)
    #expect(try Set(machine.order()) == Set(whole))
    #expect(try machine.image(serials[0], MirrorScene.newer) != nil)
  }

  /// /boot is a separate file system and not mounted: the pinned kernel still boots first.
  @Test func theOrderIsKeptWhileThereIsNoKernel() throws {
    try machine.directory.write(ProxmoxLists.pinPath, MirrorScene.older)
    #expect(try machine.apply().failures.isEmpty)
    let order = try machine.order()
    #expect(order.first == "pve-6.8.12-9-pve.efi on 0")
    for release in [MirrorScene.newer, MirrorScene.older] {
      unlink(machine.directory.path(of: "boot/vmlinuz-\(release)"))
    }
    let result = try machine.apply()
    #expect(result.failures.count == 1 && result.failures[0].description.contains("/boot"))
    #expect(try machine.order() == order)
    #expect(try machine.image(serials[1], MirrorScene.older) != nil)
  }

  @Test func entriesAreCreatedEvenIfNothingCanBeRecorded() throws {
    let fresh = try MirrorScene(isApplied: false)
    let result = try fresh.apply(
      on: fresh.host { mutation in
        if mutation.path.hasPrefix("/var/lib/pve-sb-uki") { throw HostError("change", mutation.path, errno: ENOSPC) }
      })
    #expect(try fresh.order() == whole)
    #expect(result.failures.contains { $0.description.contains("/var/lib/pve-sb-uki") })
    #expect(try fresh.apply().failures.isEmpty)
    #expect(try fresh.order() == whole)
  }
}
