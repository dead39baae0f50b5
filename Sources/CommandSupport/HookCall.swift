// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem

/// Which hook a program was called as, and with what.
///
/// run-parts passes the path of the link, with a doubled slash in initramfs-tools' case, so the directory says which
/// hook is meant; the one link that has another package's name is told by that too. apt's configuration and the
/// package's own scripts call the executable by its own name and say what for. Debian's kernels put their maintainer
/// script's arguments into DEB_MAINT_PARAMS; Proxmox's leave it unset, so it can only forbid.
package struct HookCall: Hashable, Sendable {
  /// The end of the link's path, or the first argument.
  package enum Place: String, CaseIterable, Sendable {
    case kernelPostinst = "kernel/postinst.d"
    case kernelPostrm = "kernel/postrm.d"
    case initramfsPostUpdate = "initramfs/post-update.d"
    /// In the place of Proxmox's hook of that name, which was diverted.
    case proxmoxBoot = "kernel/postinst.d/zz-proxmox-boot"
    case aptPreInvoke = "pre-invoke"
    case aptPostInvoke = "post-invoke"
    /// Something that images depend on was changed by another package.
    case reconcile
  }

  package let place: Place
  /// What followed the path, or the word.
  package let arguments: [String]
  /// The first word of DEB_MAINT_PARAMS; nil if that is unset or empty.
  package let action: String?

  /// The name under which the executable is installed.
  private static let programName = "pve-sb-uki-hook"

  /// Nil unless `arguments` begin with a path in a directory of hooks, or the program's own and a word it knows.
  package init?(arguments: [String], maintainerParameters: String?) {
    let components = PathName(arguments.first ?? "").components
    if components.last.map({ $0 == Self.programName }) == true {
      guard let word = arguments.dropFirst().first, !word.utf8.contains(UInt8(ascii: "/")),
        let place = Place(rawValue: word)
      else { return nil }
      self.place = place
      self.arguments = Array(arguments.dropFirst(2))
    } else {
      guard components.count >= 3 else { return nil }
      let path = components.suffix(3).joined(separator: "/")
      let directory = components.suffix(3).dropLast().joined(separator: "/")
      guard let place = Place(rawValue: path) ?? Place(rawValue: directory) else { return nil }
      self.place = place
      self.arguments = Array(arguments.dropFirst())
    }
    action = maintainerParameters?.split(separator: " ").first.map(String.init)
  }

  /// The kernel's release; nil if the hook was called without one, as `proxmox-boot-tool refresh` does.
  package var release: String? { arguments.first { !$0.isEmpty } }

  /// Whether the kernel package has come to a state that this hook acts upon: the new kernel is in place after `configure`, the
  /// old one gone after `remove` and `purge`; during an `upgrade` neither is settled.
  package var isSettled: Bool {
    switch place {
    case .kernelPostinst, .proxmoxBoot: action == nil || action == "configure"
    case .kernelPostrm: action == nil || action == "remove" || action == "purge"
    case .initramfsPostUpdate, .aptPreInvoke, .aptPostInvoke, .reconcile: true
    }
  }
}
