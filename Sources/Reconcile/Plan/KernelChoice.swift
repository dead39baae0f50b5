// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import Findings
internal import HostSystem
internal import Messages

/// The inputs for choosing kernels: the settings, Proxmox's lists and the running system.
struct KernelRequests: Sendable {
  let lists: ProxmoxLists
  /// The UKI chosen with `boot prefer`.
  let preferred: UKIName?
  /// Release of the running kernel; nil if this root is not that of the running system.
  let running: String?
  /// `Keep=`.
  let keep: Int
  /// When this machine was booted, in seconds since 1970; nil if unknown.
  let bootTime: Int64?

  /// Reads the inputs.
  ///
  /// Throws `BootEnvironmentError` if the preferred kernel is invalid, `HostError` if a file cannot be read.
  init(of host: Host, _ configuration: Configuration) throws {
    lists = ProxmoxLists(of: host.files)
    preferred = try PreferredKernel.load(from: host.files)
    running = host.isRunningSystem ? host.kernelRelease : nil
    keep = configuration.keep
    bootTime = try BootEvidence.bootTime(of: host.files)
  }

  func wanted(_ inventory: KernelInventory, imageOnly: [Kernel]) -> WantedKernels {
    WantedKernels.make(
      inventory: inventory, imageOnly: imageOnly, lists: lists, preferred: preferred, running: running, keep: keep,
      bootTime: bootTime)
  }
}

/// The kernels whose UKIs are maintained in one run.
struct KernelChoice: Sendable {
  let wanted: WantedKernels
  /// In order of precedence; the UKIs of kernels not selected by `--kernel` are left unchanged.
  let kernels: [PlannedKernel]
  private(set) var notes: [Message] = []
  private(set) var findings: [Finding] = []
  private let chosen: [String]

  init(
    _ inventory: KernelInventory, requests: KernelRequests, contents: [String: ESPContents], options: ApplyOptions
  ) {
    let made = Set(contents.values.flatMap(\.own))
    let imageOnly = inventory.withoutInitrd.filter { made.contains(UKIName($0)) }
    let wanted = requests.wanted(inventory, imageOnly: imageOnly)
    let extra = inventory.kernels.filter { kernel in
      options.kernels.contains(kernel.release) && !wanted.kernels.contains { $0.kernel == kernel }
    }
    self.wanted = wanted
    chosen = options.kernels
    kernels =
      wanted.kernels.map { PlannedKernel($0.kernel, reasons: $0.reasons, hasLostInitrd: imageOnly.contains($0.kernel)) }
      + extra.map { PlannedKernel($0) }
    for kernel in inventory.withoutInitrd {
      if let failure = inventory.unreadable[kernel] {
        if options.kernels.isEmpty || options.kernels.contains(kernel.release) {
          findings.append(Finding(.ukiUnbuildable, failure))
        }
      } else {
        noteMissingInitrd(kernel, hasLostInitrd: made.contains(UKIName(kernel)), options: options)
      }
    }
    for release in options.kernels + [options.expected].compactMap({ $0 }) {
      let isReported = Kernel(release: release).map { inventory.unreadable[$0] != nil } ?? false
      guard !isReported, !(inventory.kernels + imageOnly).contains(where: { $0.release == release }) else { continue }
      findings.append(
        Finding(
          .ukiUnbuildable,
          """
          kernel \(release) gets no UKI: not all of /boot/vmlinuz-\(release), /boot/initrd.img-\(release) and \
          /lib/modules/\(release) exist
          """,
          arguments: ["kernel": .string(release)],
          actions: [.advise("reinstall it, or create its initrd with: update-initramfs -c -k \(release)")]))
    }
  }

  private mutating func noteMissingInitrd(_ kernel: Kernel, hasLostInitrd: Bool, options: ApplyOptions) {
    if hasLostInitrd {
      guard options.kernels.isEmpty || options.kernels.contains(kernel.release) else { return }
      findings.append(
        Finding(
          .ukiUnbuildable,
          "kernel \(kernel.release): the initrd is missing; its UKI still boots but is not updated any more",
          arguments: ["kernel": .string(kernel.release)],
          actions: [.run("update-initramfs -c -k \(kernel.release)")]))
    } else if options.kernels.isEmpty, options.expected != kernel.release {
      notes.append("kernel \(kernel.release) has no initrd yet, so it gets no UKI")
    }
  }

  /// Whether the kernel gets a new UKI if it has none.
  func isChosen(_ kernel: PlannedKernel) -> Bool {
    !kernel.hasLostInitrd && (chosen.isEmpty || chosen.contains(kernel.release))
  }
}
