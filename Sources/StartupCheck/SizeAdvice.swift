// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
package import Findings
package import HostSystem
internal import Messages
internal import UnifiedKernelImage

/// The one change that makes the UKI of a kernel smaller by the most, so that the firmware loads it faster.
///
/// pve-sb-uki never makes this change itself: each has a price that the administrator has to accept. The savings are
/// upper bounds, and worth a sentence only from 30 MB or two seconds on.
package struct SizeAdvice: Sendable {
  package enum Change: String, CaseIterable, Sendable {
    /// `MODULES=dep` of initramfs-tools.
    case modules = "modules"
    /// Microcode of the other vendor's processors.
    case microcode = "microcode"
    /// `COMPRESS=zstd` of initramfs-tools.
    case compression = "compression"
  }

  package let change: Change
  /// Bytes, at most.
  package let savedBytes: Int
  /// Microseconds of each start, at most; nil if no start was measured.
  package let savedTime: Int?
  private let actions: [Finding.Action]
  private let file: String
  private let usage: ImageUsage

  private static let leastBytes = 30_000_000
  private static let leastTime = 2_000_000

  /// Nil if nothing is worth it, or the initrd is not one of initramfs-tools that was read completely.
  ///
  /// `rate` is how long this machine takes to load a UKI, in microseconds for each byte. Throws `HostError`.
  package init?(for image: StartupSurvey.Result, rate: Double?, on host: Host) throws {
    guard let usage = image.usage, usage.compressed != nil, image.generator == .initramfsTools, host.isRunningSystem,
      try host.files.exists("/usr/sbin/mkinitramfs")
    else { return nil }
    let choice = Choice(kernel: image.kernel, usage: usage, host: host)
    let changes: [(Change, Int, [Finding.Action])] = try Change.allCases.compactMap { change in
      try choice.option(change).map { (change, $0.bytes, $0.actions) }
    }
    guard let best = changes.max(by: { $0.1 < $1.1 }) else { return nil }
    let time = rate.map { Int(Double(best.1) * $0) }
    guard best.1 >= Self.leastBytes || (time ?? 0) >= Self.leastTime else { return nil }
    (change, savedBytes, actions) = best
    savedTime = time
    file = image.uki?.fileName ?? image.name
    self.usage = usage
  }

  package var finding: Finding {
    Finding(
      .ukiLarge, message,
      arguments: [
        "file": .string(file), "change": .string(change.rawValue), "bytes": .integer(usage.sizes.total),
        "saved_bytes": .integer(savedBytes), "saved_usec": savedTime.map { .integer($0) } ?? .null,
      ], actions: actions)
  }

  private var message: Message {
    let subject: Message =
      switch change {
      case .modules: "an initrd with only this machine's drivers"
      case .microcode: "an initrd without microcode for processors of another vendor"
      case .compression:
        usage.compression.map { "an initrd compressed with zstd instead of \($0)" } ?? "an initrd compressed with zstd"
      }
    let sizes: Message =
      "\(file) has \(Quantity.megabytes(usage.sizes.total)) MB; \(subject) saves up to \(Quantity.megabytes(savedBytes)) MB"
    return savedTime.map { "\(sizes) and up to \(Quantity.seconds($0)) s of each start" } ?? sizes
  }
}

/// What can be changed about an initrd, and what that saves.
private struct Choice {
  let kernel: Kernel
  let usage: ImageUsage
  let host: Host

  private static let configuration = "/etc/initramfs-tools/conf.d"

  /// Nil if the change is impossible, unsafe or made already.
  func option(_ change: SizeAdvice.Change) throws -> (bytes: Int, actions: [Finding.Action])? {
    switch change {
    case .modules: try modules
    case .microcode: try microcode
    case .compression: try compression
    }
  }

  /// The bytes of the compressed archives, or of all if none is compressed.
  private var packed: Int { usage.compression == nil ? usage.sizes[.initrd] : usage.compressed ?? 0 }

  /// The share of modules and firmware in the initrd: MODULES=dep keeps few of them.
  private var modules: (bytes: Int, actions: [Finding.Action])? {
    get throws {
      guard usage.unpacked > 0, try InitramfsSettings(of: host.files)["MODULES"] == "most",
        let line = try CommandLine.running(in: host.files)
      else { return nil }
      let words = CommandLineWord.split(line)
      guard try isOnKnownDevice(words), try !needsNetwork(words) else { return nil }
      let path = "\(Self.configuration)/zz-modules-dep"
      return (
        Int(Double(packed) * Double(usage.hardware) / Double(usage.unpacked)),
        [
          .run("echo MODULES=dep >\(path) && update-initramfs -u -k \(kernel.release)"),
          .advise(
            """
            the initrd then fits only this machine's hardware: undo this before you change a disk controller or move the \
            disks
            """),
          .advise("to undo it: rm \(path) && update-initramfs -u -k all"),
        ]
      )
    }
  }

  /// Types of root file systems on one block device, for which mkinitramfs finds the drivers with MODULES=dep.
  ///
  /// For ZFS it fails, and of btrfs it knows one disk only.
  private static let simpleTypes: Set<String> = ["ext2", "ext3", "ext4", "f2fs", "jfs", "xfs"]

  private func isOnKnownDevice(_ words: [CommandLineWord]) throws -> Bool {
    let layers = try RootNeeds(of: words, readBy: .initramfsTools, on: host).layers
    let types = layers.compactMap { layer in if case .fileSystem(let type) = layer { type } else { nil } }
    return !layers.contains(.zfs) && !types.isEmpty && types.allSatisfy(Self.simpleTypes.contains)
  }

  /// Parameters and packages that use the network in the initrd, to find or to unlock the root file system.
  private static let networkWords: Set<String> = [
    "BOOTIF", "ip", "iscsi_auto", "iscsi_initiator", "iscsi_target_name", "nbdroot", "nfsroot",
  ]
  private static let networkPackages = ["clevis-initramfs", "dropbear-initramfs", "mandos-client", "tinyssh-initramfs"]

  /// Whether the initrd may need drivers of network adapters, which MODULES=dep leaves out.
  private func needsNetwork(_ words: [CommandLineWord]) throws -> Bool {
    if words.contains(where: { Self.networkWords.contains($0.name) }) { return true }
    let files = Self.networkPackages.map { "/var/lib/dpkg/info/\($0).list" } + ["/etc/iscsi/iscsi.initramfs"]
    return try files.contains { try host.files.exists($0) }
  }

  private var microcode: (bytes: Int, actions: [Finding.Action])? {
    get throws {
      guard let own = try processorVendor else { return nil }
      let other: ImageUsage.Vendor = own == .amd ? .intel : .amd
      let package = other == .amd ? "amd64-microcode" : "intel-microcode"
      guard let bytes = usage.microcode[other], try host.files.exists("/var/lib/dpkg/info/\(package).list") else {
        return nil
      }
      return (
        bytes,
        [
          .run("apt remove \(package) && update-initramfs -u -k all"),
          .advise("install the package again before you move the disks to a machine with a processor of that vendor"),
        ]
      )
    }
  }

  /// From /proc/cpuinfo; nil on other machines than those of AMD and Intel.
  private var processorVendor: ImageUsage.Vendor? {
    get throws {
      // Some 1500 bytes for each processor.
      let text = try host.files.readTextIfPresent("/proc/cpuinfo", limit: 16 << 20) ?? ""
      let line = text.split(separator: "\n").first { $0.hasPrefix("vendor_id") }
      return line?.split(separator: " ").last.flatMap { ImageUsage.Vendor(rawValue: String($0)) }
    }
  }

  /// The share that zstd -9, the default of initramfs-tools, saves of what gzip, `lz4 -9` or nothing has compressed.
  ///
  /// Measured with 159 MB of drivers and file systems of Debian 12's kernel 6.1: 42, 52 and 33 MB.
  private static let shrinkage: [String: Double] = ["gzip": 0.22, "LZ4": 0.36, "": 0.79]

  private var compression: (bytes: Int, actions: [Finding.Action])? {
    get throws {
      guard let share = Self.shrinkage[usage.compression ?? ""],
        let configuration = try host.files.readTextIfPresent("/boot/config-\(kernel.release)", limit: 4 << 20),
        configuration.split(separator: "\n").contains("CONFIG_RD_ZSTD=y")
      else { return nil }
      let install = try host.files.exists("/usr/bin/zstd") ? "" : "apt install zstd && "
      let path = "\(Self.configuration)/zz-compress-zstd"
      return (
        Int(Double(packed) * share),
        [
          .run("\(install)echo COMPRESS=zstd >\(path) && update-initramfs -u -k all"),
          .advise("to undo it: rm \(path) && update-initramfs -u -k all"),
        ]
      )
    }
  }
}
