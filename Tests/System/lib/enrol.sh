# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Enrols keys through the firmware: a guest in Setup Mode writes exported .auth files, as an administrator would.

# The label of the boot entry for the image under test.
BOOT_NAME="image under test"

# little_endian BYTES NUMBER
little_endian() {
  local i
  # shellcheck disable=SC2059 # the format is the byte
  for ((i = 0; i < $1; i++)); do printf "\\x$(printf '%02x' $((($2 >> (8 * i)) & 255)))"; done
}

utf16() { printf '%s\0' "$1" | iconv -f UTF-8 -t UTF-16LE; }

# load_option LABEL PATH [HEXADECIMAL]: prints a load option (UEFI 2.10, 3.1.3) whose device path is a file's path,
# after the specified nodes; without nodes, on any partition that has the file.
load_option() {
  local path_bytes=$((2 * (${#2} + 1))) nodes=${3:-} i
  little_endian 4 1
  little_endian 2 $((${#nodes} / 2 + 4 + path_bytes + 4))
  utf16 "$1"
  # shellcheck disable=SC2059 # the format is the byte
  for ((i = 0; i < ${#nodes}; i += 2)); do printf "\\x${nodes:i:2}"; done
  printf '\x04\x04'
  little_endian 2 $((4 + path_bytes))
  utf16 "$2"
  printf '\x7f\xff\x04\x00'
}

# enrol STORE DIRECTORY PATH: makes STORE a variable store in which the firmware has accepted PK.auth, KEK.auth and
# db.auth of the directory, and which starts the image PATH (such as \EFI\Linux\a.efi) first. The guest's output is kept
# in STORE.serial. Needs unpack_system.
enrol() {
  local store=$1 updates=$2 path=$3 directory name
  directory=$(mktemp -d "$WORKSPACE/enrol.XXXXXX")
  mkdir -p "$directory/variables" "$directory/esp/EFI/BOOT"
  # The attributes come first: non-volatile, boot service, run-time; for keys also time-based authenticated.
  for name in db KEK PK; do
    { little_endian 4 0x27 && cat "$updates/$name.auth"; } >"$directory/variables/$name"
  done
  { little_endian 4 0x07 && load_option "$BOOT_NAME" "$path"; } >"$directory/variables/Boot0077"
  { little_endian 4 0x07 && little_endian 2 0x77; } >"$directory/variables/BootOrder"

  guest_initrd "$directory/initrd" "$SYSTEM" "$SYSTEM_KERNEL" "$directory/variables"
  printf 'console=%s quiet' "$GUEST_CONSOLE" >"$directory/cmdline"
  printf '%s' "$SYSTEM_KERNEL" >"$directory/uname"
  "$TOP/Tests/System/lib/peer-uki" "$SYSTEM_STUB" "$SYSTEM/boot/vmlinuz-$SYSTEM_KERNEL" "$directory/initrd" \
    "$directory/cmdline" /etc/os-release "$directory/uname" "$directory/esp/EFI/BOOT/$FIRMWARE_REMOVABLE"
  make_esp "$directory/esp.img" "$directory/esp"

  cp "$FIRMWARE_VARIABLES" "$store"
  boot_and_listen "$store" "$directory/esp.img" "$store.serial" "$GUEST_END" 180 || return 1
  for name in db KEK PK Boot0077 BootOrder; do
    guest_says "$store.serial" "$name taken" || return 1
  done
}
