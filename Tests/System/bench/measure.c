/* SPDX-License-Identifier: Apache-2.0
 * Copyright the pve-sb-uki authors
 *
 * measure RUNS COMMAND...: runs the command so many times, one after the other, and writes to descriptor 3 a line of JSON
 * with the sums over all runs: user, system and wall seconds, and the bytes that went through read(2), write(2) and their
 * relatives; peak_kib is the resident memory of the largest process, status the exit status that all runs had. All
 * descendants count that have been waited for. Files read through mmap(2) do not count as read. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct bytes {
  long long read, written;
};

/* This process and the descendants that have been waited for. */
static int count(struct bytes *bytes) {
  char text[512];
  int file = open("/proc/self/io", O_RDONLY | O_CLOEXEC);
  ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
  if (length < 0 || close(file)) return -1;
  text[length] = 0;
  return sscanf(text, "rchar: %lld wchar: %lld", &bytes->read, &bytes->written) == 2 ? (int)length : -1;
}

/* vfork(2) does not copy this process, so its size is not in the command's peak. */
static pid_t start(char **command) {
  pid_t child = vfork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(command[0], command);
    _exit(127);
  }
  return child;
}

static double seconds(struct timeval t) { return (double)t.tv_sec + (double)t.tv_usec / 1e6; }

int main(int argc, char **argv) {
  struct timespec before, after;
  struct bytes first, last;
  double user = 0, system = 0;
  long peak = 0;
  int result = -1, runs = argc < 3 ? 0 : atoi(argv[1]);
  if (runs < 1 || fcntl(3, F_SETFD, FD_CLOEXEC)) {
    fprintf(stderr, "usage: measure RUNS COMMAND... 3>FILE\n");
    return 2;
  }
  /* The bytes of this reading count only in the next one. */
  int own = count(&first);
  if (own < 0) {
    perror("/proc/self/io");
    return 2;
  }
  clock_gettime(CLOCK_MONOTONIC, &before);
  for (int run = 0; run < runs; run++) {
    struct rusage usage;
    int status;
    pid_t child = start(argv + 2);
    if (child < 0 || wait4(child, &status, 0, &usage) != child) return 2;
    if (!WIFEXITED(status) || (run > 0 && WEXITSTATUS(status) != result)) {
      fprintf(stderr, "%s ended with status %#x, in an earlier run with %d\n", argv[2], (unsigned)status, result);
      return 1;
    }
    result = WEXITSTATUS(status);
    user += seconds(usage.ru_utime);
    system += seconds(usage.ru_stime);
    if (usage.ru_maxrss > peak) peak = usage.ru_maxrss;
  }
  clock_gettime(CLOCK_MONOTONIC, &after);
  if (count(&last) < 0) return 2;
  dprintf(3,
          "{\"runs\": %d, \"user\": %.6f, \"system\": %.6f, \"wall\": %.6f, \"peak_kib\": %ld, \"read\": %lld, "
          "\"written\": %lld, \"status\": %d}\n",
          runs, user, system,
          (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9, peak,
          last.read - first.read - own, last.written - first.written, result);
  return 0;
}
