# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# The guest that reports on the serial line what was booted.

GUEST_WORDS=$TOP/Tests/System/lib/guest-words
GUEST_BUSYBOX=/bin/busybox
# shellcheck disable=SC2034 # read where keys are enrolled
GUEST_CONSOLE=ttyS0
# shellcheck disable=SC2034 # read by the tests
GUEST_END='^guest: end'

# guest_initrd FILE ROOT VERSION [DIRECTORY]: creates a small initrd for one kernel of a root. It writes the directory's
# files to the firmware's variables, reports and switches off; if GUEST_DUMPS is set, it also prints all variables.
guest_initrd() {
  local file=$1 root=$2 version=$3 variables=${4:-} tree modules module applet
  tree=$(mktemp -d "$WORKSPACE/initrd.XXXXXX")
  mkdir "$tree"/{bin,dev,proc,sys}
  cp "$GUEST_BUSYBOX" "$tree/bin/busybox"
  for applet in sh mount insmod cat cut dd sha256sum tail tr uname sync poweroff echo; do ln -s busybox "$tree/bin/$applet"; done
  install -m 755 "$GUEST_WORDS" "$tree/init"
  # Packages of Debian 13 have them below usr; in a complete root, lib is a link to usr/lib.
  modules=$root/lib/modules/$version
  [ -d "$modules" ] || modules=$root/usr/lib/modules/$version
  module=$(find "$modules/" -name 'efivarfs.ko*' | sed -n 1p)
  [ -z "$module" ] || guest_module "$module" "$tree/efivarfs.ko"
  [ -z "$variables" ] || cp -r "$variables" "$tree/enrol"
  [ -z "${GUEST_DUMPS:-}" ] || touch "$tree/dump"
  (cd "$tree" && find . -mindepth 1 | cpio --quiet -o -H newc) | gzip -1 >"$file"
  rm -rf "$tree"
}

# guest_module MODULE FILE: writes the decompressed kernel module.
guest_module() {
  case $1 in
  *.xz) xz -dc "$1" >"$2" ;;
  *.zst) zstd -qdc "$1" >"$2" ;;
  *) cp "$1" "$2" ;;
  esac
}

# guest_modules DIRECTORY ROOT VERSION MODULE...: copies modules and their dependencies, named in the order of loading.
guest_modules() {
  local directory=$1 root=$2 version=$3 module file number=10
  shift 3
  mkdir -p "$directory"
  [ -d "$root/lib/modules/$version" ] || ln -s usr/lib "$root/lib"
  depmod -b "$root" "$version"
  for module; do modprobe -d "$root" -S "$version" --show-depends "$module"; done |
    sed -n '/^insmod /{ s///; s/ *$//; p; }' | awk '!seen[$0]++' | while read -r file; do
    guest_module "$file" "$directory/$number.ko"
    number=$((number + 1))
  done
}

# guest_script ROOT: makes initramfs-tools of a root add guest-words to every new initrd.
guest_script() {
  install -D -m 755 "$GUEST_WORDS" "$1/etc/initramfs-tools/scripts/init-premount/guest-words"
  echo efivarfs >>"$1/etc/initramfs-tools/modules"
}

# guest_says SERIAL TEXT: succeeds if the guest printed that line. Reads the whole log: a grep that stops early would
# make the program before it fail.
guest_says() { serial_text "$1" | grep -xF -- "guest: $2" >/dev/null; }

# guest_programs DIRECTORY PROGRAM...: copies programs of this machine, their libraries, and their loader as ld.so.
guest_programs() {
  local directory=$1 program
  shift
  mkdir -p "$directory"
  for program in "$@"; do
    cp "$(command -v "$program")" "$directory/"
    ldd "$(command -v "$program")" | awk '/=> \// { print $3 }' | xargs -I{} cp {} "$directory/"
  done
  cp "$(ldd "$(command -v "$1")" | awk '/ld-linux/ { print $1 }')" "$directory/ld.so"
}
