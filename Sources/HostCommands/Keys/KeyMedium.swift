// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

internal import BootEnvironment
internal import HostSystem
internal import Messages

/// The file system with the private keys, and the unit that runs `apply` when it is mounted.
///
/// systemd starts what a mount unit wants also if the mount was made by mount(8) or udisks: it then starts the
/// dependencies belatedly. A path unit would not work, since a mount changes no directory that inotify(7) watches, and its
/// implicit dependency on the mount would wait at boot for a medium that is not connected.
struct KeyMedium {
  /// Where the file system is mounted; not `/`.
  let mountPoint: MountPoint

  /// Nil if the directory is on the root file system.
  init?(of directory: String, on host: Host) throws {
    guard let mount = SecretStorage.mount(of: directory, among: try host.files.mountPoints()), mount.path != "/" else {
      return nil
    }
    mountPoint = mount
  }

  /// The unit that runs `apply` when the file system is mounted; debian/pve-sb-uki@.service has it.
  var unit: String { "pve-sb-uki@\(Self.unitName(of: mountPoint.path)).service" }

  /// Lets systemd run `apply` when the medium is mounted; returns a sentence about it.
  func enable(on host: Host) -> Message {
    guard host.isRunningSystem, (try? host.files.exists("/run/systemd/system")) == true else {
      return "to sign waiting kernels when \(mountPoint.path) is mounted, run: systemctl enable \(unit.shellWord)"
    }
    guard (try? host.processes.run("systemctl", arguments: ["--quiet", "enable", unit])) == 0 else {
      return "systemd cannot enable \(unit); after mounting \(mountPoint.path), run: pve-sb-uki apply"
    }
    return "pve-sb-uki apply runs when \(mountPoint.path) is mounted"
  }

  /// Ends what `enable` did; an error does not matter, since `apply` does no harm.
  func disable(on host: Host) {
    guard host.isRunningSystem else { return }
    _ = try? host.processes.run("systemctl", arguments: ["--quiet", "disable", unit])
  }

  /// A path in the name of a unit, as systemd-escape(1) --path writes it.
  static func unitName(of path: String) -> String {
    let text = PathName(path).components.joined(separator: "/")
    guard !text.isEmpty else { return "-" }
    var name = ""
    for (index, byte) in text.utf8.enumerated() {
      switch byte {
      case UInt8(ascii: "/"): name += "-"
      case UInt8(ascii: ".") where index == 0: name += Self.escaped(byte)
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: ":"), UInt8(ascii: "_"), UInt8(ascii: "."):
        name.unicodeScalars.append(Unicode.Scalar(byte))
      default: name += Self.escaped(byte)
      }
    }
    return name
  }

  private static func escaped(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 16)
    return "\\x" + (digits.utf8.count == 1 ? "0" : "") + digits
  }
}
