# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# EFI System Partitions as FAT image files, filled without mounting: the kernel under test may have no vfat.

# make_esp IMAGE DIRECTORY: creates a FAT file system with the directory's content.
make_esp() {
  local image=$1 directory=$2 megabytes
  megabytes=$(($(du -sm "$directory" | cut -f 1) + 34))
  rm -f "$image"
  truncate -s "${megabytes}M" "$image"
  mkfs.vfat -F 32 -n ESP "$image" >/dev/null
  mcopy -s -Q -i "$image" "$directory"/* ::/
}

# make_gpt_disk IMAGE DIRECTORY GUID: creates a disk whose first partition has that GUID and such a file system, with
# the serial number 1111-AAA1.
make_gpt_disk() {
  local image=$1 start=2048 size
  make_esp "$image.esp" "$2"
  size=$(($(stat -c %s "$image.esp") / 512))
  rm -f "$image"
  truncate -s $(((start + size + 2048) * 512)) "$image"
  sgdisk --new "1:$start:$((start + size - 1))" --typecode 1:ef00 --partition-guid "1:$3" "$image" >/dev/null
  printf '\xa1\xaa\x11\x11' | dd of="$image.esp" bs=1 seek=67 conv=notrunc status=none
  dd if="$image.esp" of="$image" bs=512 seek="$start" conv=notrunc,sparse status=none
  rm -f "$image.esp"
}

# section_offset FILE SECTION: prints the file offset of a PE section.
section_offset() {
  local offset
  offset=$(LC_ALL=C "${OBJDUMP:-objdump}" -h "$1" | awk -v name="$2" '$2 == name && !seen++ { print $6 }')
  [ -n "$offset" ] || die "$1 has no section $2"
  printf '%d\n' "0x$offset"
}
