# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# EFI System Partitions as FAT image files, filled without mounting: the kernel under test may have no vfat.

# make_esp IMAGE DIRECTORY: a FAT file system with the directory's content.
make_esp() {
  local image=$1 directory=$2 megabytes
  megabytes=$(($(du -sm "$directory" | cut -f 1) + 34))
  rm -f "$image"
  truncate -s "${megabytes}M" "$image"
  mkfs.vfat -F 32 -n ESP "$image" >/dev/null
  mcopy -s -Q -i "$image" "$directory"/* ::/
}

# section_offset FILE SECTION: where a PE section's bytes begin in the file.
section_offset() {
  local offset
  offset=$(LC_ALL=C objdump -h "$1" | awk -v name="$2" '$2 == name { print $6; exit }')
  [ -n "$offset" ] || die "$1 has no section $2"
  printf '%d\n' "0x$offset"
}
