# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Stand-ins for Proxmox's packages: the same names, file names and calls, but none of their code.

PROXMOX_HOOK=/etc/kernel/postinst.d/zz-proxmox-boot
# The stand-ins' scripts log their calls here.
PROXMOX_LOG=/var/log/proxmox-stand-in

# package_tree NAME VERSION [FIELD...]: starts a package. Sets TREE, the directory for its files.
package_tree() {
  local name=$1 version=$2
  shift 2
  TREE=$(mktemp -d "$WORKSPACE/tree.XXXXXX")
  mkdir "$TREE/DEBIAN"
  printf '%s\n' "Package: $name" "Version: $version" "Architecture: amd64" "Section: kernel" \
    "Maintainer: the pve-sb-uki authors <pve-sb-uki@example.org>" "$@" "Description: stand-in for tests" \
    >"$TREE/DEBIAN/control"
}

# put MODE PATH: adds a file to the package, from standard input.
put() {
  mkdir -p "$(dirname "$TREE$2")"
  cat >"$TREE$2"
  chmod "$1" "$TREE$2"
}

# pack FILE: builds the package.
pack() {
  chmod 755 "$TREE"
  (cd "$TREE" && find etc -type f 2>/dev/null | sed 's,^,/,' >"$TREE/DEBIAN/conffiles") || true
  dpkg-deb --root-owner-group -Znone -b "$TREE" "$1" >/dev/null
  rm -rf "$TREE"
}

# helper_package FILE VERSION [CONFFILE-CHANGE]: proxmox-kernel-helper. CONFFILE-CHANGE is an action for
# dpkg-maintscript-helper, such as "rm_conffile PATH VERSION"; the package then drops or renames zz-proxmox-boot. On a host
# with a list of ESPs and firmware variables, it leaves the same files on them as 8.1.0 with systemd-boot.
helper_package() {
  local file=$1 version=$2 change=${3:-} script hook=$PROXMOX_HOOK
  package_tree proxmox-kernel-helper "$version"
  case $change in
  rm_conffile*) hook= ;;
  mv_conffile*) hook=$(cut -d ' ' -f 3 <<<"$change") ;;
  esac
  put 644 /usr/share/proxmox-kernel-helper/scripts/functions <<-'EOF'
	list=/etc/kernel/proxmox-boot-uuids
	pin=/etc/kernel/proxmox-boot-pin
	next_pin=/etc/kernel/next-boot-pin
	mounts=/var/tmp/espmounts

	# Runs the calling script again in its own mount namespace.
	in_own_namespace() {
		[ -z "$STAND_IN_UNSHARED" ] || return 0
		STAND_IN_UNSHARED=1 unshare --mount --propagation private "$0" "$@"
		exit $?
	}

	# The kernels that get entries: the running one, the one that a hook is called for, those added by hand, the two
	# newest packages, the newest of the previous series if there are packages of series, and pinned ones.
	wanted_kernels() {
		names=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 'proxmox-kernel-*' 'pve-kernel-*' 2>/dev/null |
			sed -nE '/^[ih][^nc]/{ s/^[^ ]+ +//; s/^(proxmox|pve)-kernel-([0-9]+\..*)$/\2/p; }' |
			sed 's/-signed$//' | sort -ruV) || true
		series=$(echo "$names" | grep -v -- -pve | sed -n 1,2p | tail -n 1) || true
		{
			[ ! -e "/boot/vmlinuz-$(uname -r)" ] || uname -r
			echo "$1"
			cat /etc/kernel/proxmox-boot-manual-kernels 2>/dev/null || true
			echo "$names" | grep -- -pve | sed -n 1,2p || true
			[ -z "$series" ] || echo "$names" | grep "^$series\..*-pve" | sed -n 1p || true
			for file in "$pin" "$next_pin"; do [ ! -e "$file" ] || head -n 1 "$file"; done
		} | grep . | sort -u
	}

	# update_esp PARTITION KERNELS: updates copies, entries and the loader's default, and removes unused ones.
	update_esp() {
		esp=$mounts/${1##*/}
		mkdir -p "$esp"
		mount "$1" "$esp" || return 0
		if [ -f "$esp/loader/loader.conf" ] && [ -d "$esp/EFI/proxmox" ]; then
			for kernel in $2; do add_kernel "$kernel"; done
			default=proxmox-*
			for file in "$pin" "$next_pin"; do [ ! -e "$file" ] || default=proxmox-$(head -n 1 "$file").conf; done
			# sed writes a temporary file and renames it.
			grep -q '^default ' "$esp/loader/loader.conf" || echo "default none" >>"$esp/loader/loader.conf"
			sed -i "s/^default .*/default $default/" "$esp/loader/loader.conf"
			for directory in "$esp"/EFI/proxmox/*/; do
				kernel=$(basename "$directory")
				if [ -d "$directory" ] && ! echo "$2" | grep -xF "$kernel" >/dev/null; then
					rm -rf "$directory" "$esp/loader/entries/proxmox-$kernel.conf"
				fi
			done
		else
			echo "$1 is skipped"
		fi
		umount "$esp"
		rmdir "$esp"
	}

	add_kernel() {
		[ -f "/boot/vmlinuz-$1" ] && [ -f "/boot/initrd.img-$1" ] || return 0
		mkdir -p "$esp/EFI/proxmox/$1"
		cp --preserve=timestamps "/boot/vmlinuz-$1" "/boot/initrd.img-$1" "$esp/EFI/proxmox/$1/"
		printf '%-9s%s\n' title "Stand-in for Proxmox VE" version "$1" options "$(head -n 1 /etc/kernel/cmdline)" \
			linux "/EFI/proxmox/$1/vmlinuz-$1" initrd "/EFI/proxmox/$1/initrd.img-$1" \
			>"$esp/loader/entries/proxmox-$1.conf"
	}

	# Like Proxmox's tool, disables the hooks of Debian's systemd-boot in their first lines.
	switch_off() {
		for file in /etc/kernel/postinst.d/zz-systemd-boot /etc/kernel/postrm.d/zz-systemd-boot \
			/etc/initramfs/post-update.d/systemd-boot; do
			if [ -e "$file" ] && ! grep -q '^# switched off$' "$file"; then
				sed -i '1a # switched off\nexit 0' "$file"
			fi
		done
	}

	# update_esps [KERNEL]
	update_esps() {
		[ -e "$list" ] && [ -d /sys/firmware/efi ] || return 0
		kernels=$(wanted_kernels "$1")
		grep . "$list" | while read -r serial; do
			[ ! -e "/dev/disk/by-uuid/$serial" ] || update_esp "/dev/disk/by-uuid/$serial" "$kernels"
		done
		switch_off
	}

	# make_esp PARTITION: installs an unsigned boot loader and adds a line to the list.
	make_esp() {
		serial=$(blkid -o value -s UUID "$1")
		esp=$mounts/$serial
		mkdir -p "$esp"
		mount -t vfat "$1" "$esp"
		mkdir -p "$esp/EFI/proxmox"
		bootctl --graceful --path "$esp" install
		printf 'timeout 3\ndefault proxmox-*\n' >"$esp/loader/new"
		mv "$esp/loader/new" "$esp/loader/loader.conf"
		umount "$1"
		{ cat "$list" 2>/dev/null || true; echo "$serial"; } | sort -u >"$list.new"
		mv "$list.new" "$list"
	}
	EOF
  if [ -n "$hook" ]; then
    put 755 "$hook" <<-EOF
	#!/bin/sh
	# version $version of the stand-in
	set -e
	. /usr/share/proxmox-kernel-helper/scripts/functions
	in_own_namespace "\$@"
	echo "zz-proxmox-boot $version was here: \$0 \$*" | sed 's/ *\$//' | tee -a $PROXMOX_LOG
	update_esps "\$1"
	echo "zz-proxmox-boot is done"
	exit "\$(cat /etc/stand-in-exit-code 2>/dev/null || echo 0)"
	EOF
  fi
  put 755 /etc/kernel/postinst.d/proxmox-auto-removal <<-'EOF'
	#!/bin/sh
	exit 0
	EOF
  put 755 /etc/kernel/postrm.d/zz-proxmox-boot <<-'EOF'
	#!/bin/sh
	set -e
	. /usr/share/proxmox-kernel-helper/scripts/functions
	in_own_namespace "$@"
	update_esps
	echo "zz-proxmox-boot is done"
	EOF
  put 755 /etc/initramfs/post-update.d/proxmox-boot-sync <<-'EOF'
	#!/bin/sh
	# The hook of the kernel's package runs later.
	[ -n "$INITRAMFS_TOOLS_KERNEL_HOOK" ] || proxmox-boot-tool refresh --hook zz-proxmox-boot
	EOF
  put 755 /usr/sbin/proxmox-boot-tool <<-'EOF'
	#!/bin/sh
	set -e
	. /usr/share/proxmox-kernel-helper/scripts/functions
	refresh() {
		for name in proxmox-auto-removal zz-proxmox-boot; do
			path=/etc/kernel/postinst.d/$name
			[ -z "$1" ] || [ "$1" = "$name" ] || continue
			if [ -f "$path" ] && [ -x "$path" ]; then "$path"; else echo "no hook $name" >&2; fi
		done
	}
	case "$1 $2" in
	"init "*)
		in_own_namespace "$@"
		make_esp "$2"
		refresh
		;;
	"reinit "*)
		in_own_namespace "$@"
		for serial in $(cat "$list"); do
			[ ! -e "/dev/disk/by-uuid/$serial" ] || make_esp "/dev/disk/by-uuid/$serial"
		done
		;;
	"refresh "*) refresh "$3" ;;
	"clean "*)
		sort -u "$list" | while read -r serial; do
			[ ! -e "/dev/disk/by-uuid/$serial" ] || echo "$serial"
		done >"$list.new"
		mv "$list.new" "$list"
		;;
	"kernel pin")
		[ -e "/boot/vmlinuz-$3" ]
		if [ "$4" = --next-boot ]; then echo "$3" >"$next_pin"; else echo "$3" >"$pin"; fi
		;;
	"kernel unpin")
		rm -f "$next_pin"
		[ "$3" = --next-boot ] || rm -f "$pin"
		;;
	*) exit 1 ;;
	esac
	EOF
  # A pin for one boot ends with that boot.
  put 644 /usr/lib/systemd/system/proxmox-boot-cleanup.service <<-'EOF'
	[Unit]
	ConditionPathExists=/etc/kernel/next-boot-pin
	[Service]
	Type=oneshot
	ExecStart=/usr/sbin/proxmox-boot-tool kernel unpin --next-boot
	ExecStart=/usr/sbin/proxmox-boot-tool refresh
	[Install]
	WantedBy=multi-user.target
	EOF
  if [ -n "$change" ]; then
    for script in preinst postinst postrm; do
      # shellcheck disable=SC2016 # expanded in the script
      printf '%s\n' '#!/bin/sh' 'set -e' "dpkg-maintscript-helper $change"' -- "$@"' | put 755 "/DEBIAN/$script"
    done
  fi
  pack "$file"
}

# kernel_package FILE PACKAGE VERSION RELEASE VMLINUZ: proxmox-kernel-RELEASE or its twin -signed. Like Proxmox's, its
# scripts do not set DEB_MAINT_PARAMS, run the postrm hooks on removal and again on purge, and delete the initrd.
kernel_package() {
  local file=$1 name=$2 version=$3 release=$4 vmlinuz=$5 twin list
  case $name in
  *-signed) twin=${name%-signed} ;;
  *) twin=$name-signed ;;
  esac
  package_tree "$name" "$version" "Conflicts: $twin" "Replaces: $twin"
  put 644 "/boot/vmlinuz-$release" <"$vmlinuz"
  # Without them a kernel cannot load modules. These list none.
  for list in modules.order modules.dep modules.builtin; do put 644 "/usr/lib/modules/$release/$list" </dev/null; done
  put 755 /DEBIAN/postinst <<-EOF
	#!/bin/sh
	case "\$1" in
	configure) run-parts --verbose --exit-on-error --arg=$release --arg=/boot/vmlinuz-$release /etc/kernel/postinst.d ;;
	esac
	EOF
  put 755 /DEBIAN/prerm <<-EOF
	#!/bin/sh
	case "\$1" in
	remove) [ ! -d /etc/kernel/prerm.d ] ||
		run-parts --verbose --exit-on-error --arg=$release --arg=/boot/vmlinuz-$release /etc/kernel/prerm.d ;;
	esac
	EOF
  put 755 /DEBIAN/postrm <<-EOF
	#!/bin/sh
	set -e
	case "\$1" in *upgrade*) exit 0 ;; esac
	run-parts --verbose --exit-on-error --arg=$release --arg=/boot/vmlinuz-$release /etc/kernel/postrm.d
	rm -f /boot/initrd.img-$release /boot/initrd.img-$release.bak /var/lib/initramfs-tools/$release
	[ "\$1" = purge ] || exit 0
	rm -f /lib/modules/$release/modules.dep /lib/modules/$release/modules.*.bin
	rmdir /lib/modules/$release 2>/dev/null || true
	EOF
  pack "$file"
}

# microcode_package FILE VERSION: like intel-microcode and amd64-microcode, it triggers a rebuild by initramfs-tools.
microcode_package() {
  package_tree stand-in-microcode "$2" "Depends: initramfs-tools | dracut"
  put 644 /usr/lib/firmware/stand-in-ucode/microcode.bin <<<"$2"
  put 755 /DEBIAN/postinst <<-'EOF'
	#!/bin/sh
	set -e
	[ "$1" != configure ] || ! command -v update-initramfs >/dev/null || update-initramfs -u
	EOF
  pack "$1"
}

# quick_initrds ROOT: replaces mkinitramfs in a root with one that quickly writes only the inputs that make initrds
# differ. The rest of initramfs-tools is unchanged. An initrd for all kernels in /usr/share/stand-in-initrd is prepended.
quick_initrds() {
  in_root "$1" dpkg-divert --quiet --local --rename --add --divert /usr/sbin/mkinitramfs.real /usr/sbin/mkinitramfs
  cat >"$1/usr/sbin/mkinitramfs" <<-'EOF'
	#!/bin/sh
	set -e
	[ "$1" != --version ] || exec mkinitramfs.real --version
	while [ $# -gt 1 ]; do
		case $1 in
		-o) output=$2 && shift 2 ;;
		*) shift ;;
		esac
	done
	difference() {
		echo "initrd of $1"
		cat /etc/initramfs-tools/modules /usr/lib/firmware/stand-in-ucode/microcode.bin 2>/dev/null || true
	}
	# With all that the kernel of a host with its root on ZFS needs.
	directory=$(mktemp -d)
	mkdir "$directory/sbin"
	difference "$1" >"$directory/difference"
	touch "$directory/sbin/zpool" "$directory/sbin/zfs"
	[ -e /usr/share/stand-in-initrd ] || touch "$directory/init"
	(
		[ ! -e /usr/share/stand-in-initrd ] || cat /usr/share/stand-in-initrd
		cd "$directory" && find . -mindepth 1 | sort | cpio --quiet -o -H newc --reproducible | gzip -n
	) >"$output"
	rm -r "$directory"
	EOF
  chmod 755 "$1/usr/sbin/mkinitramfs"
}
