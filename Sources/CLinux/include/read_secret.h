// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include <stddef.h>
#include <sys/types.h>

/// Asks `question` on /dev/tty and reads one line there with echo off. The terminal's mode is restored on every way out:
/// Ctrl-C, SIGTERM, SIGHUP and SIGQUIT take effect after that, and so does Ctrl-Z, after which it asks again. Returns
/// the length of the line without its end, or -1 with errno: ENXIO or another error of open(2) without a terminal,
/// ENODATA at the end of the input, EMSGSIZE for a line longer than `size`, EINTR if a signal did not end the process.
/// After an error the buffer is wiped.
ssize_t psu_read_secret(const char *question, char *buffer, size_t size);
