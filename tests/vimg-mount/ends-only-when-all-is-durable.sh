#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# However a mount ends, what was written is in the image and the exit status says so; vimg-mount -u
# returns when the image is free.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires python3
tmpdir
cd "$tmp"
make_disk disk.img
mkdir m
cleanup unmount "$tmp/m"

# Each time the image must be free at once: the next mount wants it for itself.
for i in 1 2 3 4 5; do
	vimg-mount --rw --image disk.img m
	echo "round $i" | dd of=m/vol0 conv=notrunc status=none
	vimg-mount -u m
	! mountpoint -q m || fail "still mounted"
	[ "$(dd if=disk.img bs=1M skip=1 count=1 status=none | head -n 1)" = "round $i" ] || fail "round $i is not there"
done

# A clean mount goes fast. (The target is 100 ms; here the machine may be busy.)
vimg-mount --image disk.img m
begin=$(date +%s%N)
vimg-mount -u m
took=$((($(date +%s%N) - begin) / 1000000))
[ "$took" -lt 1000 ] || fail "unmounting took $took ms"

# Busy: said, nothing harmed, and it goes later.
vimg-mount --image disk.img m
exec 5<m/vol0
check_fails vimg-mount -u m
[[ $said == *busy* ]] || fail "busy, but: $said"
cmp m/vhdd disk.img
exec 5<&-
vimg-mount -u m

# Signals, with a file open and bytes not fsynced, in the foreground for the status.
for signal in TERM INT HUP; do
	vimg-mount -f --rw --image disk.img m &
	server=$!
	for ((i = 0; i < 500; i++)); do
		[ -e m/vhdd ] && break
		sleep 0.02
	done
	exec 5<>m/vol1
	echo "signal $signal" >&5
	kill -$signal $server
	status=0
	wait $server || status=$?
	exec 5>&- 
	[ "$status" = 0 ] || fail "status $status after SIG$signal"
	! mountpoint -q m || fail "still mounted after SIG$signal"
	[ "$(dd if=disk.img bs=1M skip=12 count=1 status=none | head -n 1)" = "signal $signal" ] ||
		fail "what was written before SIG$signal is not there"
done

# fusermount3 -u.
vimg-mount -f --rw --image disk.img m &
server=$!
for ((i = 0; i < 500; i++)); do
	[ -e m/vhdd ] && break
	sleep 0.02
done
echo fusermount | dd of=m/vol1 conv=notrunc status=none
fusermount3 -u m
wait $server || fail "status $? after fusermount3 -u"
[ "$(dd if=disk.img bs=1M skip=12 count=1 status=none | head -n 1)" = fusermount ] || fail "not there after fusermount3 -u"

# A server that was killed: -u still tidies up, but does not say that all is well.
vimg-mount -f --rw --image disk.img m &
server=$!
for ((i = 0; i < 500; i++)); do
	[ -e m/vhdd ] && break
	sleep 0.02
done
kill -KILL $server
wait $server || true
check_fails vimg-mount -u m
[[ $said == *unmounted*server* ]] || fail "after a kill: $said"
! mountpoint -q m || fail "still mounted after a kill"
