// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#pragma once

#include "crash_report.h"
#include "mount_calls.h"
#include "read_secret.h"

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// O_PATH, which glibc defines only with GNU extensions.
extern const int psu_o_path;

/// O_TMPFILE, also a GNU extension.
extern const int psu_o_tmpfile;

/// AT_NO_AUTOMOUNT, also a GNU extension.
extern const int psu_at_no_automount;

/// Sets or clears O_DIRECT of an open file (fcntl(2)). Returns 0, or -1 with errno if the file system does not support it.
int psu_set_direct(int file, int direct);

/// getdents64(2). Returns the number of bytes, 0 at the end of the directory, or -1 with errno.
ssize_t psu_read_directory(int directory, void *buffer, size_t size);

/// Processors that this process may run on (sched_getaffinity(2)), at least 1.
int psu_processor_count(void);

/// Makes malloc(3) return blocks of a mebibyte or more to the system when they are freed.
void psu_return_large_memory(void);

/// openat2(2) with RESOLVE_IN_ROOT: `path`, its symbolic links and its `..` are resolved inside `root`. Always
/// O_CLOEXEC. Returns a descriptor, or -1 with errno.
int psu_open_in_root(int root, const char *path, int flags, mode_t mode);

/// renameat2(2) with RENAME_EXCHANGE: exchanges two names in a directory atomically. Returns 0, or -1 with errno.
int psu_exchange(int directory, const char *name, const char *other);

/// The parts of a device number (makedev(3)), which are macros.
unsigned psu_device_major(dev_t number);
unsigned psu_device_minor(dev_t number);

/// Calls getrandom(2) until it has `count` bytes. Returns 0, or -1 with errno.
int psu_random(void *buffer, size_t count);

/// memfd_create(2): a file without a name that exists until its last descriptor is closed. Always MFD_CLOEXEC. Returns
/// a descriptor, or -1 with errno.
int psu_memory_file(void);

/// Starts writing the `count` bytes from `offset` to the medium, and with `waits` waits until they are there
/// (sync_file_range(2)). Says nothing about errors, which fsync(2) reports.
void psu_write_back(int file, off_t offset, off_t count, int waits);

/// The width of a terminal in columns (TIOCGWINSZ); 0 if it is unknown or `descriptor` is not a terminal.
int psu_terminal_columns(int descriptor);

/// The C library's text for an error number, in English in every locale; NULL for an unknown number.
const char *psu_error_text(int number);

/// Sets the language of the C library's own messages from the environment.
void psu_open_catalogue(void);

/// The translation of `key` in the C library's own catalogue, in UTF-8, or `key` itself.
const char *psu_translate(const char *key);

/// The process's argument number `index`, 0 for its name; NULL after the last. Swift's own CommandLine reads
/// /proc/self/cmdline, which does not exist in a chroot without /proc.
const char *psu_argument(int index);

/// Blocks SIGHUP, SIGINT and SIGTERM in this thread, unless they are ignored; stores the old mask in `previous`.
void psu_hold_termination(sigset_t *previous);

/// The first of these signals that is pending and was not blocked in the mask `previous`, or 0.
int psu_pending_termination(const sigset_t *previous);
