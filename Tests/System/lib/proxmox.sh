# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Stand-ins for Proxmox's packages, with their names, file names and calls and none of their text.

PROXMOX_HOOK=/etc/kernel/postinst.d/zz-proxmox-boot
# Where the stand-ins' scripts tell that they were called.
PROXMOX_LOG=/var/log/proxmox-stand-in

# package_tree NAME VERSION [FIELD...]: begins a package. Sets TREE, to which files are then added.
package_tree() {
  local name=$1 version=$2
  shift 2
  TREE=$(mktemp -d "$WORKSPACE/tree.XXXXXX")
  mkdir "$TREE/DEBIAN"
  printf '%s\n' "Package: $name" "Version: $version" "Architecture: amd64" "Section: kernel" \
    "Maintainer: the pve-sb-uki authors <pve-sb-uki@example.org>" "$@" "Description: stand-in for tests" \
    >"$TREE/DEBIAN/control"
}

# put MODE PATH: a file of the package, from standard input.
put() {
  mkdir -p "$(dirname "$TREE$2")"
  cat >"$TREE$2"
  chmod "$1" "$TREE$2"
}

# pack FILE: ends the package.
pack() {
  chmod 755 "$TREE"
  (cd "$TREE" && find etc -type f 2>/dev/null | sed 's,^,/,' >"$TREE/DEBIAN/conffiles") || true
  dpkg-deb --root-owner-group -Znone -b "$TREE" "$1" >/dev/null
  rm -rf "$TREE"
}

# helper_package FILE VERSION [CONFFILE-CHANGE]: proxmox-kernel-helper. CONFFILE-CHANGE is what dpkg-maintscript-helper
# has to do, such as "rm_conffile PATH VERSION"; then zz-proxmox-boot is not in postinst.d any more, or under the new name.
helper_package() {
  local file=$1 version=$2 change=${3:-} script hook=$PROXMOX_HOOK
  package_tree proxmox-kernel-helper "$version"
  case $change in
  rm_conffile*) hook= ;;
  mv_conffile*) hook=$(cut -d ' ' -f 3 <<<"$change") ;;
  esac
  put 644 /usr/share/proxmox-kernel-helper/scripts/functions <<-'EOF'
	# Runs the calling script once more where its mounts are its own.
	in_own_namespace() {
		[ -z "$STAND_IN_UNSHARED" ] || return 0
		STAND_IN_UNSHARED=1 unshare --mount --propagation private "$0" "$@"
		exit $?
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
	exit "\$(cat /etc/stand-in-exit-code 2>/dev/null || echo 0)"
	EOF
  fi
  put 755 /etc/kernel/postinst.d/proxmox-auto-removal <<-'EOF'
	#!/bin/sh
	exit 0
	EOF
  put 755 /etc/kernel/postrm.d/zz-proxmox-boot <<-'EOF'
	#!/bin/sh
	exit 0
	EOF
  put 755 /etc/initramfs/post-update.d/proxmox-boot-sync <<-'EOF'
	#!/bin/sh
	proxmox-boot-tool refresh --hook zz-proxmox-boot
	EOF
  put 755 /usr/sbin/proxmox-boot-tool <<-'EOF'
	#!/bin/sh
	set -e
	case "$1 $2" in
	"refresh "*)
		for name in proxmox-auto-removal zz-proxmox-boot; do
			path=/etc/kernel/postinst.d/$name
			[ -z "$3" ] || [ "$3" = "$name" ] || continue
			if [ -f "$path" ] && [ -x "$path" ]; then "$path"; else echo "no hook $name" >&2; fi
		done
		;;
	"kernel pin") echo "$3" >/etc/kernel/proxmox-boot-pin ;;
	"kernel unpin") rm -f /etc/kernel/proxmox-boot-pin ;;
	*) exit 1 ;;
	esac
	EOF
  if [ -n "$change" ]; then
    for script in preinst postinst postrm; do
      # shellcheck disable=SC2016 # expanded in the script
      printf '%s\n' '#!/bin/sh' 'set -e' "dpkg-maintscript-helper $change"' -- "$@"' | put 755 "/DEBIAN/$script"
    done
  fi
  pack "$file"
}

# kernel_package FILE PACKAGE VERSION RELEASE VMLINUZ: proxmox-kernel-RELEASE or its twin -signed. As Proxmox's its
# scripts say nothing in DEB_MAINT_PARAMS, run the postrm hooks at removal and again at purge, and delete the initrd.
kernel_package() {
  local file=$1 name=$2 version=$3 release=$4 vmlinuz=$5 twin
  case $name in
  *-signed) twin=${name%-signed} ;;
  *) twin=$name-signed ;;
  esac
  package_tree "$name" "$version" "Conflicts: $twin" "Replaces: $twin"
  put 644 "/boot/vmlinuz-$release" <"$vmlinuz"
  put 644 "/usr/lib/modules/$release/modules.order" </dev/null
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

# microcode_package FILE VERSION: like intel-microcode and amd64-microcode it has initramfs-tools rebuild by trigger.
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

# quick_initrds ROOT: mkinitramfs of a root makes initrds out of what they would differ by, in no time. All else of
# initramfs-tools stays.
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
	{
		echo "initrd of $1"
		cat /etc/initramfs-tools/modules /usr/lib/firmware/stand-in-ucode/microcode.bin 2>/dev/null || true
	} >"$output"
	EOF
  chmod 755 "$1/usr/sbin/mkinitramfs"
}
