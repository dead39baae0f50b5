# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# An emulated AArch64 machine with AAVMF and Secure Boot. Needs common.sh, root.sh, packages.sh, firmware.sh, guest.sh and enrol.sh.

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
  unpack_packages "$SYSTEM" "$1" arm64 "${ARM64_PACKAGES[@]}"
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
