// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#include "file_flags.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

// The kernel reads and writes an int, whatever the request's number says (ioctl_iflags(2)).

int psu_is_immutable(int file) {
  int flags = 0;
  if (ioctl(file, FS_IOC_GETFLAGS, &flags) != 0) return -1;
  return (flags & FS_IMMUTABLE_FL) != 0;
}

int psu_set_immutable(int file, int immutable) {
  int flags = 0;
  if (ioctl(file, FS_IOC_GETFLAGS, &flags) != 0) return -1;
  flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  return ioctl(file, FS_IOC_SETFLAGS, &flags);
}

long psu_file_system_type(int file) {
  struct statfs status;
  return fstatfs(file, &status) == 0 ? (long)status.f_type : 0;
}
