// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages

/// What the administrator, Proxmox's lists and the running system ask of the choice of kernels.
struct KernelRequests: Sendable {
  let lists: ProxmoxLists
  /// The kernel that `boot prefer` chose.
  let preferred: Kernel?
  /// Release of the running kernel; nil in a root other than the running system's.
  let running: String?
  /// `Keep=`.
  let keep: Int
  /// When this machine was booted, in seconds since 1970; nil where the system does not say.
  let bootTime: Int64?

  /// Throws `BootEnvironmentError` for a choice that cannot be understood, `HostError` for a file that cannot be read.
  init(of host: Host, _ configuration: Configuration) throws {
    lists = ProxmoxLists(of: host.files)
    preferred = try PreferredKernel.load(from: host.files)
    running = host.isRunningSystem ? host.kernelRelease : nil
    keep = configuration.keep
    bootTime = try BootEvidence.bootTime(of: host.files)
  }

  func wanted(_ kernels: KernelInventory, standing: [Kernel]) -> WantedKernels {
    WantedKernels.make(
      inventory: kernels, standing: standing, lists: lists, preferred: preferred, running: running, keep: keep,
      bootTime: bootTime)
  }
}

/// The kernels whose image is looked after in one run.
struct KernelChoice: Sendable {
  let wanted: WantedKernels
  /// In order of precedence; those that were not chosen by `--kernel` keep what they have.
  let kernels: [PlannedKernel]
  private(set) var notes: [Message] = []
  private(set) var failures: [Failure] = []
  private let chosen: [String]

  init(
    _ inventory: KernelInventory, requests: KernelRequests, contents: [String: ESPContents], options: ApplyOptions
  ) {
    let standing = inventory.withoutInitrd.filter { kernel in
      contents.values.contains { $0.own.contains(UKIName(kernel)) }
    }
    let wanted = requests.wanted(inventory, standing: standing)
    let extra = inventory.kernels.filter { kernel in
      options.kernels.contains(kernel.release) && !wanted.kernels.contains { $0.kernel == kernel }
    }
    self.wanted = wanted
    chosen = options.kernels
    kernels =
      wanted.kernels.map { PlannedKernel($0.kernel, reasons: $0.reasons, isStanding: standing.contains($0.kernel)) }
      + extra.map { PlannedKernel($0) }
    for kernel in inventory.withoutInitrd { tell(kernel, isStanding: standing.contains(kernel), options: options) }
    for release in options.kernels + [options.expected].compactMap({ $0 }) {
      guard !(inventory.kernels + standing).contains(where: { $0.release == release }) else { continue }
      failures.append(
        Failure(
          """
          kernel \(release) gets no image: /boot/vmlinuz-\(release), /boot/initrd.img-\(release) and \
          /lib/modules/\(release) are not all there
          """,
          hint: "install it again, or make its initrd with: update-initramfs -c -k \(release)"))
    }
  }

  private mutating func tell(_ kernel: Kernel, isStanding: Bool, options: ApplyOptions) {
    if isStanding {
      guard options.kernels.isEmpty || options.kernels.contains(kernel.release) else { return }
      failures.append(
        Failure(
          "kernel \(kernel.release) has lost its initrd; its image still boots, but no longer follows changes",
          hint: "update-initramfs -c -k \(kernel.release)"))
    } else if options.kernels.isEmpty, options.expected != kernel.release {
      notes.append("kernel \(kernel.release) has no initrd yet, so it gets no image")
    }
  }

  /// Whether an image is to be made of the kernel if it has none.
  func isChosen(_ kernel: PlannedKernel) -> Bool {
    !kernel.isStanding && (chosen.isEmpty || chosen.contains(kernel.release))
  }
}
