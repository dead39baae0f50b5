# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# A Debian root in which the package is installed and removed many times. It has kernels, and a directory instead of an
# ESP. Needs common.sh, root.sh, image.sh and product.sh. Sets ROOT, ESP, PACKAGES and PRINTED.

LIFE_KERNELS=(6.8.12-10-pve 6.14.11-4-pve)
# Not a device: the devices of this machine are not those of the root.
LIFE_CMDLINE="root=ZFS=rpool/ROOT/pve-1 boot=zfs"
SETTINGS_FILE=/etc/pve-sb-uki/pve-sb-uki.conf

# life_root NAME...: makes the root, with the package's dependencies and these packages.
# shellcheck disable=SC2153 # of find_packages
life_root() {
  local release packages
  ROOT=$WORKSPACE/root
  ESP=$ROOT/boot/efi
  PACKAGES=$ROOT/packages
  PRINTED=$WORKSPACE/printed
  say "copying the Debian $SUITE root"
  copy_root "$ROOT"
  mkdir -p "$ESP" "$PACKAGES"
  cp "$PACKAGE" "$PACKAGES/pve-sb-uki.deb"
  packages=$(dpkg-deb -f "$PACKAGE" Depends | sed 's/([^)]*)//g; s/|[^,]*//g; s/,/ /g')
  # shellcheck disable=SC2086 # a list
  check "the dependencies install" root_install "$ROOT" $packages "$@"
  for release in "${LIFE_KERNELS[@]}"; do
    cp "$BUILD/fixtures/vmlinuz-$SUITE" "$ROOT/boot/vmlinuz-$release"
    small_initrd "$ROOT/boot/initrd.img-$release" "$release"
    mkdir -p "$ROOT/usr/lib/modules/$release"
    touch "$ROOT/usr/lib/modules/$release/modules.dep"
  done
  new_host
}

# small_initrd FILE TEXT: an initrd that has what a root file system on ZFS needs, and a file with the text.
small_initrd() {
  local tree
  tree=$(mktemp -d "$WORKSPACE/initrd.XXXXXX")
  mkdir "$tree/sbin"
  touch "$tree/init" "$tree/sbin/zpool" "$tree/sbin/zfs"
  echo "$2" >"$tree/text"
  (cd "$tree" && find . -mindepth 1 | sort | cpio --quiet -o -H newc --reproducible) >"$1"
  rm -r "$tree"
}

# new_host: removes all traces of the package, as on a host that never had it.
new_host() {
  # Hides debconf's messages about a missing package.
  in_root "$ROOT" dpkg --purge pve-sb-uki >/dev/null 2>&1 || true
  rm -rf "${ESP:?}"/* "$ROOT/etc/pve-sb-uki" "$ROOT/var/lib/pve-sb-uki" "$ROOT/run/pve-sb-uki" "$ROOT/etc/dkms"
  mkdir -p "$ROOT/etc/pve-sb-uki/pve-sb-uki.conf.d" "$ROOT/etc/kernel"
  echo "Esp=/boot/efi" >"$ROOT/etc/pve-sb-uki/pve-sb-uki.conf.d/esp.conf"
  echo "$LIFE_CMDLINE" >"$ROOT/etc/kernel/cmdline"
}

# Runs in the root without a terminal and keeps the output.
run() { in_root "$ROOT" "$@" >"$PRINTED" 2>&1 || fails tail -n 30 "$PRINTED"; }
install_package() {
  run apt-get -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@" /packages/pve-sb-uki.deb
}
reconfigure() { run dpkg-reconfigure pve-sb-uki; }
# preseed "QUESTION TYPE VALUE"...: as an administrator does before installing the package.
preseed() {
  printf 'pve-sb-uki pve-sb-uki/%s\n' "$@" >"$ROOT/packages/preseed"
  in_root "$ROOT" debconf-set-selections /packages/preseed
}

# shellcheck disable=SC2016 # dpkg's own words
status_of_package() { in_root "$ROOT" dpkg-query -W -f '${db:Status-Abbrev}' pve-sb-uki; }
is_configured() { [ "$(status_of_package)" = "ii " ]; }
# shellcheck disable=SC2016 # dpkg's own words
has_no_obsolete_conffile() {
  in_root "$ROOT" dpkg-query -W -f '${Conffiles}\n' pve-sb-uki >"$WORKSPACE/conffiles" &&
    fails grep -E 'obsolete|pve-sb-uki\.conf' "$WORKSPACE/conffiles"
}
# Without a terminal, a conffile prompt of dpkg is an error; this also looks for its text.
no_prompt() { fails grep -iE 'conffile prompt|configuration file|end of file on stdin' "$PRINTED"; }
says() { grep -qF -- "$1" "$PRINTED" || fails tail -n 30 "$PRINTED"; }
says_nothing_of() { fails grep -iE -- "$1" "$PRINTED"; }
setting() { sed -n "s/^$1=//p" "$ROOT$SETTINGS_FILE" | tail -n 1; }
setting_is() { [ "$(setting "$1")" = "$2" ] || fails cat "$ROOT$SETTINGS_FILE"; }

# The number of UKIs that the last command built.
built() { grep -cE ' signed$' "$PRINTED" || true; }
built_are() { [ "$(built)" -eq "$1" ] || fails tail -n 30 "$PRINTED"; }
image_of() { printf '%s\n' "$ESP/EFI/Linux/pve-$1.efi"; }
# images_are_right [LINE]: each kernel has a signed UKI with this command line.
images_are_right() {
  local release image certificate=$ROOT/etc/pve-sb-uki/keys/db.crt
  printf '%s' "${1:-$LIFE_CMDLINE}" >"$WORKSPACE/line"
  for release in "${LIFE_KERNELS[@]}"; do
    image=$(image_of "$release")
    sbverify --cert "${CERTIFICATE:-$certificate}" "$image" &&
      section_equals "$image" .linux "$ROOT/boot/vmlinuz-$release" &&
      section_equals "$image" .initrd "$ROOT/boot/initrd.img-$release" &&
      section_equals "$image" .cmdline "$WORKSPACE/line" || return 1
  done
}
no_image() { [ -z "$(find "$ESP" -name '*.efi')" ]; }

# previous_package FILE: the package before it had questions, when its settings were a conffile.
previous_package() {
  local tree=$WORKSPACE/previous
  rm -rf "$tree"
  dpkg-deb -R "$PACKAGE" "$tree"
  mkdir -p "$tree/etc/pve-sb-uki"
  { cat "$tree/usr/share/pve-sb-uki/pve-sb-uki.conf" && echo "# This is the text of the previous version."; } \
    >"$tree/etc/pve-sb-uki/pve-sb-uki.conf"
  rm -rf "$tree/usr/share/pve-sb-uki" "$tree"/DEBIAN/{config,templates,md5sums,prerm}
  echo "$SETTINGS_FILE" >>"$tree/DEBIAN/conffiles"
  sed -i 's/^Version: .*/Version: 0.0.9/' "$tree/DEBIAN/control"
  cat >"$tree/DEBIAN/preinst" <<-'EOF'
	#!/bin/sh
	set -e
	hook=/etc/kernel/postinst.d/zz-proxmox-boot
	dpkg-divert --quiet --package pve-sb-uki --add --rename --divert "$hook.distrib" "$hook"
	EOF
  cat >"$tree/DEBIAN/postinst" <<-'EOF'
	#!/bin/sh
	[ "$1" != configure ] || { pve-sb-uki keys create --if-missing && pve-sb-uki apply; }
	exit 0
	EOF
  dpkg-deb --root-owner-group -Zgzip -z1 -b "$tree" "$1" >/dev/null
  rm -rf "$tree"
}
