# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Runs a command of a root on a terminal and types answers. Needs common.sh, root.sh and life.sh. Keeps the screens in
# build/recordings.

TERMINAL_LINES=34
TERMINAL_COLUMNS=92

in_tmux() { tmux -L "pve-sb-uki-$$" -f /dev/null "$@"; }

# open_terminal NAME VARIABLE=VALUE... COMMAND...: starts the command on its own terminal.
open_terminal() {
  RECORDING=$BUILD/recordings/$1.txt
  ANSWERED=
  shift
  close_terminal
  mkdir -p "$BUILD/recordings"
  : >"$RECORDING"
  rm -f "$WORKSPACE"/terminal.*
  {
    printf '. %q\n' "$TOP/Tests/System/lib/root.sh"
    printf 'enter_root %q TERM=screen LC_ALL=C.UTF-8' "$ROOT"
    printf ' %q' "$@"
    echo
  } >"$WORKSPACE/terminal.command"
  printf '#!/bin/bash\nunset TMUX\ncd %q\nscript --quiet --return --flush --command "bash terminal.command" terminal.log
    echo $? >terminal.ended\nmv terminal.ended terminal.status\n' "$WORKSPACE" >"$WORKSPACE/terminal.script"
  in_tmux new-session -d -x "$TERMINAL_COLUMNS" -y "$TERMINAL_LINES" "bash $(printf '%q' "$WORKSPACE/terminal.script")"
}

screen() { in_tmux capture-pane -p 2>/dev/null; }
record() { { printf '%s\n' "---- $1" && screen | sed -e 's/ *$//' | cat -s; } >>"$RECORDING"; }

# The processes of the terminal, number and name.
terminal_processes() {
  ps -e -o pid=,ppid=,comm= | awk -v top="$(in_tmux display-message -p "#{pane_pid}" 2>/dev/null || true)" '
    { parent[$1] = $2; name[$1] = $3 }
    END { for (pid in parent) for (p = pid; p in parent; p = parent[p]) if (p == top) { print pid, name[pid]; break } }'
}
# The process that shows the dialog; each dialog has its own.
dialog_process() { terminal_processes | awk '$2 == "whiptail" && !seen++ { print $1 }'; }

# asks_for TEXT: whether the terminal asks for it, in an unanswered dialog or in the last line.
asks_for() {
  local process
  process=$(dialog_process)
  if [ -n "$process" ]; then
    [ "$process" != "$ANSWERED" ] && screen | grep -F -- "$1" >/dev/null && ASKING=$process
  else
    ASKING=
    screen | grep -v '^ *$' | tail -n 1 | grep -F -- "$1" >/dev/null
  fi
}

# at TEXT KEY...: waits at most five minutes until the terminal asks for TEXT, then types. KEY is a key name of tmux,
# else text.
at() {
  local text=$1 left=1500
  shift
  until asks_for "$text"; do
    if [ $((left -= 1)) -le 0 ] || [ -e "$WORKSPACE/terminal.status" ]; then
      echo "the question '$text' did not appear"
      screen || tail -n 40 "$WORKSPACE/terminal.log"
      close_terminal
      return 1
    fi
    sleep 0.2
  done
  ANSWERED=$ASKING
  record "asks for: $text; answered: $*"
  in_tmux send-keys "$@"
}

# leave_terminal: waits for the command, which must succeed. Writes its output to PRINTED.
leave_terminal() {
  local left=3000 status
  until [ -e "$WORKSPACE/terminal.status" ]; do
    if [ $((left -= 1)) -le 0 ]; then
      screen
      close_terminal
      return 1
    fi
    sleep 0.2
  done
  status=$(cat "$WORKSPACE/terminal.status")
  tr -d '\r' <"$WORKSPACE/terminal.log" >"$PRINTED"
  { echo "---- ended with $status" && sed -n '/^pve-sb-uki/p; /^\//p; /^  /p' "$PRINTED"; } >>"$RECORDING"
  close_terminal
  [ "$status" -eq 0 ]
}

# close_terminal: kills remaining processes; dpkg would survive the loss of its terminal.
close_terminal() {
  local processes
  processes=$(terminal_processes | cut -d ' ' -f 1)
  # shellcheck disable=SC2086 # a list
  [ -z "$processes" ] || kill -KILL $processes 2>/dev/null || true
  in_tmux kill-server 2>/dev/null || true
}
at_exit close_terminal
