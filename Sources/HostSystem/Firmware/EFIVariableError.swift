// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// A request that efivarfs or the firmware rejected.
package struct EFIVariableError: HintedError, Hashable {
  package enum Cause: Hashable, Sendable {
    /// The machine was not booted by UEFI firmware, or this root has no /sys.
    case noFirmware
    /// The machine has UEFI firmware, but efivarfs is not mounted.
    case notMounted
    /// EROFS: efivarfs is mounted read-only, or the firmware protects the variable.
    case readOnly
    /// ENOSPC, with the number of variables that contain parts of kernel crash dumps.
    case storeFull(dumps: Int)
    /// EACCES or EPERM, and the user is not root.
    case notAllowed
    /// The firmware rejected the request, with this error number.
    case refused(Int32)
    /// The write succeeded, but reading the variable does not return what was written.
    case notKept
    /// The variable has changed since the change was planned.
    case changed
  }

  /// The failed operation, as a verb after "cannot".
  package var operation: Message
  /// The variable without its vendor; empty for all variables.
  package var variable: String
  package var cause: Cause

  package init(_ operation: Message, _ variable: String, _ cause: Cause) {
    self.operation = operation
    self.variable = variable
    self.cause = cause
  }

  package var message: Message {
    variable.isEmpty
      ? "cannot \(operation) the firmware's variables: \(reason)"
      : "cannot \(operation) firmware variable \(variable): \(reason)"
  }

  private var reason: Message {
    switch cause {
    case .noFirmware: "no UEFI firmware found"
    case .notMounted: "efivarfs is not mounted at \(EFIVariableStore.directory)"
    case .readOnly: "it is read-only"
    case .storeFull(let dumps) where dumps > 0:
      "the firmware's variable store is full; kernel crash dumps in it (dump-type0-*): \(dumps)"
    case .storeFull: "the firmware's variable store is full"
    case .notAllowed: "this requires root"
    case .refused(let number): "the firmware rejected it (\(Message(systemError: number)))"
    case .notKept: "the firmware accepted the change but did not keep it"
    case .changed: "another program has changed it"
    }
  }

  /// Whether the variable is one of those that decide about Secure Boot, rather than about the boot order.
  private var isKeyList: Bool { ["PK", "KEK", "db", "dbx"].contains(variable) }

  package var hint: Message? {
    let directory = EFIVariableStore.directory
    return switch cause {
    case .noFirmware: nil
    case .notMounted: "mount it with: mount -t efivarfs efivarfs \(directory)"
    case .readOnly:
      "run 'mount -o remount,rw \(directory)'; if it is writable already, look for a lock in the firmware's setup menu"
    case .storeFull(let dumps) where dumps > 0:
      "save what you need from /sys/fs/pstore, then delete them with: rm \(directory)/dump-type0-*"
    case .storeFull where isKeyList:
      """
      remove unused entries with 'pve-sb-uki boot forget', reboot so that the firmware frees the space, then run \
      'pve-sb-uki enroll --firmware' again
      """
    case .storeFull:
      "remove unused entries with 'pve-sb-uki boot forget', then reboot so that the firmware frees the space"
    case .notAllowed: "run this as root"
    case .refused where isKeyList, .notKept where isKeyList:
      "use the firmware's menu: 'pve-sb-uki enroll --stage' prepares the files; and check for a firmware update"
    case .refused, .notKept: "set the boot order in the firmware's setup menu, and check for a firmware update"
    case .changed: "run the command again"
    }
  }
}
