// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

/// Which hook a program was called as, and with what.
///
/// run-parts passes the path of the link, with a doubled slash in initramfs-tools' case, so the directory says which
/// hook is meant. Debian's kernels put their maintainer script's arguments into DEB_MAINT_PARAMS; Proxmox's leave it
/// unset, so it can only forbid.
package struct HookCall: Hashable, Sendable {
  package enum Place: String, CaseIterable, Sendable {
    case kernelPostinst = "kernel/postinst.d"
    case kernelPostrm = "kernel/postrm.d"
    case initramfsPostUpdate = "initramfs/post-update.d"
  }

  package let place: Place
  /// The kernel's release; nil if the hook was called without one, as `proxmox-boot-tool refresh` does.
  package let release: String?
  /// The first word of DEB_MAINT_PARAMS; nil if that is unset or empty.
  package let action: String?

  /// Nil unless `arguments` begin with a path in a directory of hooks.
  package init?(arguments: [String], maintainerParameters: String?) {
    let components = (arguments.first ?? "").split(separator: "/").dropLast().suffix(2)
    guard let place = Place(rawValue: components.joined(separator: "/")) else { return nil }
    self.place = place
    release = arguments.dropFirst().first { !$0.isEmpty }
    action = maintainerParameters?.split(separator: " ").first.map(String.init)
  }

  /// Whether the kernel package is in a state that this hook is for: the new kernel is in place after `configure`, the
  /// old one gone after `remove` and `purge`; during an `upgrade` neither is settled.
  package var isToBeHeeded: Bool {
    switch place {
    case .kernelPostinst: action == nil || action == "configure"
    case .kernelPostrm: action == nil || action == "remove" || action == "purge"
    case .initramfsPostUpdate: true
    }
  }
}
