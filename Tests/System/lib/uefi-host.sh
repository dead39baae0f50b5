# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# A Debian root that looks like a running UEFI system with ESPs on disks of its own. Needs common.sh.

# The file system of the ESPs: FAT, or ext4 if this machine's kernel has no FAT.
esp_type() { if grep -qw vfat /proc/filesystems || modprobe -q vfat 2>/dev/null; then echo vfat; else echo ext4; fi; }

# make_esp_disk IMAGE MEGABYTES: a disk with one partition of that size. Sets ESP_DEVICE; the device is released at exit.
make_esp_disk() {
  local image=$1 loop
  rm -f "$image"
  truncate -s "$(($2 + 2))M" "$image"
  sgdisk --new "1:2048:+$2M" --typecode 1:ef00 "$image" >/dev/null
  loop=$(losetup --find --partscan --show "$image")
  at_exit "losetup --detach '$loop'"
  # Kernels without partition table support need this.
  [ -b "${loop}p1" ] || partx --add "$loop"
  ESP_DEVICE=${loop}p1
  case $(esp_type) in
  vfat) mkfs.vfat -F 32 "$ESP_DEVICE" >/dev/null ;;
  # Without lazy initialisation: it would write to the disk during measurements.
  *) mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0 "$ESP_DEVICE" ;;
  esac
}

# release_esp_disks DIRECTORY: detaches the disks in the directory that a killed run has left.
release_esp_disks() {
  local loop file
  losetup --list --noheadings --output NAME,BACK-FILE | while read -r loop file; do
    case $file in "$1"/*) losetup --detach "$loop" ;; esac
  done
}

# in_uefi_host ROOT VARIABLES "SERIAL=DEVICE ..." COMMAND...: runs the command in the root, in a mount namespace that ends
# with it. /dev/disk/by-uuid has the ESPs, and the directory VARIABLES replaces efivarfs. Replaces the shell: call it in the
# background. The command gets SIGTERM if the script is killed.
in_uefi_host() {
  # shellcheck disable=SC2016 # expanded inside
  exec setpriv --pdeathsig TERM unshare --mount --propagation private -- sh -ec '
    root=$1 variables=$2 links=$3; shift 3
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom "$root/dev/"
    mkdir -p "$root/dev/disk/by-uuid"
    for link in $links; do
      # The partition, and the disk for its number, position and GUID.
      cp -a "${link#*=}" "$(echo "${link#*=}" | sed "s/p1\$//")" "$root/dev/"
      ln -s "../../${link##*/}" "$root/dev/disk/by-uuid/${link%%=*}"
    done
    mount -t tmpfs tmpfs "$root/sys"
    mkdir -p "$root/sys/dev" "$root/sys/devices" "$root/sys/firmware/efi/efivars"
    mount --bind "$variables" "$root/sys/firmware/efi/efivars"
    mount --rbind /sys/dev "$root/sys/dev"
    mount --rbind /sys/devices "$root/sys/devices"
    mount -t tmpfs tmpfs "$root/run"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
  ' sh "$@" </dev/null
}
