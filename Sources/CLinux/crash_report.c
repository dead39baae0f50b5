// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#define _GNU_SOURCE
#include "crash_report.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static char line[512];
static size_t length;
static volatile sig_atomic_t code;

// Everything that it calls is safe in a signal handler (signal-safety(7)).
static void report(int number) {
  (void)number;
  ssize_t ignored = write(STDERR_FILENO, line, length);
  (void)ignored;
  _exit(code);
}

void psu_report_crashes(const char *text) {
  length = strnlen(text, sizeof line - 1);
  memcpy(line, text, length);

  // After a stack overflow there is no room for the handler.
  static char memory[1 << 16];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, NULL);

  static const int faults[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS};
  struct sigaction action = {.sa_handler = report, .sa_flags = SA_ONSTACK | SA_RESETHAND};
  sigset_t set;
  sigemptyset(&set);
  for (size_t index = 0; index < sizeof faults / sizeof *faults; index++) {
    sigaction(faults[index], &action, NULL);
    sigaddset(&set, faults[index]);
  }
  // A blocked fault kills the process without calling the handler.
  sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void psu_set_crash_code(int number) { code = number; }
