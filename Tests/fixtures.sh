#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
#
# Fetches real test inputs to build/fixtures: systemd's stub and boot loader and a kernel with its package from Debian 12
# and 13, Debian 12's unsigned kernel, stubs and boot loaders for arm64, the programs with which initrds read the command
# line, dracut, and programs signed by Microsoft and Debian. Uses apt, with signatures checked, and this machine's mirror. Does
# nothing if they exist.
set -eu
cd "$(dirname "$0")/.."
out=build/fixtures
apt=$PWD/build/apt
[ ! -e "$out/.complete-4" ] || [ ! -e "$out/.complete-readers-2" ] || [ ! -e "$out/.complete-arm64-1" ] ||
  [ ! -e "$out/.complete-signed-1" ] || exit 0
mkdir -p "$out/debs" "$apt/lists/partial" "$apt/archives/partial"

# The Debian archive in most of this machine's apt sources.
# shellcheck disable=SC2016  # apt expands the placeholder
mirror=$(apt-get indextargets --format '$(SITE)' | grep -v security | sort | uniq -c | sort -rn | awk 'NR == 1 { print $2 }')
[ -n "$mirror" ] || { echo "fixtures: no apt source found; run apt-get update first" >&2; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

fetch() { # SUITE ARCHITECTURE PACKAGE...
  suite=$1 architecture=$2; shift 2
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$apt/$suite.list"
  : >"$apt/status"
  cat >"$apt/$suite.conf" <<-EOF
	Dir::Etc::SourceList "$apt/$suite.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::State::Lists "$apt/lists";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt/cache-$suite";
	APT::Get::List-Cleanup "0";
	APT::Architecture "$architecture";
	APT::Architectures "$architecture";
	APT::Sandbox::User "root";
	EOF
  export APT_CONFIG="$apt/$suite.conf"
  mkdir -p "$apt/cache-$suite/archives/partial"
  apt-get -qq update
  for package; do
    case $package in
      linux-image-amd64) # the package that the metapackage depends on
        package=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image-[0-9]/ { print $2; exit }') ;;
      unsigned) package=$kernel-unsigned ;;
    esac
    (cd "$apt/archives" && apt-get -qq download "$package")
    rm -rf "${apt:?}/tree"
    dpkg-deb -x "$apt/archives/$package"_*.deb "$apt/tree"
    case $package:$architecture in
      systemd-boot-efi:arm64)
        cp "$apt/tree/usr/lib/systemd/boot/efi/linuxaa64.efi.stub" "$out/stub-$suite-arm64"
        cp "$apt/tree/usr/lib/systemd/boot/efi/systemd-bootaa64.efi" "$out/systemd-boot-$suite-arm64" ;;
      systemd-boot-efi:*)
        cp "$apt/tree/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$out/stub-$suite"
        cp "$apt/tree/usr/lib/systemd/boot/efi/systemd-bootx64.efi" "$out/systemd-boot-$suite" ;;
      *-unsigned:*) mv "$apt/archives/$package"_*.deb "$out/debs/linux-image-$suite-unsigned.deb" ;;
      initramfs-tools-core:*) cp "$apt/tree/usr/share/initramfs-tools/init" "$out/initramfs-init-$suite" ;;
      shim-signed:*) cp "$apt/tree/usr/lib/shim/shimx64.efi.signed" "$out/shim-$suite" ;;
      grub-efi-amd64-signed:*) cp "$apt/tree/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$out/grub-$suite" ;;
      fwupd-amd64-signed:*) cp "$apt/tree/usr/libexec/fwupd/efi/fwupdx64.efi.signed" "$out/fwupd-$suite" ;;
      dracut-core:*)
        cp "$apt/tree/usr/lib/dracut/dracut-util" "$out/dracut-util-$suite"
        cp "$apt/tree/usr/bin/dracut" "$out/dracut-$suite" ;;
      linux-image-*)
        kernel=$package
        cp "$apt"/tree/boot/vmlinuz-* "$out/vmlinuz-$suite"
        mv "$apt/archives/$package"_*.deb "$out/debs/linux-image-$suite-signed.deb" ;;
    esac
    rm -f "$apt/archives/$package"_*.deb
  done
  rm -rf "${apt:?}/tree"
}

if [ ! -e "$out/.complete-4" ]; then
  echo "fixtures: fetching stubs, boot loaders and kernel packages of Debian 12 and 13" >&2
  fetch bookworm amd64 systemd-boot-efi linux-image-amd64 unsigned
  fetch trixie amd64 systemd-boot-efi linux-image-amd64
  fetch trixie arm64 systemd-boot-efi
  touch "$out/.complete-4"
fi
if [ ! -e "$out/.complete-arm64-1" ]; then
  echo "fixtures: fetching Debian 12's stub and boot loader for arm64" >&2
  fetch bookworm arm64 systemd-boot-efi
  touch "$out/.complete-arm64-1"
fi
if [ ! -e "$out/.complete-readers-2" ]; then
  echo "fixtures: fetching initramfs-tools and dracut of Debian 12 and 13" >&2
  for suite in bookworm trixie; do fetch "$suite" amd64 initramfs-tools-core dracut-core; done
  touch "$out/.complete-readers-2"
fi
if [ ! -e "$out/.complete-signed-1" ]; then
  echo "fixtures: fetching shim, GRUB and fwupd of Debian 12 and 13" >&2
  for suite in bookworm trixie; do fetch "$suite" amd64 shim-signed grub-efi-amd64-signed fwupd-amd64-signed; done
  touch "$out/.complete-signed-1"
fi
