# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# The steps of `make check` and `make check-full`, in order; those that need no packages come first. run-checks has the
# functions that add a step.
# shellcheck disable=SC2034 # run-checks reads them

# Seconds that a step may take. The limits are only for steps that hang: even a machine three times slower than a quiet
# one with two cores stays far below them.
quick_limit=5400
full_limit=14400

# add_steps quick|full: adds the steps of check or check-full.
add_steps() {
  step_mode=$1 step_limit=$quick_limit
  step dependencies "Debian packages that the checks need" Tests/System/install-dependencies
  step fixtures "real stubs, boot loaders and kernels" Tests/fixtures.sh
  step lint "swift-format and shellcheck" make --no-print-directory lint
  step checks "run-checks itself" Tests/System/run-checks-test
  step unit "all unit tests" Tests/System/unit-tests
  graded fuzz "parsers on damaged inputs" Tests/System/fuzz-test
  step translation "catalogues are complete" Tests/System/translation-test
  # Only errors fail the step. As root, lintian prints a warning to stderr.
  # shellcheck disable=SC2016 # expanded inside
  step deb "build the packages; lintian" bash -ec \
    'Tests/System/build-deb; lintian --fail-on error "$1"/deb/*.changes 2>"$1/deb/lintian.log"' bash "$BUILD"
  step prometheus "metrics read by node_exporter" Tests/System/prometheus-test
  step manual "manual pages compared with the programs" Tests/System/manual-test
  step style "messages, manuals, --help and questions against docs/style.md" Tests/System/style-test
  step completion "completion in three shells" Tests/System/completion-test
  graded repack "repacked packages" Tests/System/repack-test
  step repack-failure "failures of the repacker" Tests/System/repack-failure-test
  step hostile-deb "hostile packages for the repacker" Tests/System/hostile-deb-test
  step unusual-deb "unusual packages for the repacker" Tests/System/unusual-deb-test
  step repack-detached "detached signatures" Tests/System/repack-detached-test
  step package "the package in a Debian root" Tests/System/package-test
  step cost "system calls, bytes, instructions and memory" Tests/System/cost-test
  graded lifecycle "install, upgrade, remove, purge" Tests/System/lifecycle-test
  step debconf "the questions of the installation" Tests/System/debconf-test
  step proxmox "together with Proxmox's tools" Tests/System/proxmox-test
  step cmdline "changes of the command line" Tests/System/cmdline-test
  step partition "files on an ESP" Tests/System/partition-test
  graded crash "power cuts on FAT" Tests/System/crash-test
  step firmware "OVMF boots and rejects" Tests/System/firmware-test
  step enrolment "keys enrolled in OVMF" Tests/System/enrolment-test
  [ "$step_mode" = full ] || return 0
  step_limit=$full_limit
  step full-esp "a full ESP" Tests/System/full-esp-test
  both guide "every next command, from no keys to a boot with Secure Boot on" Tests/System/guide-test
  step stage "keys enrolled by systemd-boot and from staged files" Tests/System/stage-test
  both status "the screens of a whole host, and their next commands" Tests/System/status-test
  step enroll "keys written from the running system, with power cuts, in OVMF" Tests/System/enroll-test
  both startup "what initrds contain, and what a root file system needs" Tests/System/startup-test
  step version-order "the order of versions and kernel releases" Tests/System/version-order-test
  step boot-path "every boot path of a machine" Tests/System/boot-path-test
  step boot-entry "boot entries in OVMF" Tests/System/boot-entry-test
  step repack-options "options of the repacker" Tests/System/repack-options-test
  both upgrade "upgrade from the package of 2026-11-21" Tests/System/upgrade-test
  both source-build "the source package without network" Tests/System/source-build-test
  both reproducible "the same source gives the same bits" Tests/System/reproducible-test
  both autopkgtest "autopkgtest" Tests/System/autopkgtest-test
  both piuparts "piuparts" Tests/System/piuparts-test
  both secrets "passphrases, PINs and private keys" Tests/System/secrets-test
  step service "the service of a booted host" Tests/System/service-test
  step key-files "lists and updates compared with other tools" Tests/System/key-files-test
  both key-medium "private keys on an encrypted medium" Tests/System/key-medium-test
  step power-cut "power cuts of a whole host" Tests/System/power-cut-test
  both trial "trials of good and bad kernels, and what restarts the machine" Tests/System/trial-test
  both tutorial "the manual's walks and troubleshooting, followed literally" Tests/System/tutorial-test
  both module "modules by hand: sign-file, modinfo, and a locked-down kernel" Tests/System/module-test
  both migrate "a /boot partition moves into an encrypted root" Tests/System/migrate-test
  step proxmox-boot "boots after each of Proxmox's commands" Tests/System/proxmox-boot-test
  both mok "shim's list: request, MokManager, boot, modules" Tests/System/mok-test
  both chain "shim and its chain" Tests/System/chain-test
  both arm64 "AArch64: AAVMF boots and rejects" Tests/System/arm64-test
  both verdict "verify compared with firmware and shim" Tests/System/verdict-test
  other package "the package in a Debian root" Tests/System/package-test
  other cost "system calls, bytes, instructions and memory" Tests/System/cost-test
  other lifecycle-full "install, upgrade, remove, purge, in full" Tests/System/lifecycle-test full
  other debconf "the questions of the installation" Tests/System/debconf-test
  other proxmox "together with Proxmox's tools" Tests/System/proxmox-test
  other firmware "OVMF boots and rejects" Tests/System/firmware-test
  both dkms "modules built by DKMS" Tests/System/dkms-test
  both repack-install "repacked packages installed" Tests/System/repack-install-test full
  both repack-repository "a repository of repacked packages" Tests/System/repack-repository-test
  step demo "the demo" Tests/System/demo
}
