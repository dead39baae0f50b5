# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# The packages under test, from `make deb`.

# find_packages: sets PACKAGE and REPACK_PACKAGE.
find_packages() {
  PACKAGE=$(newest_file "$BUILD/deb" 'pve-sb-uki_*.deb')
  # shellcheck disable=SC2034 # read by the tests
  REPACK_PACKAGE=$(newest_file "$BUILD/deb" 'pve-sb-uki-repack_*.deb')
}

newest_file() {
  local found
  found=$(find "$1" -maxdepth 1 -name "$2" | sort -V | tail -n 1)
  [ -n "$found" ] || die "no $2 in $1; run 'make deb'"
  printf '%s\n' "$found"
}

# unpack_product DIRECTORY: unpacks the package, for tests that need the commands without installation. Sets PRODUCT.
unpack_product() {
  find_packages
  dpkg-deb -x "$PACKAGE" "$1"
  # shellcheck disable=SC2034 # read by the tests
  PRODUCT=$1/usr/sbin/pve-sb-uki
}

# section_equals IMAGE SECTION FILE: compares the section, without padding, with the file.
section_equals() {
  local size offset
  size=$((16#$(LC_ALL=C "${OBJDUMP:-objdump}" -h "$1" | awk -v name="$2" '$2 == name && !seen++ { print $3 }')))
  offset=$(section_offset "$1" "$2")
  if [ "$size" -ne "$(stat -Lc %s "$3")" ]; then
    echo "$2 has $size bytes, $3 has $(stat -Lc %s "$3")"
    return 1
  fi
  cmp --ignore-initial="$offset:0" --bytes="$size" "$1" "$3"
}
