// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include "mount_calls.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// O_PATH, which glibc shows only to those who ask for GNU extensions.
extern const int psu_o_path;

/// O_TMPFILE, likewise.
extern const int psu_o_tmpfile;

/// Processors that this process may run on (sched_getaffinity(2)), at least 1.
int psu_processor_count(void);

/// Has malloc(3) give memory of a mebibyte or more back when it is freed, rather than keep it for later.
void psu_return_large_memory(void);

/// openat2(2) with RESOLVE_IN_ROOT: `path`, its symbolic links and its `..` are taken inside `root`. Always O_CLOEXEC.
/// Returns a descriptor, or -1 with errno.
int psu_open_in_root(int root, const char *path, int flags, mode_t mode);

/// renameat2(2) with RENAME_EXCHANGE: two names of a directory change places at once. Returns 0, or -1 with errno.
int psu_exchange(int directory, const char *name, const char *other);

/// makedev(3)'s parts of a device number, which are macros.
unsigned psu_device_major(dev_t number);
unsigned psu_device_minor(dev_t number);

/// getrandom(2) until `count` bytes are there. Returns 0, or -1 with errno.
int psu_random(void *buffer, size_t count);

/// memfd_create(2): a file without a name that is gone with its last descriptor, of which this is the first. Always
/// MFD_CLOEXEC. Returns it, or -1 with errno.
int psu_memory_file(void);

/// What the C library says of an error number, in English whatever the locale is; NULL if it knows none such.
const char *psu_error_text(int number);

/// Takes the language of the C library's own messages from the environment.
void psu_open_catalogue(void);

/// What the C library's own catalogue has for `key`, in UTF-8; else `key`.
const char *psu_translate(const char *key);

/// The process's argument number `index`, 0 being what it was called as; NULL behind the last. Swift's own CommandLine
/// reads /proc/self/cmdline, which is not there in a chroot without /proc.
const char *psu_argument(int index);

/// Blocks those of SIGHUP, SIGINT and SIGTERM that are not ignored in this thread; `previous` gets its mask.
void psu_hold_termination(sigset_t *previous);

/// The signal among them that waits to be delivered and was not blocked in mask `previous`, or 0.
int psu_pending_termination(const sigset_t *previous);
