#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The kernel mounts an ext4 partition from vol0 through a loop device, read-only and writable, and the
# file system is clean afterwards.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires_loop
requires sfdisk mkfs.ext4 e2fsck
tmpdir
truncate -s 80M "$tmp/disk.img"
echo 'start=2048, size=131072, type=83' | sfdisk -q "$tmp/disk.img"
mkdir "$tmp/fs" "$tmp/src"
head -c 5M /dev/urandom >"$tmp/src/big"
echo hello >"$tmp/src/small"
mkfs.ext4 -q -F -d "$tmp/src" -E offset=1048576 "$tmp/disk.img" 64M

cleanup unmount "$tmp/fs"
mount_image "$tmp/m" --image "$tmp/disk.img"
mount -o loop,ro "$tmp/m/vol0" "$tmp/fs" 2>"$tmp/err" || {
	grep -q 'unknown filesystem type' "$tmp/err" && skip "this kernel has no ext4"
	fail "$(cat "$tmp/err")"
}
diff -r "$tmp/src" "$tmp/fs" -x lost+found
check_fails vimg-mount -u "$tmp/m"
umount "$tmp/fs"
vimg-mount -u "$tmp/m"

mount_image "$tmp/m" --rw --image "$tmp/disk.img"
e2fsck -fn "$tmp/m/vol0" >/dev/null 2>&1 || fail "not clean before"
mount -o loop,discard "$tmp/m/vol0" "$tmp/fs"
cp -r "$tmp/src" "$tmp/fs/copy"
check_fails bash -c "exec 3<>'$tmp/m/vhdd'"
sync -f "$tmp/fs"
rm "$tmp/fs/big"
for i in {1..200}; do echo $i >"$tmp/fs/copy/$i"; done
umount "$tmp/fs"
e2fsck -fn "$tmp/m/vol0" >"$tmp/err" 2>&1 || fail "not clean after: $(cat "$tmp/err")"
vimg-mount -u "$tmp/m"

mount_image "$tmp/m" --image "$tmp/disk.img"
e2fsck -fn "$tmp/m/vol0" >"$tmp/err" 2>&1 || fail "not clean in the end: $(cat "$tmp/err")"
mount -o loop,ro "$tmp/m/vol0" "$tmp/fs"
cmp "$tmp/src/big" "$tmp/fs/copy/big"
[ "$(cat "$tmp/fs/copy/200")" = 200 ] || fail "a file is not there"
umount "$tmp/fs"
vimg-mount -u "$tmp/m"
