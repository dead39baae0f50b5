# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# The kernel's own program for signing modules. Needs common.sh.

# sign_file: sets SIGN_FILE to the kernel's sign-file, from the newest linux-kbuild that apt knows (once; kept in
# build/cache).
sign_file() {
  local name
  SIGN_FILE=$BUILD/cache/sign-file
  [ ! -x "$SIGN_FILE" ] || return 0
  # apt's lists may be missing or outdated.
  apt-get -qq update
  name=$(apt-cache pkgnames linux-kbuild- | sort -V | tail -n 1)
  [ -n "$name" ] || die "apt does not know any linux-kbuild package"
  rm -rf "$BUILD/cache/kbuild"
  mkdir -p "$BUILD/cache/kbuild"
  (cd "$BUILD/cache/kbuild" && apt-get -qq -o APT::Sandbox::User=root download "$name" && dpkg-deb -x ./*.deb .)
  cp "$(find "$BUILD/cache/kbuild" -name sign-file -type f)" "$SIGN_FILE"
  rm -rf "$BUILD/cache/kbuild"
}
