// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#define _GNU_SOURCE
#include "linux_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <libintl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <locale.h>
#include <malloc.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const int psu_o_path = O_PATH;
const int psu_o_tmpfile = O_TMPFILE;
const int psu_at_no_automount = AT_NO_AUTOMOUNT;

int psu_processor_count(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

void psu_write_back(int file, off_t offset, off_t count, int waits) {
  int saved = errno;
  unsigned wait = waits ? SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER : 0;
  (void)sync_file_range(file, offset, count, SYNC_FILE_RANGE_WRITE | wait);
  errno = saved;
}

int psu_terminal_columns(int descriptor) {
  struct winsize size;
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void psu_return_large_memory(void) { mallopt(M_MMAP_THRESHOLD, 1 << 20); }

int psu_open_in_root(int root, const char *path, int flags, mode_t mode) {
  struct open_how how = {0};
  how.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC);
  how.mode = (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0;
  how.resolve = RESOLVE_IN_ROOT;
  // EAGAIN: a concurrent rename anywhere keeps the kernel from resolving a `..` safely (openat2(2)).
  int file, attempts = 100;
  do file = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
  while (file < 0 && errno == EAGAIN && --attempts > 0);
  return file;
}

int psu_set_direct(int file, int direct) {
  int flags = fcntl(file, F_GETFL);
  return flags < 0 ? -1 : fcntl(file, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
}

ssize_t psu_read_directory(int directory, void *buffer, size_t size) {
  return (ssize_t)syscall(SYS_getdents64, directory, buffer, size);
}

int psu_exchange(int directory, const char *name, const char *other) {
  return (int)syscall(SYS_renameat2, directory, name, directory, other, RENAME_EXCHANGE);
}

unsigned psu_device_major(dev_t number) { return major(number); }
unsigned psu_device_minor(dev_t number) { return minor(number); }

int psu_random(void *buffer, size_t count) {
  unsigned char *next = buffer;
  while (count > 0) {
    ssize_t got = getrandom(next, count, 0);
    if (got < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    next += got;
    count -= (size_t)got;
  }
  return 0;
}

static int argument_count;
static char **arguments;

// glibc passes main's arguments to constructors too.
__attribute__((constructor)) static void keep_arguments(int count, char **values) {
  argument_count = count;
  arguments = values;
}

int psu_memory_file(void) { return memfd_create("pve-sb-uki", MFD_CLOEXEC); }

const char *psu_error_text(int number) { return strerrordesc_np(number); }

void psu_open_catalogue(void) {
  setlocale(LC_MESSAGES, "");
  bind_textdomain_codeset("libc", "UTF-8");
}

const char *psu_translate(const char *key) {
  // The empty key has the catalogue's header.
  return *key ? dgettext("libc", key) : key;
}

const char *psu_argument(int index) {
  return index >= 0 && index < argument_count ? arguments[index] : NULL;
}

static const int terminations[] = {SIGHUP, SIGINT, SIGTERM};

void psu_hold_termination(sigset_t *previous) {
  sigset_t held;
  sigemptyset(&held);
  for (size_t index = 0; index < sizeof terminations / sizeof *terminations; index++) {
    struct sigaction action;
    // A blocked signal becomes pending even if it is ignored.
    if (sigaction(terminations[index], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
      sigaddset(&held, terminations[index]);
  }
  pthread_sigmask(SIG_BLOCK, &held, previous);
}

int psu_pending_termination(const sigset_t *previous) {
  sigset_t pending;
  sigpending(&pending);
  for (size_t index = 0; index < sizeof terminations / sizeof *terminations; index++)
    if (sigismember(&pending, terminations[index]) == 1 && sigismember(previous, terminations[index]) == 0)
      return terminations[index];
  return 0;
}
