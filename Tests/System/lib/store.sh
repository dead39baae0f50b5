# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Writes variables directly into an OVMF store: those that an operating system cannot set, and those that a guest would
# have set before it was switched off. Needs enrol.sh.

# number FILE OFFSET BYTES: prints a little-endian number in a file.
number() { od -An -v -t "u$3" -j "$2" -N "$3" "$1" | tr -d ' '; }

# guid TEXT: prints its 16 bytes.
guid() {
  local hex=${1//-/} index
  # The first three fields are little-endian.
  for index in 6 4 2 0 10 8 14 12 16 18 20 22 24 26 28 30; do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x${hex:index:2}"
  done
}

# find_variable STORE NAME VENDOR: prints the offset of the variable's header; nothing if it does not exist.
find_variable() {
  local store=$1 wanted offset size name_size
  wanted=$({ guid "$3" && utf16 "$2"; } | od -An -v -tx1 | tr -d ' \n')
  offset=$(($(number "$store" 48 2) + 28))
  while [ "$(number "$store" "$offset" 2)" = 21930 ]; do
    name_size=$(number "$store" $((offset + 36)) 4)
    size=$(number "$store" $((offset + 40)) 4)
    # 0x3f: it was added and not deleted.
    if [ "$(number "$store" $((offset + 2)) 1)" = 63 ] &&
      [ "$(od -An -v -tx1 -j $((offset + 44)) -N $((16 + name_size)) "$store" | tr -d ' \n')" = "$wanted" ]; then
      echo "$offset"
    fi
    offset=$(((offset + 60 + name_size + size + 3) & ~3))
  done
}

# take_variable STORE NAME VENDOR FILE: copies the variable's content to a file. Fails if it does not exist.
take_variable() {
  local offset
  offset=$(find_variable "$1" "$2" "$3" | tail -n 1)
  [ -n "$offset" ] || return 1
  dd if="$1" of="$4" bs=64k iflag=skip_bytes,count_bytes status=none \
    skip=$((offset + 60 + $(number "$1" $((offset + 36)) 4))) count="$(number "$1" $((offset + 40)) 4)"
}

# drop_variable STORE NAME VENDOR: marks a variable as deleted, if it exists.
drop_variable() {
  local store=$1 wanted offset size name_size state
  wanted=$({ guid "$3" && utf16 "$2"; } | od -An -v -tx1 | tr -d ' \n')
  offset=$(($(number "$store" 48 2) + 28))
  while [ "$(number "$store" "$offset" 2)" = 21930 ]; do
    name_size=$(number "$store" $((offset + 36)) 4)
    size=$(number "$store" $((offset + 40)) 4)
    if [ "$(od -An -v -tx1 -j $((offset + 44)) -N $((16 + name_size)) "$store" | tr -d ' \n')" = "$wanted" ]; then
      state=$(number "$store" $((offset + 2)) 1)
      # shellcheck disable=SC2059 # the format is the byte
      printf "\\x$(printf '%02x' $((state & 0xfd)))" |
        dd of="$store" bs=1 seek=$((offset + 2)) conv=notrunc status=none
    fi
    offset=$(((offset + 60 + name_size + size + 3) & ~3))
  done
}

# put_variable STORE NAME VENDOR ATTRIBUTES FILE: adds a variable with the file's content after the existing ones (EDK2,
# MdeModulePkg/Include/Guid/VariableFormat.h: AUTHENTICATED_VARIABLE_HEADER). The name must not exist yet.
put_variable() {
  local store=$1 name=$2 vendor=$3 attributes=$4 data=$5 start offset
  # A firmware volume's header states its length; the store's own has 28 bytes, of which two mark it as valid.
  start=$(number "$store" 48 2)
  [ "$(number "$store" $((start + 20)) 2)" = 65114 ] || die "$store has no variables where OVMF keeps them"
  offset=$((start + 28))
  while [ "$(number "$store" "$offset" 2)" = 21930 ]; do
    offset=$(((offset + 60 + $(number "$store" $((offset + 36)) 4) + $(number "$store" $((offset + 40)) 4) + 3) & ~3))
  done
  [ "$(number "$store" "$offset" 2)" = 65535 ] || die "$store has other data after its variables"
  {
    printf '\xaa\x55\x3f\x00'
    little_endian 4 "$attributes"
    # Monotonic count, time stamp, index of the public key.
    head -c 28 /dev/zero
    little_endian 4 $((2 * (${#name} + 1)))
    little_endian 4 "$(stat -c %s "$data")"
    guid "$vendor"
    utf16 "$name"
    cat "$data"
  } | dd of="$store" bs=64k seek="$offset" oflag=seek_bytes conv=notrunc status=none
}

# copy_variable STORE NAME VENDOR: prints the content of a variable that exists.
copy_variable() {
  local store=$1 wanted offset size name_size
  wanted=$({ guid "$3" && utf16 "$2"; } | od -An -v -tx1 | tr -d ' \n')
  offset=$(($(number "$store" 48 2) + 28))
  while [ "$(number "$store" "$offset" 2)" = 21930 ]; do
    name_size=$(number "$store" $((offset + 36)) 4)
    size=$(number "$store" $((offset + 40)) 4)
    if [ "$(number "$store" $((offset + 2)) 1)" = 63 ] &&
      [ "$(od -An -v -tx1 -j $((offset + 44)) -N $((16 + name_size)) "$store" | tr -d ' \n')" = "$wanted" ]; then
      dd if="$store" iflag=skip_bytes,count_bytes skip=$((offset + 60 + name_size)) count="$size" status=none
      return 0
    fi
    offset=$(((offset + 60 + name_size + size + 3) & ~3))
  done
  die "$store has no variable $2"
}
