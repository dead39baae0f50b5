// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

/// Whether the open file has FS_IMMUTABLE_FL: 1 or 0, or -1 with errno if its file system does not support flags.
int psu_is_immutable(int file);

/// Sets or clears FS_IMMUTABLE_FL and keeps the other flags. Returns 0, or -1 with errno.
int psu_set_immutable(int file, int immutable);

/// The file system's type as in statfs(2), for example EFIVARFS_MAGIC. Returns 0 if it cannot be read.
long psu_file_system_type(int file);
