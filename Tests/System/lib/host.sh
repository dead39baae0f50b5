# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# A whole host as in a Proxmox installation, in QEMU with real firmware. It has two disks with an ESP each, the root on
# a third, Debian's apt and initramfs-tools, and kernels and tools from stand-ins for Proxmox's packages. A fourth disk
# has the script to run. Needs common.sh, root.sh, image.sh, firmware.sh, guest.sh, product.sh and proxmox.sh.

# Two installed kernels, and one that is added and removed.
HOST_KERNELS=(6.8.12-10-pve 6.14.11-3-pve 6.14.11-4-pve)
HOST_ESP_MEGABYTES=400
# Disks after that with the script.
HOST_DISKS=()
HOST_CMDLINE="root=/dev/vdc console=ttyS0 quiet panic=-1 clearcpuid=141"
# More packages for its root, and a function that gets the root before it becomes a disk.
HOST_PACKAGES=()
HOST_PREPARE=:
# Seconds for booting, and the firmware's message if nothing boots.
HOST_BOOT_LIMIT=300
NOTHING_BOOTS='No bootable option or device was found'
HOST_END='^guest: end'
# Swift's runtime needs CMPXCHG16B. The kernel must not use it: under TCG that can end in a double fault.
# shellcheck disable=SC2034 # read where the firmware is started
FIRMWARE_CPU=Nehalem,+rdrand
# shellcheck disable=SC2034 # read where the firmware is started
FIRMWARE_CACHE=unsafe

# make_host DIRECTORY: the disks of a host that never had the package, and its variables, in Setup Mode. It boots a UKI
# on its first ESP, which `proxmox-boot-tool init` replaces.
make_host() {
  local directory=$1 root=$1/root release vmlinuz
  mkdir -p "$directory"
  say "a Debian $SUITE system with systemd and stand-ins for Proxmox's packages"
  copy_root "$root"
  # shellcheck disable=SC2046 # a list
  root_install "$root" systemd systemd-sysv udev systemd-boot dosfstools gdisk efibootmgr openssl "${HOST_PACKAGES[@]}" \
    $(dpkg-deb -f "$PACKAGE" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/,/ /g') >"$directory/install.log" 2>&1 ||
    fails tail -n 20 "$directory/install.log"
  host_initrd "$root/usr/share/stand-in-initrd"
  quick_initrds "$root"
  mkdir -p "$root/packages" "$root/etc/kernel" "$root/etc/pve-sb-uki/pve-sb-uki.conf.d"
  helper_package "$root/packages/helper.deb" 8.1.0
  for release in "${HOST_KERNELS[@]}"; do
    vmlinuz=$BUILD/cache/vmlinuz-$SYSTEM_KERNEL-as-$release
    if [ ! -e "$vmlinuz" ]; then
      ZSTD="chroot $BASE zstd" "$TOP/Tests/System/lib/rename-kernel" "$SYSTEM/boot/vmlinuz-$SYSTEM_KERNEL" "$release" "$vmlinuz.$$"
      mv "$vmlinuz.$$" "$vmlinuz"
    fi
    kernel_package "$root/packages/kernel-$release.deb" "proxmox-kernel-$release-signed" 1 "$release" "$vmlinuz"
    kernel_package "$root/packages/kernel-$release-unsigned.deb" "proxmox-kernel-$release" 1 "$release" "$vmlinuz"
  done
  cp "$PACKAGE" "$root/packages/pve-sb-uki.deb"
  # The newer kernel's twin remains as such packages do: replaced, without files.
  for release in helper "kernel-${HOST_KERNELS[0]}" "kernel-${HOST_KERNELS[1]}-unsigned" "kernel-${HOST_KERNELS[1]}"; do
    in_root "$root" dpkg -i --auto-deconfigure "/packages/$release.deb" >>"$directory/install.log" 2>&1 ||
      fails tail -n 20 "$directory/install.log"
  done
  host_system "$root"
  "$HOST_PREPARE" "$root"

  say "creating its disks"
  make_host_disk "$directory/esp1.img" AAAA0001
  make_host_disk "$directory/esp2.img" BBBB0002
  release=${HOST_KERNELS[1]}
  printf '%s' "$HOST_CMDLINE" >"$directory/cmdline"
  printf '%s' "$release" >"$directory/uname"
  "$TOP/Tests/System/lib/peer-uki" "$SYSTEM_STUB" "$root/boot/vmlinuz-$release" "$root/boot/initrd.img-$release" \
    "$directory/cmdline" "$root/etc/os-release" "$directory/uname" "$directory/first.efi"
  mmd -i "$directory/esp1.img@@1M" ::/EFI ::/EFI/BOOT
  mcopy -i "$directory/esp1.img@@1M" "$directory/first.efi" ::/EFI/BOOT/BOOTX64.EFI
  truncate -s 2G "$directory/root.img"
  mke2fs -q -t ext4 -d "$root" "$directory/root.img"
  cp "$FIRMWARE_VARIABLES" "$directory/store.fd"
  rm -rf --one-file-system "$root" "$directory"/{cmdline,uname,first.efi}
}

# make_host_disk IMAGE SERIAL: an empty EFI System Partition.
make_host_disk() {
  rm -f "$1" "$1.partition"
  mkfs.vfat -F 32 -i "$2" -C "$1.partition" $((HOST_ESP_MEGABYTES << 10)) >/dev/null
  truncate -s "$((HOST_ESP_MEGABYTES + 2))M" "$1"
  sgdisk --new "1:2048:+${HOST_ESP_MEGABYTES}M" --typecode 1:ef00 "$1" >/dev/null
  dd if="$1.partition" of="$1" bs=1M seek=1 conv=notrunc,sparse status=none
  rm "$1.partition"
}

# host_initrd FILE: the initrd with which all kernels mount the root.
host_initrd() {
  local tree applet
  tree=$(mktemp -d "$WORKSPACE/initrd.XXXXXX")
  mkdir "$tree"/{bin,dev,proc,sys,root}
  cp /bin/busybox "$tree/bin/busybox"
  for applet in sh mount insmod switch_root; do ln -s busybox "$tree/bin/$applet"; done
  # Includes modules that the system loads later: its kernels have no modules of their own.
  guest_modules "$tree/modules" "$SYSTEM" "$SYSTEM_KERNEL" virtio_pci virtio_blk ext4 vfat nls_cp437 nls_ascii \
    nls_iso8859-1 efivarfs
  cat >"$tree/init" <<-'EOF'
	#!/bin/sh
	mount -t devtmpfs dev /dev
	for module in /modules/*; do insmod "$module"; done
	mount -t ext4 /dev/vdc /root
	mount -o move /dev /root/dev
	exec switch_root /root /sbin/init
	EOF
  chmod 755 "$tree/init"
  (cd "$tree" && find . -mindepth 1 | cpio --quiet -o -H newc) | gzip -1 >"$1"
  rm -rf "$tree"
}

# host_system ROOT: configures the system, and disables units that cost time.
host_system() {
  local root=$1 unit
  echo "$HOST_CMDLINE" >"$root/etc/kernel/cmdline"
  echo "/dev/vdc / ext4 defaults 0 0" >"$root/etc/fstab"
  echo host >"$root/etc/hostname"
  tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
  install -m 755 "$TOP/Tests/System/lib/host-words" "$root/usr/local/sbin/host-words"
  cat >"$root/etc/systemd/system/words.service" <<-EOF
	[Unit]
	After=multi-user.target pve-sb-uki.service
	[Service]
	Type=oneshot
	ExecStart=/usr/local/sbin/host-words
	[Install]
	WantedBy=multi-user.target
	EOF
  ln -s ../words.service "$root/etc/systemd/system/multi-user.target.wants/"
  # A login would hang up the serial line used for the output.
  for unit in serial-getty@ttyS0.service getty@tty1.service getty.target systemd-logind.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-user-sessions.service \
    systemd-binfmt.service systemd-sysusers.service systemd-hwdb-update.service ldconfig.service \
    systemd-journal-catalog-update.service systemd-firstboot.service systemd-update-done.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \
    systemd-tmpfiles-clean.timer systemd-journal-flush.service modprobe@.service kmod-static-nodes.service \
    systemd-modules-load.service dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
    sys-kernel-tracing.mount proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
  done
}

# copy_host FROM TO: copies a host that is powered off.
copy_host() {
  mkdir -p "$2"
  cp --sparse=always "$1"/{esp1.img,esp2.img,root.img,store.fd} "$2/"
}

# start_host DIRECTORY SERIAL SCRIPT: powers it on, with the script on its fourth disk.
start_host() {
  local directory=$1 serial=$2
  printf '%s\n' "$3" >"$directory/script.img"
  truncate -s 64K "$directory/script.img"
  firmware_start "$directory/store.fd" "$directory/esp1.img" "$serial" "$directory/esp2.img" "$directory/root.img" \
    "$directory/script.img" "${HOST_DISKS[@]}"
}

# await_host SERIAL PATTERN SECONDS: waits until a line of the guest matches. Fails as soon as nothing boots.
await_host() {
  firmware_wait "$1" "$2|$NOTHING_BOOTS" "$3" && ! grep -qa "$NOTHING_BOOTS" "$1"
}

# run_host DIRECTORY SERIAL SCRIPT: powers it on and waits until the script has ended and the host has powered off.
run_host() {
  local status=0 left=300
  start_host "$1" "$2" "$3"
  await_host "$2" '^guest: up' "$HOST_BOOT_LIMIT" && await_host "$2" "$HOST_END" 600 || status=1
  while [ "$status" -eq 0 ] && kill -0 "$FIRMWARE_PID" 2>/dev/null && [ $((left -= 1)) -gt 0 ]; do sleep 0.1; done
  firmware_stop
  return "$status"
}

# host_setup_script CHAIN [DEB]: initialises Proxmox's boot tool, installs the package, and enrols its keys.
host_setup_script() {
  cat <<-EOF
	run init1 proxmox-boot-tool init /dev/vda1
	run init2 proxmox-boot-tool init /dev/vdb1
	echo Chain=$1 >/etc/pve-sb-uki/pve-sb-uki.conf.d/test.conf
	run install apt install ${2:-/packages/pve-sb-uki.deb}
	run export pve-sb-uki keys export /root/updates
	EOF
  cat <<-'EOF'
	for name in db KEK PK; do
		case $name in
		db) vendor=d719b2cb-3d3a-4596-a3bc-dad00e67656f ;;
		*) vendor=8be4df61-93ca-11d2-aa0d-00e098032b8c ;;
		esac
		# Attributes: non-volatile, boot service, run-time, time-based authenticated.
		(printf '\047\0\0\0' && cat /root/updates/$name.auth) >/run/update
		dd if=/run/update of="$efivars/$name-$vendor" bs=64k 2>/dev/null && say "$name taken"
	done
	run apply pve-sb-uki apply
	run status pve-sb-uki status
	efibootmgr
	EOF
}

# host_state DIRECTORY: everything that determines the next boot of a host that is off: loader.conf and dirty bit of each
# ESP, and the firmware's variables.
host_state() {
  local disk
  for disk in esp1 esp2; do
    printf '%s: %s; loader.conf: %s\n' "$disk" "$(is_dirty "$1/$disk.img" && echo "dirty bit" || echo clean)" \
      "$(mtype -i "$1/$disk.img@@1M" ::/loader/loader.conf 2>&1 | tr -d '\r' | paste -s -d '|' | sed 's/|/ | /g')"
  done
  "$TOP/Tests/System/lib/boot-variables" "$1/store.fd"
}

# The flag in the first sector that Linux sets while FAT is mounted for writing.
is_dirty() { [ $((0x$(od -An -tx1 -j $((2048 * 512 + 0x41)) -N 1 "$1" | tr -d ' ') & 1)) -eq 1 ]; }

# set_dirty IMAGE: sets that flag, as if it had not been unmounted.
set_dirty() { printf '\1' | dd of="$1" bs=1 seek=$((2048 * 512 + 0x41)) conv=notrunc status=none; }

# partition_is_sound IMAGE: according to fsck.vfat.
partition_is_sound() {
  local status=0
  dd if="$1" of="$1.partition" bs=1M skip=1 count="$HOST_ESP_MEGABYTES" conv=sparse status=none
  fsck.vfat -n "$1.partition" || status=1
  rm "$1.partition"
  return "$status"
}

# host_images DIRECTORY DISK: the UKIs on an ESP.
host_images() {
  mdir -b -i "$1/$2.img@@1M" ::/EFI/Linux 2>/dev/null | tr -d '\r' | sed -n 's,.*/\([^/]*\.efi\)$,\1,p' | sort | xargs
}

# what_came_up SERIAL: the booted image, as the guest reports it. Fails unless it is one of the package's UKIs and Secure
# Boot was on.
what_came_up() {
  local image
  image=$(serial_text "$1" | sed -n 's/^guest: image //p')
  echo "${image:-nothing}"
  case $image in
  pve-*.efi) guest_says "$1" "SecureBoot = 1" ;;
  *) return 1 ;;
  esac
}

# host_words SERIAL PATTERN: the guest's lines about PATTERN, without pve-sb-uki's notes about Proxmox's entries, which
# come every time.
host_words() {
  serial_text "$1" | { grep -aE "^guest: ($2) " || true; } |
    { grep -vE ' note: .* entries of type 1|said .* entries of type 1|said  *(are not signed|removes those)| UEFI Misc Device' ||
      true; }
}

# last_words SERIAL: the firmware's messages about each entry if nothing booted.
last_words() {
  serial_text "$1" | { grep -aE "BdsDxe: failed|$NOTHING_BOOTS|Error|panic" || true; } |
    sed -E 's/^ .* Error/Error/; s/ from [^:]*[)/](\\[^:]*)?:/ \1:/' | tail -n 12
}
