// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include <stdbool.h>

/// fsopen(2): a context in which a file system of that type is put together. Returns a descriptor, or -1 with errno.
int psu_fsopen(const char *type);

/// fsconfig(2): sets `key`, to `value` unless that is NULL. Returns 0, or -1 with errno.
int psu_fsconfig_set(int context, const char *key, const char *value);

/// fsconfig(2): finds or makes the superblock. Returns 0, or -1 with errno.
int psu_fsconfig_create(int context);

/// fsmount(2): a mount of the context's superblock that has no place in any tree and is gone when the last descriptor
/// is closed. Nothing on it is a device or set-id, nothing is executed, symbolic links are not followed, and reading
/// leaves access times alone. Returns a descriptor as of O_PATH, or -1 with errno.
int psu_fsmount(int context, bool read_only);

/// syncfs(2) on the file system of `directory`, which may be open with O_PATH. Returns 0, or -1 with errno.
int psu_syncfs(int directory);

/// fsync(2) of `directory`, which may be open with O_PATH. Returns 0, or -1 with errno.
int psu_fsync_directory(int directory);
