#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An image that another program writes to is listed and mounted only with --no-lock, and then
# read-only; --format decides what an image is taken for.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires vimg
tmpdir
cd "$tmp"
vimg create -q disk.vdi 4M

mount_image "$tmp/writes" --rw --image disk.vdi
mkdir reads
cleanup unmount "$tmp/reads"
for words in '--list --image disk.vdi' '--image disk.vdi reads'; do
	check_fails vimg-mount $words
	[[ $said == *'in use'*'--no-lock'* ]] || fail "vimg-mount $words: says: $said"
done
check_fails vimg-mount --rw --image disk.vdi reads
[[ $said == *'in use'* && $said != *--no-lock* ]] || fail "--rw: says: $said"
vimg-mount --list -U --image disk.vdi >/dev/null || fail "-U does not list"
mount_image "$tmp/reads" --no-lock --image disk.vdi
[ "$(stat -c %s reads/vhdd)" = 4194304 ] || fail "-U does not mount"
! dd if=/dev/zero of=reads/vhdd bs=512 count=1 conv=notrunc status=none 2>/dev/null || fail "it is writable"
vimg-mount -u reads
vimg-mount -u writes

# The same bytes as what they are, and as what they are said to be.
vimg-mount --list --json --image disk.vdi | grep -q '"format": "vdi"' || fail "not a VDI by content"
vimg-mount --list --json --format RAW --image disk.vdi | grep -q '"format": "raw"' || fail "--format is not obeyed"
mount_image "$tmp/reads" --format raw --image disk.vdi
cmp disk.vdi reads/vhdd || fail "as raw it is not the file"
vimg-mount -u reads
