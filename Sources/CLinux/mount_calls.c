// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#define _GNU_SOURCE
#include "mount_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mount.h>
#include <unistd.h>

int psu_fsopen(const char *type) { return fsopen(type, FSOPEN_CLOEXEC); }

int psu_fsconfig_set(int context, const char *key, const char *value) {
  return fsconfig(context, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, key, value, 0);
}

int psu_fsconfig_create(int context) { return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0); }

int psu_fsmount(int context, bool read_only) {
  unsigned attributes =
      MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW | MOUNT_ATTR_NOATIME;
  if (read_only) attributes |= MOUNT_ATTR_RDONLY;
  return fsmount(context, FSMOUNT_CLOEXEC, attributes);
}

static int synchronize(int directory, int (*call)(int)) {
  int descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return -1;
  int result = call(descriptor);
  int error = errno;
  close(descriptor);
  errno = error;
  return result;
}

int psu_syncfs(int directory) { return synchronize(directory, syncfs); }

int psu_fsync_directory(int directory) { return synchronize(directory, fsync); }
