// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors

import Glibc
import Messages

extension PartitionMounter {
  /// The error with what is known of its reason, and what to do.
  func explained(_ error: HostError, _ device: BlockDevice, _ access: PartitionAccess.Access) throws -> HostError {
    var error = error
    let path = device.path
    switch error.errno {
    case EPERM, ENOSYS:
      error.hint = "run this as root on the host itself: a container may not mount"
    case ENODEV:
      error.detail = "the running kernel has no vfat"
      error.hint = "try 'modprobe vfat'; if the running kernel's package is gone, reboot first"
    case EACCES where access == .writing, EROFS where access == .writing:
      error.detail = "it is write-protected"
      error.hint = "have a look at 'lsblk -o NAME,RO \(path)' and the kernel's messages"
    case EBUSY:
      let mounts = try system.mountPoints().filter { $0.device == device.number }
      if let mount = mounts.first(where: { $0.isReadOnly }) {
        error.detail = "it is mounted read-only at \(mount.path)"
        error.hint = "run 'mount -o remount,rw \(mount.path)', or unmount it"
      } else {
        error.detail = "somebody else is using it"
        error.hint = "try again later; 'lsblk \(path)' and 'fuser -vm \(path)' may tell who it is"
      }
    case EINVAL, EIO, EUCLEAN:
      error.hint = "have it checked, with 'fsck -n \(path)', and look at the kernel's messages"
    default:
      break
    }
    return error
  }
}
