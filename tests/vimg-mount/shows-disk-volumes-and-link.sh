#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A mount holds the whole disk, its partitions, and a link to the image, and they tell the truth.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
mount_image "$tmp/m" --image "$tmp/disk.img"

[ "$(echo "$tmp"/m/*)" = "$(echo "$tmp"/m/{disk.img,vhdd,vol0,vol1})" ] || fail "it holds $(ls "$tmp/m")"
[ "$(readlink "$tmp/m/disk.img")" = "$(realpath "$tmp/disk.img")" ] || fail "the link leads elsewhere"
[ "$(stat -c '%s %a %u %g' "$tmp/m/vhdd")" = "33554432 444 $(id -u) $(id -g)" ] || fail "vhdd: $(stat "$tmp/m/vhdd")"
[ "$(stat -c '%s' "$tmp/m/vol1")" = 8388608 ] || fail "vol1: $(stat "$tmp/m/vol1")"
cmp "$tmp/m/vhdd" "$tmp/disk.img"
cmp <(tail -c +1048577 "$tmp/disk.img" | head -c 8M) "$tmp/m/vol0"
cmp <(tail -c +12582913 "$tmp/disk.img" | head -c 8M) "$tmp/m/vol1"
[ "$(findmnt -nro FSTYPE,SOURCE "$tmp/m")" = "fuse.vimg-mount $(realpath "$tmp/disk.img")" ] ||
	fail "$(findmnt "$tmp/m")"
grep -q " $tmp/m fuse.vimg-mount ro," /proc/mounts || fail "the mount is not read-only"
vimg-mount -u "$tmp/m"

# One partition, by the table's own number.
mount_image "$tmp/m" -p 2 -i "$tmp/disk.img"
[ "$(echo "$tmp"/m/*)" = "$(echo "$tmp"/m/{disk.img,vhdd})" ] || fail "with -p it holds $(ls "$tmp/m")"
cmp <(tail -c +12582913 "$tmp/disk.img" | head -c 8M) "$tmp/m/vhdd"
vimg-mount -u "$tmp/m"

# 0 is the disk; relative names; a writable mount says so.
cd "$tmp"
mount_image m --partition=0 --rw --image=disk.img
[ "$(echo m/*)" = "m/disk.img m/vhdd" ] || fail "with -p 0 it holds $(ls m)"
[ "$(stat -c %a m/vhdd)" = 644 ] || fail "vhdd is $(stat -c %a m/vhdd)"
cmp m/vhdd disk.img
vimg-mount -u m

# A disk without a table; an image with the name of a node.
head -c 1M /dev/urandom >vhdd
mount_image m --image vhdd
[ "$(echo m/*)" = m/vhdd ] || fail "without a table it holds $(ls m)"
cmp m/vhdd vhdd
