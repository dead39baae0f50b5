# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# The guest that tells on the serial line what was booted.

GUEST_WORDS=$TOP/Tests/System/lib/guest-words
# shellcheck disable=SC2034 # read by the tests
GUEST_END='^guest: end'

# guest_initrd FILE ROOT VERSION [DIRECTORY]: a small initrd for one kernel of a root, which reports and switches off.
# Before that it writes the directory's files to the firmware's variables.
guest_initrd() {
  local file=$1 root=$2 version=$3 variables=${4:-} tree modules module applet
  tree=$(mktemp -d "$WORKSPACE/initrd.XXXXXX")
  mkdir "$tree"/{bin,dev,proc,sys}
  cp /bin/busybox "$tree/bin/busybox"
  for applet in sh mount insmod cat cut dd sha256sum tail tr uname sync poweroff echo; do ln -s busybox "$tree/bin/$applet"; done
  install -m 755 "$GUEST_WORDS" "$tree/init"
  # Packages of Debian 13 have them below usr; in a whole root lib leads there.
  modules=$root/lib/modules/$version
  [ -d "$modules" ] || modules=$root/usr/lib/modules/$version
  module=$(find "$modules/" -name 'efivarfs.ko*' | head -n 1)
  case $module in
  '') ;;
  *.xz) xz -dc "$module" >"$tree/efivarfs.ko" ;;
  *.zst) zstd -qdc "$module" >"$tree/efivarfs.ko" ;;
  *) cp "$module" "$tree/efivarfs.ko" ;;
  esac
  [ -z "$variables" ] || cp -r "$variables" "$tree/enrol"
  (cd "$tree" && find . -mindepth 1 | cpio --quiet -o -H newc) | gzip -1 >"$file"
  rm -rf "$tree"
}

# guest_script ROOT: makes initramfs-tools of a root put the words into every initrd from now on.
guest_script() {
  install -D -m 755 "$GUEST_WORDS" "$1/etc/initramfs-tools/scripts/init-premount/guest-words"
  echo efivarfs >>"$1/etc/initramfs-tools/modules"
}

# guest_says SERIAL TEXT: the guest's own line.
guest_says() { serial_text "$1" | grep -qxF -- "guest: $2"; }

# guest_programs DIRECTORY PROGRAM...: copies programs of this machine with the libraries they need, and their loader as
# ld.so.
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
