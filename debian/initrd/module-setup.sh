#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# A module of dracut: adds the watchdog for trials.
# shellcheck disable=SC2154 # dracut sets moddir and initdir
guard_line() { /usr/share/pve-sb-uki/initrd/guard-settings; }

check() { [ -n "$(guard_line)" ] || return 255; }

installkernel() {
	local line
	line=$(guard_line)
	instmods "${line%% *}"
}

install() {
	inst_multiple kill mkdir modprobe rm sh sleep
	inst_simple /usr/share/pve-sb-uki/initrd/guard /usr/libexec/pve-sb-uki-guard
	mkdir -p "$initdir/etc"
	guard_line >"$initdir/etc/pve-sb-uki-guard"
	inst_hook pre-udev 10 "$moddir/guard-start.sh"
	inst_hook cleanup 90 "$moddir/guard-stop.sh"
}
