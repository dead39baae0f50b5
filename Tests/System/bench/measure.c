/* SPDX-License-Identifier: Apache-2.0
 * Copyright the pve-sb-uki authors
 *
 * measure NAME COMMAND...: runs the command, and writes to descriptor 3: NAME, user and system seconds of the command
 * and its children, the peak resident KiB of the largest of these processes, and wall seconds. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char **argv) {
  struct timespec before, after;
  struct rusage usage;
  int status;
  if (argc < 3 || fcntl(3, F_SETFD, FD_CLOEXEC)) return 2;
  clock_gettime(CLOCK_MONOTONIC, &before);
  pid_t child = vfork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) != child) return 1;
  clock_gettime(CLOCK_MONOTONIC, &after);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "%s ended with status %#x\n", argv[1], (unsigned)status);
    return 1;
  }
  dprintf(3, "%s %.6f %.6f %ld %.6f\n", argv[1], seconds(usage.ru_utime), seconds(usage.ru_stime), usage.ru_maxrss,
          (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9);
  return 0;
}
