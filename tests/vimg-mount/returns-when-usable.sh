#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg-mount returns when the mount answers; the server has then left the terminal, the folder and the
# descriptors it was started with.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires flock
tmpdir
make_disk "$tmp/disk.img"
mkdir "$tmp/m" "$tmp/cwd"
cleanup unmount "$tmp/m"

for i in 1 2 3 4 5 6 7 8 9 10; do
	cd "$tmp/cwd"
	# The pipe of $(...) must be closed, or this waits for ever.
	out=$(timeout 20 bash -c 'exec 9>lock; flock 9; vimg-mount --image ../disk.img ../m' 2>&1) || fail "it fails: $out"
	[ -z "$out" ] || fail "it says: $out"
	[ "$(stat -c %s ../m/vhdd)" = 33554432 ] || fail "it is not there"
	flock -n lock true || fail "the server kept a descriptor of its caller"
	cd "$tmp"
	rm cwd/lock
	vimg-mount -u m
done

# The server of one that fails does not stay.
check_fails timeout 20 vimg-mount -p 9 --rw --image disk.img m
flock -n disk.img true
vimg-mount --rw --image disk.img m
vimg-mount -u m
