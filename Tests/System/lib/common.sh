# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Shared by all system tests: paths, progress lines, counted checks, cleanup.

# The checkout with this file, and its ignored directory for all output.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
BUILD=$TOP/build
mkdir -p "$BUILD"

checks_passed=0
checks_failed=0
checks_seen=()
cleanup_commands=()

# Prints a progress line with the seconds since the start.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# Indents the output of another program.
quote() { sed 's/^/        | /'; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs a command at exit, last added first. The command is evaluated: quote its arguments.
at_exit() { cleanup_commands+=("$1"); }

run_cleanup() {
  local status=$? index
  trap - EXIT
  set +e
  for ((index = ${#cleanup_commands[@]} - 1; index >= 0; index--)); do
    eval "${cleanup_commands[index]}"
  done
  exit "$status"
}
trap run_cleanup EXIT
set -E
trap 'echo "error: ${BASH_SOURCE[0]}:$LINENO: ${BASH_COMMAND%%$'"'\\n'"'*}" >&2' ERR
trap 'exit 130' INT
trap 'exit 143' TERM

# check DESCRIPTION COMMAND...: runs the command, counts the result and continues in any case. If COMMAND is a function,
# its first failing command fails the check; `if output=$(…)` would miss that.
check() {
  local description=$1 output status on_error
  shift
  on_error=$(trap -p ERR)
  trap - ERR
  set +e
  output=$(set -e; "$@" 2>&1)
  status=$?
  set -e
  eval "$on_error"
  if [ "$status" -eq 0 ]; then
    checks_passed=$((checks_passed + 1))
    checks_seen+=("passed  $description")
    say "ok: $description"
  else
    checks_failed=$((checks_failed + 1))
    checks_seen+=("FAILED  $description")
    say "FAILED: $description"
    [ -z "$output" ] || quote <<<"$output"
  fi
}

# check_not DESCRIPTION COMMAND...: the command must fail.
check_not() {
  local description=$1
  shift
  check "$description" fails "$@"
}

fails() { ! "$@"; }

# Prints the summary of a test. run-checks reads the last line.
finish() {
  printf '\n%s\n' "Checks:"
  printf '  %s\n' "${checks_seen[@]}"
  printf '\n%d passed, %d failed\n' "$checks_passed" "$checks_failed"
  [ "$checks_failed" -eq 0 ] && [ "$checks_passed" -gt 0 ] || exit 1
}

need_root() { [ "$(id -u)" -eq 0 ] || die "needs root, to build Debian roots"; }

# need_programs PROGRAM...: fails with a list of all missing programs.
need_programs() {
  local program missing=()
  for program in "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] || die "programs not found: ${missing[*]}; run 'make deps'"
}

# make_workspace NAME: an empty directory in build/, removed at exit unless KEEP=1. Sets WORKSPACE.
make_workspace() {
  WORKSPACE=$BUILD/$1
  rm -rf --one-file-system "$WORKSPACE"
  mkdir -p "$WORKSPACE"
  [ "${KEEP:-0}" = 1 ] || at_exit "rm -rf --one-file-system '$WORKSPACE'"
}

# flip_byte FILE OFFSET: inverts the lowest bit of one byte.
flip_byte() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  # shellcheck disable=SC2059 # the format is the byte
  printf "\\x$(printf '%02x' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
