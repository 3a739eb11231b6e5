#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What mode=immutable writes to is gone when the server has ended or the disk is detached, and the
# base can be written to again; after a kill -9 the leftover is named for what it is. A file named
# with diff= stays, and so does what mode=multiattach wrote, also beside a raw base.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
vimg create -q disk.vdi 16M
vimg create -q base.raw 16M

# start DISK...: on one NVMe controller
start() {
	local words=()
	for disk; do words+=(--disk "$disk"); done
	vimg-emulator serve --control ctl --controller nvme,socket=n "${words[@]}" 2>server.log &
	server=$!
	cleanup kill -9 $server
	for ((i = 0; i < 200; i++)); do
		! timeout 10 vimg-emulator ctl ctl status >status 2>/dev/null || return 0
		kill -0 $server 2>/dev/null || fail "the server ended: $(cat server.log)"
		sleep 0.05
	done
	fail "the server does not answer"
}

stop() {
	kill $server
	wait $server || fail "the server ended with $?: $(cat server.log)"
}

# refused "PART" DISK [ARG...]
refused() {
	local part=$1 status=0
	shift
	timeout 10 vimg-emulator serve --controller nvme,socket=r --disk "$@" 2>said || status=$?
	[ $status = 1 ] || [ $status = 2 ] || fail "$*: status $status"
	grep -qF -e "$part" said || fail "$*: says: $(cat said)"
}

for image in disk.vdi,mode=immutable base.raw,mode=immutable; do
	start $image
	[ -n "$(compgen -G '*-immutable.*')" ] || fail "$image: no differencing image: $(ls)"
	stop
	[ -z "$(compgen -G '*-immutable.*')" ] || fail "$image: it is left: $(ls)"
	start ${image%,*}
	stop
done

start base.raw
vimg-emulator ctl ctl attach nvme0 disk.vdi,mode=immutable,name=more >/dev/null
[ -e disk-immutable.vdi ] || fail "attached, it has no differencing image"
vimg-emulator ctl ctl detach more
[ ! -e disk-immutable.vdi ] || fail "detached, its differencing image is left"
stop

start disk.vdi,mode=immutable
kill -9 $server
wait $server || true
[ -e disk-immutable.vdi ] || fail "killed, the server has removed something"
refused 'disk-immutable.vdi was left behind by mode=immutable' disk.vdi
start disk.vdi,mode=immutable
stop
start disk.vdi
stop

# A start that fails leaves nothing either.
refused 'missing.vdi' 'disk.vdi,mode=immutable,parent=missing.vdi'
refused 'longer than 20' 'disk.vdi,mode=immutable,serial=123456789012345678901'
refused 'disk-multiattach.vdi: in use' disk.vdi,mode=multiattach --disk disk.vdi,mode=multiattach
refused 'longer than 20' 'disk.vdi,mode=multiattach,serial=123456789012345678901'
refused 'missing.vdi' disk.vdi,mode=immutable,diff=mine.vdi --disk missing.vdi
refused 'nsid=1 already' disk.vdi --disk base.raw,mode=multiattach,nsid=1
refused 'No such file' disk.vdi,mode=multiattach --controller nvme,socket=nowhere/s
start disk.vdi
! timeout 10 vimg-emulator ctl ctl attach nvme0 base.raw,mode=multiattach,nsid=1 2>/dev/null ||
	fail "two disks have one address"
stop
[ "$(echo *.vdi *.vhd)" = 'disk.vdi *.vhd' ] || fail "what failed left $(ls)"

# What was written before stays, whatever fails now.
start disk.vdi,mode=multiattach
stop
refused 'missing.vdi' disk.vdi,mode=multiattach --disk missing.vdi
[ -e disk-multiattach.vdi ] || fail "a start that failed removed what was there before"
rm disk-multiattach.vdi

start disk.vdi,mode=immutable,diff=kept.vdi base.raw,mode=multiattach
stop
refused 'kept.vdi has it as its parent' disk.vdi
refused 'base-multiattach.vhd has it as its parent' base.raw
! grep -q 'left behind' said || fail "says: $(cat said)"

# No image of 10485761 bytes has differencing ones; nothing was wrong with the words.
truncate -s 10485761 odd.raw
status=0
timeout 10 vimg-emulator serve --controller nvme,socket=s --disk odd.raw,mode=immutable 2>said || status=$?
[ $status = 1 ] && grep -q 'multiple of 512' said || fail "status $status: $(cat said)"
