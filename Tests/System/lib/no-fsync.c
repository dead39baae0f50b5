// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
// If preloaded, it disables the product's precautions for FAT: fsync(2) of a file opened only for reading and syncfs(2)
// do nothing. Directories and files opened for writing are flushed as usual.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int fsync(int number) {
  struct stat status;
  int flags = fcntl(number, F_GETFL);
  if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY && fstat(number, &status) == 0 && S_ISREG(status.st_mode)) return 0;
  return (int)syscall(SYS_fsync, number);
}

int fdatasync(int number) { return fsync(number); }

int syncfs(int number) {
  (void)number;
  return 0;
}
