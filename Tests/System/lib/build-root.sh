# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Debian roots that build the source package like Debian's builders: only Build-Depends, no network, a user without a
# home directory. There is one per suite, made once and kept in build/cache. Needs root.sh.

# For suites without swiftlang: the packages that a toolchain from swift.org needs.
TOOLCHAIN_PROFILE=pkg.pve-sb-uki.toolchain
TOOLCHAIN_NEEDS=(libcurl4 libedit2 libncurses6 libsqlite3-0 libxml2 tzdata)

has_swiftlang() { [ "$1" != bookworm ]; }

# Prints the directory of this machine's toolchain, such as /opt/swift.
toolchain_directory() {
  local swift
  swift=$(readlink -f "$(command -v swift)") || die "swift not found in PATH"
  printf '%s\n' "${swift%/usr/bin/*}"
}

# build_root SUITE DSC: makes a root with the Build-Depends, if needed, and sets BUILD_ROOT to it.
build_root() {
  local suite=$1 dsc=$2 partial depends profile=()
  BUILD_ROOT=$BUILD/cache/build-$suite
  depends=$(sed -n 's/^Build-Depends: //p' "$dsc")
  [ ! -e "$BUILD_ROOT.complete" ] || [ "$(cat "$BUILD_ROOT.complete")" != "$depends" ] || return 0
  has_swiftlang "$suite" || profile=(-P "$TOOLCHAIN_PROFILE")
  say "making a build root for $suite (once; kept in build/cache)"
  partial=$BUILD_ROOT.partial
  rm -f "$BUILD_ROOT.complete"
  rm -rf --one-file-system "$BUILD_ROOT" "$partial"
  mkdir -p "$BUILD/cache"
  mmdebstrap --quiet --mode=root --variant=buildd "$suite" "$partial" "deb $(debian_mirror) $suite main"
  mkdir "$partial/dsc"
  cp "${dsc%/*}"/*.dsc "${dsc%/*}"/*.tar.xz "$partial/dsc/"
  # shellcheck disable=SC2016 # expanded inside
  in_root "$partial" sh -ec '
    apt-get -qq update
    apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "$@" build-dep "./dsc/$(basename /dsc/*.dsc)"
    useradd --system --no-create-home --home-dir /nonexistent builder
    useradd --system --no-create-home --home-dir /nonexistent other-builder' \
    sh "${profile[@]}" >"$BUILD/build-root-$suite.log" 2>&1 || {
    tail -n 20 "$BUILD/build-root-$suite.log" | quote
    die "apt-get build-dep failed"
  }
  has_swiftlang "$suite" ||
    in_root "$partial" apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install "${TOOLCHAIN_NEEDS[@]}" \
      >>"$BUILD/build-root-$suite.log" 2>&1
  rm -r "$partial/dsc"
  mv "$partial" "$BUILD_ROOT"
  printf '%s\n' "$depends" >"$BUILD_ROOT.complete"
}

# build_source SUITE DSC DIRECTORY USER OUTPUT VARIABLE=VALUE...: builds in DIRECTORY of BUILD_ROOT as USER, without
# network, and moves the results to OUTPUT. The variables are the environment; UMASK and JOBS control the build itself.
build_source() {
  local suite=$1 dsc=$2 directory=$3 user=$4 output=$5 status=0 toolchain=
  shift 5
  has_swiftlang "$suite" || toolchain=$(toolchain_directory)
  rm -rf "${BUILD_ROOT:?}$directory" "$output"
  mkdir -p "$BUILD_ROOT$directory" "$output"
  cp "${dsc%/*}"/*.dsc "${dsc%/*}"/*.tar.xz "$BUILD_ROOT$directory/"
  in_root "$BUILD_ROOT" chown -R "$user:" "$directory"
  # shellcheck disable=SC2016 # expanded inside
  unshare --mount --net --propagation private -- sh -ec '
    root=$1 toolchain=$2 directory=$3 user=$4 profile=$5
    shift 5
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    path=/usr/sbin:/usr/bin:/sbin:/bin
    if [ -n "$toolchain" ]; then
      mkdir -p "$root$toolchain"
      mount --bind -o ro "$toolchain" "$root$toolchain"
      path=$toolchain/usr/bin:$path
    fi
    exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups /usr/bin/env -i PATH="$path" \
      HOME=/nonexistent TERM=dumb DEB_BUILD_PROFILES="$profile" "$@" sh -ec "
        cd \"\$0\"
        umask \"\${UMASK:-022}\"
        dpkg-source --extract *.dsc source >/dev/null
        cd source
        exec dpkg-buildpackage -us -uc -j\"\${JOBS:-2}\"" "$directory"' \
    sh "$BUILD_ROOT" "$toolchain" "$directory" "$user" "${toolchain:+$TOOLCHAIN_PROFILE}" "$@" \
    </dev/null >"$output/build.log" 2>&1 || status=1
  if [ "$status" -eq 0 ]; then
    find "$BUILD_ROOT$directory" -maxdepth 1 -type f -exec mv -t "$output" {} +
  fi
  rm -rf "${BUILD_ROOT:?}$directory"
  [ "$status" -eq 0 ] || tail -n 30 "$output/build.log"
  return "$status"
}

# check_root SUITE DIRECTORY: copies a root of the suite, with its lintian and gdb, to DIRECTORY.
check_root() {
  local suite=$1 cached=$BUILD/cache/check-$1
  if [ ! -e "$cached.complete" ]; then
    say "making a root with $suite's lintian (once; kept in build/cache)"
    rm -rf --one-file-system "$cached"
    mmdebstrap --quiet --mode=root --variant=minbase --include=lintian,gdb-minimal,ca-certificates \
      "$suite" "$cached" "deb $(debian_mirror) $suite main"
    touch "$cached.complete"
  fi
  cp -a --reflink=auto "$cached" "$2"
}
