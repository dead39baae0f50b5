# SPDX-License-Identifier: Apache-2.0
# Copyright the pve-sb-uki authors
# shellcheck shell=bash
# Functions for the tests of the repacker. The tests set WORKSPACE, REPACKER, key (a path without .key and .crt), out
# and printed.
# shellcheck disable=SC2154 # set by the tests

PACKAGE_FACTS=$TOP/Tests/System/lib/package-facts

# repack ARGUMENT...: repacks with the key into out, and keeps the output in printed.
repack() { repack_into "$out" "$@"; }
repack_into() {
  local directory=$1
  shift
  mkdir -p "$directory"
  "$REPACKER" --key "$key.key" --cert "$key.crt" -o "$directory" "$@" >"$printed" 2>&1 || {
    local status=$?
    cat "$printed"
    return "$status"
  }
}

# elsewhere DEB: repacks a copy with another time, in a directory with a space in its name, with another umask, time
# zone and locale.
elsewhere() {
  local place=$WORKSPACE/elsewhere
  mkdir -p "$place/a place" "$place/out"
  cp "$1" "$place/a place/"
  touch -d 2001-01-01 "$place/a place/${1##*/}"
  (
    cd "$place/a place" || exit
    umask 077
    TZ=Pacific/Kiritimati LC_ALL=C "$REPACKER" --key "$key.key" --cert "$key.crt" --jobs 1 -o ../out "${1##*/}"
  )
}

fresh() { rm -rf "$out" && repack "$@"; }
# refused STATUS WORD COMMAND...: the command fails with the status, prints the word and leaves nothing in out.
refused() {
  local status=$1 word=$2 seen=0
  shift 2
  rm -rf "$out"
  "$@" || seen=$?
  [ "$seen" = "$status" ] && grep -q "$word" "$printed" && nothing_left
}
nothing_left() { [ -z "$(ls -A "$out" 2>/dev/null)" ] || { ls -A "$out"; return 1; }; }

facts() { "$PACKAGE_FACTS" read "$@"; }
kernel_of() { sed -E 's:.*"boot/vmlinuz-([^"]*)".*:\1:' "$1"; }

# expected_changes DEB NAME KERNEL: the changes that repacking makes, as lines of package-facts. A Source field without
# a version implies the package's own version, which changes.
expected_changes() {
  printf '%s\n' "field Description" "field Installed-Size" "field Provides" "field Version" "content control control" \
    "content control md5sums" "content boot/vmlinuz-$3" \
    "new usr/share/doc/$2/pve-sb-uki-repack.provenance 0 644 root:root"
  case $(dpkg-deb -f "$1" Source) in *\(*) ;; *) echo "field Source" ;; esac
}
source_is_kept() { [ "$(source_of "$1")" = "$(source_of "$2")" ]; }
# Name and version of the source package.
source_of() {
  # shellcheck disable=SC2016 # dpkg-deb's own
  dpkg-deb -W --showformat='${source:Package} ${source:Version}\n' "$1"
}
# changes_are FILE: the changes between before.json and after.json are those in FILE, in any order. Ignores compression,
# which other checks cover, and Installed-Size, which may stay the same.
changes_are() {
  "$PACKAGE_FACTS" compare "$WORKSPACE/before.json" "$WORKSPACE/after.json" >"$WORKSPACE/changes"
  diff <(grep -vx "field Installed-Size" "$1" | sort) \
    <(grep -vx -e "field Installed-Size" -e "members .*" "$WORKSPACE/changes" | sort)
}
nothing_wrong() { [ -s "$WORKSPACE/after.json" ] && [ -z "$("$PACKAGE_FACTS" judge "$WORKSPACE/after.json" | tee /dev/stderr)" ]; }
weight() { "$PACKAGE_FACTS" weight "$1"; }
size_follows() { [ "$(weight "$WORKSPACE/before.json")" = "$(weight "$WORKSPACE/after.json")" ]; }

readable() { dpkg-deb -I "$1" >/dev/null && dpkg-deb -c "$1" >/dev/null && [ "$(dpkg-deb -f "$1" Architecture)" = amd64 ]; }
# xz_members DEB: each member is exactly one valid stream.
xz_members() {
  local member
  for member in control data; do
    ar p "$1" "$member.tar.xz" >"$WORKSPACE/member.xz"
    xz -tT2 "$WORKSPACE/member.xz"
    [ "$(xz --robot -l "$WORKSPACE/member.xz" | awk '$1 == "file" { print $2 }')" = 1 ]
  done
}
several_blocks() {
  ar p "$1" data.tar.xz >"$WORKSPACE/member.xz"
  [ "$(xz --robot -l "$WORKSPACE/member.xz" | awk '$1 == "file" { print $3 }')" -gt 1 ]
}
# sorts VERSION DEB: the package's version sorts after VERSION and before possible next versions.
sorts() {
  local old=$1 new next
  new=$(dpkg-deb -f "$2" Version)
  dpkg --compare-versions "$new" gt "$old" || return
  for next in "$old+b1" "$old+deb12u1" "$old.1" "$old+1" "$old+pve1" "${old%-*}-$((${old##*-} + 1))"; do
    dpkg --compare-versions "$new" lt "$next" || return
  done
}
grown() { [ "$(stat -c %s "$2")" -le $(($(stat -c %s "$1") * 1001 / 1000)) ] || stat -c '%n %s' "$@" | fails cat; }

# image DEB KERNEL FILE: extracts the kernel image.
image() { dpkg-deb --fsys-tarfile "$1" | tar -x -O "./boot/vmlinuz-$2" >"$3"; }
# signers IMAGE: prints the signers, one per line, in the order of the certificate table.
signers() { sbverify --list "$1" 2>/dev/null | sed -n 's/^ - subject: //p'; }
digest() { pesign -h -i "$1" | awk '{ print $NF }'; }
same_digest() {
  local before after
  before=$(digest "$WORKSPACE/original.efi")
  after=$(digest "$WORKSPACE/signed.efi")
  [ "${#before}" = 64 ] && [ "$before" = "$after" ]
}
certificate_digest() { openssl x509 -in "$1" -outform DER | sha256sum | cut -c 1-64; }
# provenance_tells ORIGINAL: the provenance file has the digests of package, kernel images and certificate.
provenance_tells() {
  local word
  for word in $(sha256sum <"$1") "$(sha256sum <"$WORKSPACE/original.efi" | cut -c 1-64)" \
    "$(sha256sum <"$WORKSPACE/signed.efi" | cut -c 1-64)" "$(certificate_digest "$key.crt")"; do
    [ "$word" = - ] || grep -qiF "$word" "$WORKSPACE/provenance" || { cat "$WORKSPACE/provenance"; return 1; }
  done
}
