// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

package import Messages

/// A request that efivarfs or the firmware behind it turned down.
package struct EFIVariableError: HintedError, Hashable {
  package enum Cause: Hashable, Sendable {
    /// The machine was not booted by UEFI firmware, or this is a root without its own /sys.
    case noFirmware
    /// There is firmware, but no efivarfs.
    case notMounted
    /// EROFS: efivarfs is mounted read-only, or the firmware protects the variable.
    case readOnly
    /// ENOSPC, and how many variables hold parts of crash dumps that the kernel left there.
    case storeFull(dumps: Int)
    /// EACCES or EPERM, and the user is not root.
    case notAllowed
    /// The firmware said no, as this error number.
    case refused(Int32)
    /// The write was taken, but what is read afterwards is not what was written.
    case notKept
    /// The variable is not as it was when the change was decided upon.
    case changed
  }

  /// What was to be done, as the verb after "cannot".
  package var operation: Message
  /// The variable without its vendor; empty where all of them are meant.
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
    case .noFirmware: "there is no UEFI firmware here"
    case .notMounted: "efivarfs is not mounted at \(EFIVariableStore.directory)"
    case .readOnly: "it is read-only"
    case .storeFull(let dumps) where dumps > 0:
      "the firmware's store is full; \(dumps) variables in it are crash dumps of the kernel (dump-type0-*)"
    case .storeFull: "the firmware's store is full"
    case .notAllowed: "only root may"
    case .refused(let number): "the firmware refused (\(Message(systemError: number)))"
    case .notKept: "the firmware took the change and forgot it at once"
    case .changed: "something else has changed it in the meantime"
    }
  }

  package var hint: Message? {
    let directory = EFIVariableStore.directory
    return switch cause {
    case .noFirmware: nil
    case .notMounted: "mount it with: mount -t efivarfs efivarfs \(directory)"
    case .readOnly:
      "run 'mount -o remount,rw \(directory)'; if it is writable already, look for a lock in the firmware's setup menu"
    case .storeFull(let dumps) where dumps > 0:
      "keep what you need of /sys/fs/pstore, then clear them with: rm \(directory)/dump-type0-*"
    case .storeFull:
      "remove entries that nothing needs with 'pve-sb-uki boot forget', then reboot, so that the firmware tidies up"
    case .notAllowed: "run this as root"
    case .refused, .notKept: "set the boot order in the firmware's setup menu, and look for an update of the firmware"
    case .changed: "run the command again"
    }
  }
}
