# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Kernel packages to repack: Debian's, and packages built from them with Proxmox's names, fields and maintainer scripts.

# shellcheck source=Tests/System/lib/sign-file.sh
. "$TOP/Tests/System/lib/sign-file.sh"

DEBIAN_PACKAGES=$BUILD/fixtures/debs
UNSIGNED_KERNEL=$DEBIAN_PACKAGES/linux-image-bookworm-unsigned.deb
# Uncompressed size of the xz blocks that dpkg-deb writes.
# shellcheck disable=SC2034 # read by the tests
XZ_BLOCK=25165824

# find_repacker DIRECTORY: sets REPACKER, unless it is set, to the command from the package, unpacked to DIRECTORY.
find_repacker() {
  [ -z "${REPACKER:-}" ] || return 0
  find_packages
  dpkg-deb -x "$REPACK_PACKAGE" "$1"
  REPACKER=$1/usr/bin/pve-sb-uki-repack
}

# make_signer DIRECTORY NAME [BITS]: makes NAME.key and a self-signed code-signing certificate NAME.crt.
make_signer() {
  mkdir -p "$1"
  openssl req -x509 -newkey "rsa:${3:-2048}" -nodes -sha256 -days 30 -subj "/CN=$2" -keyout "$1/$2.key" -out "$1/$2.crt" \
    -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=codeSigning 2>/dev/null
}

# unpack_kernel DIRECTORY PATTERN...: unpacks the matching files of Debian's unsigned kernel, and sets DEBIAN_KERNEL to
# its version.
unpack_kernel() {
  local directory=$1
  shift
  mkdir -p "$directory"
  dpkg-deb --fsys-tarfile "$UNSIGNED_KERNEL" | tar -x -C "$directory" --wildcards "$@"
  DEBIAN_KERNEL=$(dpkg-deb -f "$UNSIGNED_KERNEL" Package)
  DEBIAN_KERNEL=${DEBIAN_KERNEL#linux-image-}
  DEBIAN_KERNEL=${DEBIAN_KERNEL%-unsigned}
}

# system_map BYTES: prints a fake System.map, always the same.
system_map() {
  awk -v limit="$1" 'BEGIN {
    split("init exit probe remove read write open release alloc free get put show store irq work timer lock", word)
    split("acpi pci usb net tcp ext4 btrfs nvme scsi kvm cgroup sched mm vfs crypto hid i2c drm", place)
    split("T t D d r b", kind)
    for (address = 2164260864; size < limit; address += 16 + seed % 40 * 16) {
      seed = (seed * 1103515245 + 12345) % 2147483648
      line = sprintf("ffffffff%08x %s %s_%s_%x\n", address, kind[seed % 6 + 1], place[int(seed / 7) % 18 + 1],
        word[int(seed / 131) % 18 + 1], seed % 65521)
      size += length(line)
      printf "%s", line
    }
  }'
}

# proxmox_tree FROM TREE KERNEL VERSION: lays out Debian's kernel files in FROM as package proxmox-kernel-KERNEL.
proxmox_tree() {
  local from=$1 tree=$2 kernel=$3 version=$4 name=proxmox-kernel-$3 file
  mkdir -p "$tree/boot" "$tree/DEBIAN" "$tree/lib/modprobe.d" "$tree/usr/share/doc/$name"
  for file in System.map config vmlinuz; do
    [ ! -e "$from/boot/$file-$DEBIAN_KERNEL" ] || cp "$from/boot/$file-$DEBIAN_KERNEL" "$tree/boot/$file-$kernel"
  done
  if [ -e "$from/lib/modules" ]; then
    mkdir -p "$tree/lib/modules"
    cp -r "$from/lib/modules/$DEBIAN_KERNEL" "$tree/lib/modules/$kernel"
  fi
  echo "blacklist pcspkr" >"$tree/lib/modprobe.d/blacklist_$name.conf"
  echo "$name ($version) unstable; urgency=medium" | gzip -9n >"$tree/usr/share/doc/$name/changelog.Debian.gz"
  echo "GPL-2" >"$tree/usr/share/doc/$name/copyright"
  cat >"$tree/DEBIAN/control" <<CONTROL
Package: $name
Source: proxmox-kernel-${kernel%%-*}
Version: $version
Architecture: amd64
Maintainer: Kernel Test <kernel@example.org>
Installed-Size: 0
Depends: busybox, initramfs-tools | linux-initramfs-tool
Recommends: grub-pc | grub-efi-amd64 | grub-efi-ia32 | grub-efi-arm64
Suggests: pve-firmware
Provides: linux-image-$kernel-amd64, pve-kernel-$kernel
Section: admin
Priority: optional
Description: Proxmox Kernel Image
 This package contains the Linux kernel and initial ramdisk used for Proxmox VE
CONTROL
  cat >"$tree/DEBIAN/postinst" <<SCRIPT
#!/bin/sh
set -e
[ "\$1" = configure ] || exit 0
[ ! -e /proxmox_install_mode ] || exit 0
depmod $kernel
run-parts --verbose --exit-on-error --arg=$kernel --arg=/boot/vmlinuz-$kernel /etc/kernel/postinst.d
SCRIPT
  cat >"$tree/DEBIAN/prerm" <<SCRIPT
#!/bin/sh
set -e
[ "\$1" = remove ] || exit 0
[ ! -d /etc/kernel/prerm.d ] ||
  run-parts --verbose --exit-on-error --arg=$kernel --arg=/boot/vmlinuz-$kernel /etc/kernel/prerm.d
SCRIPT
  cat >"$tree/DEBIAN/postrm" <<SCRIPT
#!/bin/sh
set -e
[ "\$1" != upgrade ] || exit 0
[ ! -d /etc/kernel/postrm.d ] ||
  run-parts --verbose --exit-on-error --arg=$kernel --arg=/boot/vmlinuz-$kernel /etc/kernel/postrm.d
rm -f /boot/initrd.img-$kernel
[ "\$1" != purge ] || for file in alias alias.bin builtin.alias.bin builtin.bin dep dep.bin devname softdep symbols symbols.bin
do rm -f "/lib/modules/$kernel/modules.\$file"; done
SCRIPT
  chmod 755 "$tree"/DEBIAN/post* "$tree"/DEBIAN/prerm
}

# seal TREE: writes md5sums and Installed-Size like dh_md5sums and dpkg-gencontrol. The size includes 5 KiB for the
# files in DEBIAN that dpkg-gencontrol counts.
seal() {
  local size exempt=/dev/null
  [ ! -e "$1/DEBIAN/conffiles" ] || exempt=$1/DEBIAN/conffiles
  (cd "$1" && find . -type f -not -path './DEBIAN/*' -printf '%P\n' | LC_ALL=C sort | grep -vxFf <(sed 's:^/::' "$exempt") |
    tr '\n' '\0' | xargs -0r md5sum >DEBIAN/md5sums)
  size=$(find "$1" -mindepth 1 -not -path "$1/DEBIAN*" -printf '%y %s %n\n' |
    awk '{ size += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print size + 5 }')
  sed -i "s/^Installed-Size: .*/Installed-Size: $size/" "$1/DEBIAN/control"
  find "$1" -exec touch -h -d @1700000000 {} +
}

# pack TREE DEB OPTION...: builds the package with files owned by root and a fixed time.
pack() {
  local tree=$1 deb=$2
  shift 2
  SOURCE_DATE_EPOCH=1700000000 dpkg-deb --root-owner-group "$@" -b "$tree" "$deb" >/dev/null
}
