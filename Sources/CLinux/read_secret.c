// SPDX-License-Identifier: Apache-2.0
// Copyright the pve-sb-uki authors
#define _GNU_SOURCE
#include "read_secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t caught;

static void note(int number) { caught = number; }

static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU};
enum { signal_count = sizeof signals / sizeof *signals };

static int stops(int number) { return number == SIGTSTP || number == SIGTTIN || number == SIGTTOU; }

static int write_all(int terminal, const char *text) {
  size_t rest = strlen(text);
  while (rest > 0) {
    ssize_t done = write(terminal, text, rest);
    if (done < 0) return -1;
    text += done;
    rest -= (size_t)done;
  }
  return 0;
}

// The length of the line without its end; -1 with errno, ENODATA at the end of the input. Reads byte by byte, so that
// what follows the line is left for the next reader. A line that is too long is read to its end and then rejected.
static ssize_t read_line(int terminal, char *buffer, size_t size) {
  size_t length = 0;
  int is_too_long = 0;
  for (;;) {
    char byte;
    ssize_t count = read(terminal, &byte, 1);
    if (count < 0) return -1;
    if (count == 0 && length == 0) {
      errno = ENODATA;
      return -1;
    }
    if (count == 0 || byte == '\n' || byte == '\r') break;
    if (length < size) buffer[length++] = byte;
    else is_too_long = 1;
    explicit_bzero(&byte, 1);
  }
  if (!is_too_long) return (ssize_t)length;
  errno = EMSGSIZE;
  return -1;
}

// One question with echo off. The signals only set `caught`, which interrupts read(2).
static ssize_t ask(int terminal, const char *question, char *buffer, size_t size) {
  struct termios before;
  if (tcgetattr(terminal, &before) != 0) return -1;
  struct termios quiet = before;
  quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
  // Bytes that were typed before the question are dropped: they were shown, and meant for something else.
  if (tcsetattr(terminal, TCSAFLUSH, &quiet) != 0) return -1;
  ssize_t length = write_all(terminal, question) == 0 ? read_line(terminal, buffer, size) : -1;
  int error = errno;
  // In the background, SIGTTOU interrupts this every time.
  while (tcsetattr(terminal, TCSAFLUSH, &before) != 0 && errno == EINTR && caught != SIGTTOU) {}
  write_all(terminal, "\n");
  errno = error;
  return length;
}

ssize_t psu_read_secret(const char *question, char *buffer, size_t size) {
  int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) return -1;
  ssize_t length;
  int error;
  for (;;) {
    caught = 0;
    struct sigaction action = {.sa_handler = note}, before[signal_count];
    for (int index = 0; index < signal_count; index++) {
      sigaction(signals[index], NULL, &before[index]);
      if (before[index].sa_handler != SIG_IGN) sigaction(signals[index], &action, NULL);
    }
    length = ask(terminal, question, buffer, size);
    error = errno;
    for (int index = 0; index < signal_count; index++) sigaction(signals[index], &before[index], NULL);
    int number = caught;
    if (number == 0) break;
    explicit_bzero(buffer, size);
    // The terminal is as it was: now the signal takes its usual effect. After a stop, the question is asked again.
    kill(getpid(), number);
    if (!stops(number)) {
      length = -1;
      error = EINTR;
      break;
    }
  }
  if (length < 0) explicit_bzero(buffer, size);
  close(terminal);
  errno = error;
  return length;
}
