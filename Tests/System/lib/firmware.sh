# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# OVMF with Secure Boot in QEMU; with arm64.sh, AAVMF. Emulated, so that it runs without KVM; every wait has a time limit.

FIRMWARE_CODE=/usr/share/OVMF/OVMF_CODE_4M.secboot.fd
# shellcheck disable=SC2034 # read where keys are enrolled
FIRMWARE_VARIABLES=/usr/share/OVMF/OVMF_VARS_4M.fd
FIRMWARE_PID=
# The emulator and its machine, which arm64.sh replaces.
FIRMWARE_QEMU=(qemu-system-x86_64 -machine "q35,smm=on,accel=tcg"
  -global "driver=cfi.pflash01,property=secure,value=on" -global ICH9-LPC.disable_s3=1)
# Tests that run the product in the guest set another one.
FIRMWARE_CPU=Nehalem,+rdrand,-cx16
# The program that the firmware starts without a boot entry.
# shellcheck disable=SC2034 # read where keys are enrolled
FIRMWARE_REMOVABLE=BOOTX64.EFI
# A pipe to type into, if set; the output of the serial line goes to the file in any case.
FIRMWARE_KEYBOARD=
# Data accepted by QEMU survives its end, since the machine that runs it continues.
FIRMWARE_CACHE=writeback

# The firmware's message on the serial line when it rejects an image.
# shellcheck disable=SC2034 # read by the tests
REFUSAL='failed to load Boot[0-9A-F]* .*: Access Denied'

# firmware_start STORE DISK SERIAL [DISK...]: boots in the background; the store and the disks are changed in place.
firmware_start() {
  local store=$1 serial=$3 disk drives=() line=("-serial" "file:$3")
  for disk in "$2" "${@:4}"; do drives+=(-drive "if=virtio,format=raw,cache=$FIRMWARE_CACHE,file=$disk"); done
  firmware_stop
  : >"$serial"
  if [ -n "$FIRMWARE_KEYBOARD" ]; then
    rm -f "$serial.line"
    line=("-chardev" "socket,id=line,path=$serial.line,server=on,wait=on,logfile=$serial"
      "-serial" "chardev:line")
  fi
  setpriv --pdeathsig KILL "${FIRMWARE_QEMU[@]}" -cpu "$FIRMWARE_CPU" -m 1536 -nodefaults \
    -drive "if=pflash,unit=0,format=raw,readonly=on,file=$FIRMWARE_CODE" \
    -drive "if=pflash,unit=1,format=raw,file=$store" \
    "${drives[@]}" -display none -net none -no-reboot "${line[@]}" </dev/null >"$serial.qemu" 2>&1 &
  FIRMWARE_PID=$!
  [ -z "$FIRMWARE_KEYBOARD" ] || firmware_keyboard "$serial.line"
}

# firmware_type TEXT: types it on the serial line, as printf prints it.
firmware_type() {
  # shellcheck disable=SC2059 # the format is the text
  printf "$1" >"$FIRMWARE_KEYBOARD"
}

# firmware_keyboard SOCKET: connects the serial line to the pipe $FIRMWARE_KEYBOARD, until the machine stops. One
# connection reads all output: if it stops reading, the machine waits. It pauses between keys: firmware loses those that
# come too fast, and takes an escape sequence that comes too slowly for single keys.
firmware_keyboard() {
  rm -f "$FIRMWARE_KEYBOARD"
  mkfifo "$FIRMWARE_KEYBOARD"
  setpriv --pdeathsig KILL python3 -c '
import os, re, select, socket, sys, time
line = socket.socket(socket.AF_UNIX)
for _ in range(100):
    try:
        line.connect(sys.argv[1])
        break
    except OSError:
        time.sleep(0.1)
pipe = os.open(sys.argv[2], os.O_RDWR | os.O_NONBLOCK)
keys, due = [], 0
while True:
    ready, _, _ = select.select([line, pipe], [], [], 0.1)
    if line in ready and not line.recv(65536):
        break
    if pipe in ready:
        keys += re.findall(rb"\x1b\[[A-D]|.", os.read(pipe, 4096), re.DOTALL)
    if keys and time.monotonic() >= due:
        line.sendall(keys.pop(0))
        due = time.monotonic() + 0.5
' "$1" "$FIRMWARE_KEYBOARD" &
}

firmware_stop() {
  [ -n "$FIRMWARE_PID" ] || return 0
  kill "$FIRMWARE_PID" 2>/dev/null || true
  wait "$FIRMWARE_PID" 2>/dev/null || true
  FIRMWARE_PID=
}
at_exit firmware_stop

# Simulates a power cut.
firmware_cut() {
  kill -KILL "$FIRMWARE_PID" 2>/dev/null || true
  firmware_stop
}

# firmware_wait SERIAL PATTERN SECONDS: waits until a line matches. Fails on timeout or if the machine stops.
firmware_wait() {
  local serial=$1 pattern=$2 end=$((SECONDS + $3))
  until grep -qaE -- "$pattern" "$serial"; do
    if [ "$SECONDS" -ge "$end" ]; then
      echo "not seen within $3 seconds: $pattern"
      return 1
    fi
    if ! kill -0 "$FIRMWARE_PID" 2>/dev/null; then
      grep -qaE -- "$pattern" "$serial" && return 0
      echo "the machine stopped before: $pattern"
      quote <"$serial.qemu"
      return 1
    fi
    sleep 0.3
  done
}

# Prints the readable lines of a serial log, without the firmware's cursor movements.
serial_text() { LC_ALL=C sed -e 's/\x1b\[[0-9;?=]*[a-zA-Z]//g' -e 's/\r//g' "$1" | tr -cd '\11\12\40-\176' | grep -v '^ *$'; }

# boot_and_listen STORE DISK SERIAL PATTERN SECONDS: boots, waits for the pattern, stops.
boot_and_listen() {
  local status=0
  firmware_start "$1" "$2" "$3"
  firmware_wait "$3" "$4" "$5" || status=1
  firmware_stop
  return "$status"
}
