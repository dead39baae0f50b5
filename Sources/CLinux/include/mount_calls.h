// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include <stdbool.h>

/// fsopen(2): a context to configure a file system of that type. Returns a descriptor, or -1 with errno.
int psu_fsopen(const char *type);

/// fsconfig(2): sets `key` to `value`, or sets the flag `key` if `value` is NULL. Returns 0, or -1 with errno.
int psu_fsconfig_set(int context, const char *key, const char *value);

/// fsconfig(2): finds or creates the superblock. Returns 0, or -1 with errno.
int psu_fsconfig_create(int context);

/// fsmount(2): a mount of the context's superblock that is not attached to any tree and exists until the last
/// descriptor is closed. It has no devices, no set-id bits and no execution, does not follow symbolic links, and does
/// not update access times. Returns a descriptor as with O_PATH, or -1 with errno.
int psu_fsmount(int context, bool read_only);

/// syncfs(2) on the file system of `directory`, which may be open with O_PATH. Returns 0, or -1 with errno.
int psu_syncfs(int directory);

/// fsync(2) of `directory`, which may be open with O_PATH. Returns 0, or -1 with errno.
int psu_fsync_directory(int directory);
