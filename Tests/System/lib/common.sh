# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# What every system test shares: where things lie, progress lines, checks that are counted, cleaning up.

# The checkout that this file belongs to, and the ignored directory in it that takes everything made.
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
BUILD=$TOP/build
mkdir -p "$BUILD"

checks_passed=0
checks_failed=0
checks_seen=()
cleanup_commands=()

# One line of progress, with the seconds since the script started.
say() { printf '[%4ds] %s\n' "$SECONDS" "$*"; }

# A quotation of what another program said, indented under the line that announced it.
quote() { sed 's/^/        | /'; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Runs at exit, last added first. The command is evaluated: quote what it names.
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

# check DESCRIPTION COMMAND...: runs the command, counts the outcome and goes on either way. Within a function the first
# command that fails counts as failure of the whole, which `if output=$(…)` would not see.
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
    checks_seen+=("seen      $description")
    say "ok: $description"
  else
    checks_failed=$((checks_failed + 1))
    checks_seen+=("NOT SEEN  $description")
    say "FAILED: $description"
    [ -z "$output" ] || quote <<<"$output"
  fi
}

# The opposite: the command must fail.
check_not() {
  local description=$1
  shift
  check "$description" fails "$@"
}

fails() { ! "$@"; }

# The closing lines of a test. The last one is read by machines.
finish() {
  printf '\n%s\n' "What was seen:"
  printf '  %s\n' "${checks_seen[@]}"
  printf '\n%d passed, %d failed\n' "$checks_passed" "$checks_failed"
  [ "$checks_failed" -eq 0 ] && [ "$checks_passed" -gt 0 ] || exit 1
}

need_root() { [ "$(id -u)" -eq 0 ] || die "this test builds Debian roots and needs to be run as root"; }

# need_programs PROGRAM...: names everything that is missing at once.
need_programs() {
  local program missing=()
  for program in "$@"; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -eq 0 ] || die "missing: ${missing[*]}; run 'make deps'"
}

# A fresh directory of this run below build/, removed at exit unless KEEP=1.
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
