# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Debian's packages of any suite and architecture, unpacked for tests and kept. Needs common.sh and root.sh.

# unpack_packages DIRECTORY SUITE ARCHITECTURE PACKAGE...: unpacks the packages into the directory, unless it has just
# these. apt checks their signatures. A metapackage linux-image-* stands for the package that it depends on.
unpack_packages() {
  local directory=$1 suite=$2 architecture=$3 state=$1.apt package kernel
  shift 3
  [ ! -e "$directory.complete" ] || [ "$(<"$directory.complete")" != "$*" ] || return 0
  say "fetching from $suite for $architecture: $*"
  rm -rf "${directory:?}" "$directory.complete" "$state"
  mkdir -p "$state"/{lists/partial,cache/archives/partial,debs} "$directory"
  : >"$state/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $suite main" >"$state/sources.list"
  cat >"$state/apt.conf" <<-END
	Dir::Etc::SourceList "$state/sources.list";
	Dir::Etc::SourceParts "/dev/null";
	Dir::State::Lists "$state/lists";
	Dir::State::status "$state/status";
	Dir::Cache "$state/cache";
	APT::Architecture "$architecture";
	APT::Architectures "$architecture";
	APT::Sandbox::User "root";
	END
  APT_CONFIG=$state/apt.conf apt-get -qq update
  for package; do
    case $package in
    linux-image-*)
      kernel=$(APT_CONFIG=$state/apt.conf apt-cache depends "$package" | awk '/Depends: linux-image-[0-9]/ && !seen++ { print $2 }')
      package=${kernel:?} ;;
    esac
    (cd "$state/debs" && APT_CONFIG=$state/apt.conf apt-get -qq download "$package")
  done
  for package in "$state"/debs/*.deb; do dpkg-deb -x "$package" "$directory"; done
  rm -rf "$state"
  printf '%s' "$*" >"$directory.complete"
}
