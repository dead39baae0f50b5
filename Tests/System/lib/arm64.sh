# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# An emulated AArch64 machine with AAVMF and Secure Boot. Needs common.sh, root.sh, firmware.sh, guest.sh and enrol.sh.

# Debian's cloud kernels start in half the time of the others.
ARM64_PACKAGES=(linux-image-cloud-arm64 systemd-boot-efi busybox-static qemu-efi-aarch64 shim-signed
  shim-helpers-arm64-signed)
ARM64_PROGRAMS=(qemu-system-arm binutils-aarch64-linux-gnu)

# use_arm64 SUITE: installs the emulator, fetches the suite's files (once; kept in build/cache), and makes the functions
# of the other files use them. Sets SYSTEM, SYSTEM_KERNEL and SYSTEM_STUB like unpack_system.
# shellcheck disable=SC2034 # read by other files
use_arm64() {
  "$TOP/Tests/System/install-dependencies" "${ARM64_PROGRAMS[@]}"
  SYSTEM=$BUILD/cache/arm64-$1
  [ -e "$SYSTEM.complete" ] || arm64_system "$1" "$SYSTEM"
  SYSTEM_KERNEL=$(newest_kernel "$SYSTEM")
  SYSTEM_STUB=$SYSTEM/usr/lib/systemd/boot/efi/linuxaa64.efi.stub
  FIRMWARE_QEMU=(qemu-system-aarch64 -machine "virt,accel=tcg")
  FIRMWARE_CPU=cortex-a72
  # This file enforces Secure Boot in both suites; AAVMF_CODE.fd does not in Debian 13.
  FIRMWARE_CODE=$SYSTEM/usr/share/AAVMF/AAVMF_CODE.ms.fd
  FIRMWARE_VARIABLES=$SYSTEM/usr/share/AAVMF/AAVMF_VARS.fd
  FIRMWARE_REMOVABLE=BOOTAA64.EFI
  GUEST_CONSOLE=ttyAMA0
  GUEST_BUSYBOX=$SYSTEM/bin/busybox
  [ -e "$GUEST_BUSYBOX" ] || GUEST_BUSYBOX=$SYSTEM/usr/bin/busybox
  export OBJCOPY=aarch64-linux-gnu-objcopy OBJDUMP=aarch64-linux-gnu-objdump
}

# arm64_system SUITE DIRECTORY: unpacks the suite's packages for arm64. Apt checks signatures.
arm64_system() {
  local suite=$1 directory=$2 apt=$BUILD/cache/arm64-$1.apt package kernel
  say "fetching Debian $suite's kernel, stub and firmware for arm64 (once; kept in build/cache)"
  rm -rf "$apt" "$directory"
  mkdir -p "$apt"/{lists/partial,cache/archives/partial,debs} "$directory"
  : >"$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" >"$apt/sources.list"
  cat >"$apt/apt.conf" <<-END
	Dir::Etc::SourceList "$apt/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::State::Lists "$apt/lists";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt/cache";
	APT::Architecture "arm64";
	APT::Architectures "arm64";
	APT::Sandbox::User "root";
	END
  APT_CONFIG=$apt/apt.conf apt-get -qq update
  for package in "${ARM64_PACKAGES[@]}"; do
    case $package in
    linux-image-*) # the package that the metapackage depends on
      kernel=$(APT_CONFIG=$apt/apt.conf apt-cache depends "$package" | awk '/Depends: linux-image-[0-9]/ && !seen++ { print $2 }')
      package=${kernel:?} ;;
    esac
    (cd "$apt/debs" && APT_CONFIG=$apt/apt.conf apt-get -qq download "$package")
  done
  for package in "$apt"/debs/*.deb; do dpkg-deb -x "$package" "$directory"; done
  rm -rf "$apt"
  touch "$directory.complete"
}
