#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What vimg-emulator says names the disk that it is about, its drive by the name that ctl takes, and
# each of them once. What changes nothing is no event.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
vimg create -q a.vdi 16M
vimg create -q b.vdi 16M
vimg create -q base.vdi 16M
vimg create -q --parent base.vdi child.vdi
vimg create -q fixed.vdi 16M --fixed

# says "SENTENCE" COMMAND...: that it fails with this sentence, as a whole
says() {
	local want="vimg-emulator: $1" status=0
	shift
	said=$(timeout 10 vimg-emulator "$@" 2>&1 </dev/null) || status=$?
	[ $status != 0 ] || fail "$* succeeds"
	grep -qxF -e "$want" <<<"$said" || fail "$*: says: $said; expected: $want"
}

ctl() {
	timeout 10 vimg-emulator ctl ctl "$@"
}

s='nvme,socket=s'
# Who has it is a drive of this server.
says 'a.vdi: in use by the disk nvme0/nsid=1 of this server' \
	serve --controller $s --disk a.vdi --disk a.vdi
says "./child.vdi: its parent cannot be opened: $tmp/base.vdi: in use by the disk base of this server" \
	serve --controller $s --disk base.vdi,name=base,force=on --disk ./child.vdi
says 'base.vdi: in use by the disk nvme0/nsid=1 of this server' \
	serve --controller $s --disk child.vdi --disk base.vdi,force=on
# The disk is named, the controller once.
says 'a.vdi: the serial number "123456789012345678901" is longer than 20 characters' \
	serve --controller $s --disk a.vdi,serial=123456789012345678901
says 'a.vdi: the firmware revision "123456789" is longer than 8 characters' \
	serve --controller $s --disk a.vdi,firmware=123456789
says 'b.vdi on nvme0: there is a disk with nsid=1 already' \
	serve --controller $s --disk a.vdi --disk b.vdi,nsid=1
says 'b.vdi on nvme0: nsid=256: a number from 1 to 255 is expected' \
	serve --controller $s --disk b.vdi,nsid=256
says 'b.vdi on virtio-scsi0: target 1, lun 0 has a disk already' \
	serve --controller virtio-scsi,socket=s --disk a.vdi,target=1 --disk b.vdi,target=1

vimg-emulator serve --control ctl --group G --controller $s --disk a.vdi \
	--controller nvme,socket=t --disk fixed.vdi,mode=shareable \
	--controller nvme,socket=u --disk fixed.vdi,mode=shareable 2>server.log &
server=$!
cleanup kill -9 $server
for ((i = 0; i < 200; i++)); do
	! ctl status >status 2>/dev/null || break
	sleep 0.05
done
[ -s status ] || fail "the server does not answer: $(cat server.log)"

says "$tmp/a.vdi: in use by the disk nvme0/nsid=1 of this server" ctl ctl attach nvme1 a.vdi
says "$tmp/b.vdi on nvme0: there is a disk with nsid=1 already" ctl ctl attach nvme0 b.vdi,nsid=1
says "$tmp/b.vdi: the model \"$(printf %041d 0)\" is longer than 40 characters" \
	ctl ctl attach nvme0 "b.vdi,model=$(printf %041d 0)"
ctl attach nvme0 b.vdi,name=b >/dev/null
grep -q "/b.vdi is attached as b\$" server.log || fail "it logs: $(cat server.log)"

# One image in two drives: which of them, or both where it does not matter.
says "$tmp/fixed.vdi is in several drives, say which: nvme1/nsid=1, nvme2/nsid=1" \
	ctl ctl detach fixed.vdi
ctl resize fixed.vdi 32M
grep -q ' 33554432 bytes now' server.log || fail "it logs: $(cat server.log)"
ctl status | grep -cE '  32(\.0)?M  shareable  fixed.vdi' | grep -qx 2 || fail "status: $(ctl status)"
ctl detach nvme1/nsid=1
ctl detach fixed.vdi

# A size that it has already is no news.
ctl resize a.vdi 16M
ctl resize b.vdi 16M
! grep -q ' 16777216 bytes now' server.log || fail "it logs: $(cat server.log)"

# A low limit is told to whoever sets it.
ctl limit G 3M 2>said
grep -q '^vimg-emulator: warning: group G: 3145728 bytes per second is little' said ||
	fail "limit says: $(cat said)"
[ -z "$(ctl limit G 4M 2>&1)" ] || fail "a limit of 4M is warned of"
[ -z "$(ctl limit G 0 2>&1)" ] || fail "no limit is warned of"
kill $server
wait $server || fail "the server ended with $?: $(cat server.log)"
