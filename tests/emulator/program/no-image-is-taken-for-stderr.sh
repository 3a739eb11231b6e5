#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Started without stdin, stdout and stderr, vimg-emulator opens no image in their place: messages
# would be written to it.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
vimg create -q disk.raw 1M
vimg-emulator serve --control ctl --group G,limit=1M --controller nvme,socket=n \
	--disk disk.raw <&- >&- 2>&- &
server=$!
cleanup kill -9 $server
for ((i = 0; i < 200; i++)); do
	! timeout 10 vimg-emulator ctl ctl status >status 2>/dev/null || break
	sleep 0.05
done
[ -s status ] || fail "the server does not answer"
for fd in 0 1 2; do
	[ "$(readlink /proc/$server/fd/$fd)" = /dev/null ] ||
		fail "descriptor $fd is $(readlink /proc/$server/fd/$fd)"
done
timeout 10 vimg-emulator ctl ctl limit G 2M 2>/dev/null
kill $server
wait $server || fail "the server ended with $?"
cmp -n 1048576 disk.raw /dev/zero || fail "the image was written to"
