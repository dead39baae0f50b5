// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import HostSystem

extension WantedKernels {
  /// Chooses among the kernels of a host as its lists and settings say.
  package init(
    of host: Host, _ inventory: Kernel.Inventory, standing: [Kernel] = [], _ configuration: Configuration
  ) throws {
    self = Self.make(
      inventory: inventory, standing: standing, lists: ProxmoxLists(of: host.files),
      preferred: try PreferredKernel.load(from: host.files),
      running: host.isRunningSystem ? host.kernelRelease : nil, keep: configuration.keep,
      bootTime: try BootEvidence.bootTime(of: host.files))
  }
}
