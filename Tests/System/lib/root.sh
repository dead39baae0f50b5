# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Debian roots for installing the package. The base for each suite is made once and kept in build/cache.

# Kernels that the tests install; their packages are fetched once, with the dependencies of the package.
KERNEL_PACKAGE=linux-image-amd64
SECOND_KERNEL_PACKAGE=linux-image-cloud-amd64

host_suite() { (. /etc/os-release && printf '%s\n' "$VERSION_CODENAME"); }

# The Debian mirror of this machine.
debian_mirror() {
  local mirror
  # shellcheck disable=SC2016 # apt's own variables
  mirror=$(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' |
    awk -F'|' '$1 == "Debian" && $2 == "Debian" && !seen++ { print $3 }')
  [ -n "$mirror" ] || die "no Debian archive in the apt sources; run 'apt-get update'"
  printf '%s\n' "$mirror"
}

# base_root SUITE [PACKAGE...]: sets BASE to a root with initramfs-tools and without a kernel.
base_root() {
  local suite=$1 partial
  shift
  BASE=$BUILD/cache/root-$suite
  if [ ! -e "$BASE.complete" ]; then
    say "making a Debian $suite root (once; kept in build/cache)"
    partial=$BASE.partial
    rm -rf --one-file-system "$BASE" "$partial"
    mkdir -p "$BUILD/cache"
    mmdebstrap --quiet --mode=root --variant=minbase \
      --include=initramfs-tools,zstd,busybox,kmod,ca-certificates \
      "$suite" "$partial" "deb $(debian_mirror) $suite main"
    say "fetching the kernels' packages"
    in_root "$partial" sh -ec "apt-get -qq update && apt-get -qq -y --download-only --no-install-recommends install \
      $KERNEL_PACKAGE $SECOND_KERNEL_PACKAGE systemd-boot-efi libarchive13 libssl3 >/dev/null"
    mv "$partial" "$BASE"
    touch "$BASE.complete"
  fi
}

# unpack_system DIRECTORY: a kernel, its modules and the stub, for guests without a whole root. Sets SYSTEM,
# SYSTEM_KERNEL (its version) and SYSTEM_STUB.
# shellcheck disable=SC2034 # read by the tests
unpack_system() {
  local package
  SYSTEM=$1
  for package in "$BASE"/var/cache/apt/archives/{linux-image-[0-9]*-cloud-*,systemd-boot-efi_*}.deb; do
    dpkg-deb -x "$package" "$SYSTEM"
  done
  SYSTEM_KERNEL=$(newest_kernel "$SYSTEM")
  SYSTEM_STUB=$SYSTEM/usr/lib/systemd/boot/efi/linuxx64.efi.stub
}

# copy_root DIRECTORY: copies BASE.
copy_root() { cp -a --reflink=auto "$BASE" "$1"; }

# enter_root DIRECTORY [VARIABLE=VALUE...] COMMAND...: like chroot, with /proc and /dev in a mount namespace that ends
# with the command. The root is a mount point there, so that programs can create their own namespace. No PID namespace:
# systemd-detect-virt would report a container.
enter_root() {
  local root=$1
  shift
  # shellcheck disable=SC2016 # expanded inside
  unshare --mount --propagation private -- sh -ec '
    root=$1; shift
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"' sh "$root" "$@"
}

# in_root DIRECTORY COMMAND...: runs it in the root, without terminal and questions.
in_root() {
  local root=$1
  shift
  enter_root "$root" TERM=dumb LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@" </dev/null
}

# root_install DIRECTORY PACKAGE...: installs packages without recommended ones, from the root's cache if possible.
root_install() {
  local root=$1
  shift
  in_root "$root" apt-get -y --no-install-recommends -o Dpkg::Use-Pty=0 install "$@"
}

# fetch_packages DIRECTORY PACKAGE...: downloads packages of BASE's suite.
fetch_packages() {
  local directory=$1
  shift
  mkdir -p "$BASE/tmp/fetched"
  in_root "$BASE" sh -ec 'apt-get -qq update && cd /tmp/fetched && apt-get -qq -o APT::Sandbox::User=root download "$@"' \
    sh "$@"
  mv "$BASE"/tmp/fetched/*.deb "$directory/"
}

# The version of the newest kernel in a root.
newest_kernel() {
  local root=$1 path
  path=$(find "$root/boot" -maxdepth 1 -name 'vmlinuz-*' | sort -V | tail -n 1)
  [ -n "$path" ] || die "no kernel in $root/boot"
  printf '%s\n' "${path##*/vmlinuz-}"
}
