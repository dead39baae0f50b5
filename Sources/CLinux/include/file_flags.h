// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

/// Whether the open file has FS_IMMUTABLE_FL: 1 or 0, or -1 with errno where its file system knows no such flags.
int psu_is_immutable(int file);

/// Sets or clears FS_IMMUTABLE_FL and leaves the other flags as they are. Returns 0, or -1 with errno.
int psu_set_immutable(int file, int immutable);
