#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg create that is interrupted, or that finds no room, removes what it began; what was to be replaced
# is as it was.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir work

# begun: waits until a half-made file is there.
begun() {
	local i
	for ((i = 0; i < 1000; i++)); do
		[ -z "$(ls -A work | grep '\.tmp$' || true)" ] || return 0
		sleep 0.01
	done
	fail "no file was begun"
}

# Its table has 4 GiB, of which little gets written before the signal comes.
large='--format vdi --block-size 64K work/disk.vdi 63T'

for signal in INT TERM HUP; do
	# A shell makes its background jobs ignore SIGINT.
	env --default-signal=$signal vimg create $large >said 2>&1 &
	pid=$!
	begun
	kill -$signal $pid
	status=0
	wait $pid || status=$?
	[ $status = $((128 + $(kill -l $signal))) ] || fail "SIG$signal ends it with $status: $(cat said)"
	[ -z "$(ls -A work)" ] || fail "SIG$signal leaves: $(ls -A work)"
	grep -q 'interrupted, nothing was made' said || fail "SIG$signal: it says: $(cat said)"
done

# What is to be ignored is ignored, as under nohup: the second signal ends it.
env --ignore-signal=HUP --default-signal=TERM vimg create $large >said 2>&1 &
pid=$!
begun
kill -HUP $pid
sleep 0.05
kill -0 $pid || fail "an ignored SIGHUP ends it"
kill -TERM $pid
wait $pid && fail "it succeeds, though stopped"
[ -z "$(ls -A work)" ] || fail "it leaves: $(ls -A work)"

# A limit of the size of files, in KiB. Also a file to be replaced survives.
vimg create -q work/old.vdi 1M
old=$(sha256 work/old.vdi)
for words in 'work/x.raw 10M' 'work/x.vdi 10M --fixed' 'work/x.vhd 10M --fixed' 'work/old.vdi --force 10M --fixed' \
	'work/x.vdi 10T'; do
	status=0
	(ulimit -f 2000 && exec vimg create $words) >said 2>&1 || status=$?
	[ $status = 1 ] || fail "vimg create $words past the limit: exit $status: $(cat said)"
	grep -q 'File too large' said || fail "vimg create $words past the limit: says: $(cat said)"
	[ "$(ls -A work)" = old.vdi ] || fail "vimg create $words leaves: $(ls -A work)"
done
[ "$(sha256 work/old.vdi)" = "$old" ] || fail "the old image changed"

# A full disk; a mount of our own, so only root.
if [ "$(id -u)" = 0 ] && mkdir full && mount -t tmpfs -o size=4m tmpfs full 2>/dev/null; then
	cleanup umount full
	for words in 'full/x.raw 10M --fixed' 'full/x.vdi 10M --fixed' 'full/x.vhd 10M --fixed' 'full/x.vdi 4T'; do
		check_fails vimg create $words
		grep -q 'No space left' <<<"$said" || fail "vimg create $words on a full disk: says: $said"
		[ -z "$(ls -A full)" ] || fail "vimg create $words on a full disk leaves: $(ls -A full)"
	done
	cd "$tmp"
fi
