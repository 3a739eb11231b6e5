#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An image that is mounted for writing is not replaced, repaired, described or made a parent of; the
# message names who has it. --no-lock looks at it all the same. One that is read is described.
. "$top_srcdir/tests/test-lib.sh"

requires_fuse
tmpdir
cd "$tmp"
mkdir mnt
cleanup unmount "$tmp/mnt"
vimg create -q disk.vdi 16M

vimg-mount --rw --image disk.vdi mnt
for words in 'info disk.vdi' 'check disk.vdi' 'check --repair disk.vdi' 'create --force disk.vdi 1M' \
	'create --parent disk.vdi child.vdi'; do
	check_fails vimg $words
	grep -q 'disk.vdi: in use by vimg-mount (process [0-9]*)' <<<"$said" || fail "vimg $words: says: $said"
done
[ "$(ls)" = "$(printf 'disk.vdi\nmnt')" ] || fail "something was made: $(ls)"
check_fails vimg info disk.vdi
grep -q -e '--no-lock' <<<"$said" || fail "info does not tell of --no-lock"
for words in 'check disk.vdi' 'check --chain disk.vdi'; do
	check_fails vimg $words
	[ "$(wc -l <<<"$said")" = 1 ] || fail "vimg $words: says: $said"
	grep -q -e '--no-lock' <<<"$said" || fail "vimg $words does not tell of --no-lock"
done
check_fails vimg check --repair disk.vdi
! grep -q -e '--no-lock' <<<"$said" || fail "--repair tells of --no-lock"
vimg info --no-lock disk.vdi | grep -q '16.0M' || fail "--no-lock does not look"
vimg check -U disk.vdi >/dev/null || fail "--no-lock does not check"
vimg-mount -u mnt

vimg-mount --image disk.vdi mnt
vimg info disk.vdi >/dev/null || fail "an image that is read is not described"
vimg check disk.vdi >/dev/null || fail "an image that is read is not checked"
vimg create -q --parent disk.vdi child.vdi || fail "an image that is read gets no child"
check_fails vimg create --force disk.vdi 1M
vimg-mount -u mnt
