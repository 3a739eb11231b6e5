#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg-emulator run, its server, or both are killed: the others end, QEMU too, and no socket and no
# folder stays. A program of our own stands in for QEMU.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir r
export XDG_RUNTIME_DIR=r
vimg create -q disk.vdi 16M

cat >qemu <<'X'
#!/bin/sh
echo $$ >qemu.new
mv qemu.new qemu.pid
exec sleep 1000
X
chmod +x qemu

# A zombie is gone, whether or not somebody looks at it.
gone() {
	[ ! -e /proc/$1 ] || grep -q '^State:.*Z' /proc/$1/status 2>/dev/null || [ ! -e /proc/$1 ]
}

# wait_for WHAT COMMAND...
wait_for() {
	local what=$1
	shift
	for ((i = 0; i < 400; i++)); do
		! "$@" || return 0
		sleep 0.05
	done
	fail "$what: $(cat said; find r)"
}

start() {
	local child
	rm -f qemu.pid
	vimg-emulator run --controller nvme --disk disk.vdi --controller ahci -- ./qemu -m 64 \
		>said 2>&1 </dev/null &
	run=$!
	cleanup kill -9 $run
	wait_for 'QEMU does not start' test -s qemu.pid
	qemu=$(cat qemu.pid)
	cleanup kill -9 $qemu
	for child in $(cat /proc/$run/task/$run/children); do
		! ls -l /proc/$child/fd | grep -q 'disk\.vdi$' || server=$child
	done
	[ -n "$server" ] && [ -n "$(ls r/*)" ] || fail "there is no server"
}

no_folder() {
	[ -z "$(ls r)" ]
}

nothing_is_left() {
	wait_for 'run goes on' gone $run
	wait_for 'QEMU goes on' gone $qemu
	wait_for 'the server goes on' gone $server
	wait_for 'sockets stay' no_folder
	server=
}

[ -r /proc/$$/task/$$/children ] || skip "/proc has no children"

start
kill -9 $run
nothing_is_left

start
kill -9 $server
nothing_is_left
grep -q 'the server has ended; QEMU ends, too' said || fail "says: $(cat said)"

start
kill -9 $run $server
nothing_is_left
