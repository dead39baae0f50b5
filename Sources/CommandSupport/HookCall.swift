// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import HostSystem

/// Which hook the program was called as, and its arguments.
///
/// run-parts passes the path of the symbolic link, so the directory identifies the hook; initramfs-tools adds a double
/// slash. The link that replaces Proxmox's hook is identified by its name. apt's configuration and the package's
/// scripts call the executable by its own name and pass a word.
///
/// Debian's kernel packages put the arguments of their maintainer script into DEB_MAINT_PARAMS, some of them quoted for
/// `eval set --`. Proxmox's leave it unset, so it can only be a reason to skip work.
package struct HookCall: Hashable, Sendable {
  /// The end of the link's path, or the first argument.
  package enum Place: String, CaseIterable, Sendable {
    case kernelPostinst = "kernel/postinst.d"
    case kernelPostrm = "kernel/postrm.d"
    case initramfsPostUpdate = "initramfs/post-update.d"
    /// Replaces Proxmox's hook of that name, which is diverted.
    case proxmoxBoot = "kernel/postinst.d/zz-proxmox-boot"
    case aptPreInvoke = "pre-invoke"
    case aptPostInvoke = "post-invoke"
    /// Another package changed something that UKIs depend on.
    case reconcile
    /// systemd is about to load its units.
    case generator = "systemd/system-generators"
    /// pve-sb-uki-boot-ok.service
    case bootOK = "boot-ok"
    /// pve-sb-uki-self-test.service
    case selfTest = "self-test"
  }

  package let place: Place
  /// The arguments after the path or the word.
  package let arguments: [String]
  /// The first word of DEB_MAINT_PARAMS; nil if that is unset, empty or not readable without a shell.
  package let action: String?

  /// The name under which the executable is installed.
  private static let programName = "pve-sb-uki-hook"

  /// Parses the arguments; nil unless they start with a path in a hook directory, or with the program's path and a
  /// known word.
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
    action = maintainerParameters.flatMap(ShellWord.first)
  }

  /// The kernel release; nil if the hook was called without one, as by `proxmox-boot-tool refresh`.
  package var release: String? { arguments.first { !$0.isEmpty } }

  /// Whether the kernel package is in a state that the hook acts on.
  ///
  /// After `configure` the new kernel is in place, after `remove` and `purge` the old one is gone. During an `upgrade`
  /// neither is true.
  package var isSettled: Bool {
    switch place {
    case .kernelPostinst, .proxmoxBoot: action == nil || action == "configure"
    case .kernelPostrm: action == nil || action == "remove" || action == "purge"
    case .initramfsPostUpdate, .aptPreInvoke, .aptPostInvoke, .reconcile, .generator, .bootOK, .selfTest: true
    }
  }
}
