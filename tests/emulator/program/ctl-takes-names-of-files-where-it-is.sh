#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg-emulator ctl runs in another folder than the server: images, differencing images and parents
# are files where the user is; a disk's or a group's name is not mistaken for a file's.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir server user,1 user,1/G
vimg create -q server/a.vdi 16M
cd user,1
vimg create -q b.vdi 16M
vimg create -q ,c.vdi 16M
vimg create -q base.raw 16M
vimg create -q --parent base.raw child.vdi 2>/dev/null
: >data

(cd ../server && exec vimg-emulator serve --control ctl --group G --allow-dir ../user,1 \
	--controller nvme,socket=n --disk a.vdi,name=data 2>log) &
server=$!
cleanup kill -9 $server
ctl() {
	timeout 10 vimg-emulator ctl ../server/ctl "$@"
}
for ((i = 0; i < 200; i++)); do
	! ctl status >status 2>/dev/null || break
	sleep 0.05
done
[ -s status ] || fail "the server does not answer: $(cat ../server/log)"

ctl limit G 50M
ctl resize data 17M
ctl attach nvme0 b.vdi,name=b,mode=immutable,diff=d,,1.vdi,serial=x/,,y >/dev/null
[ -e d,1.vdi ] || fail "the differencing image is not here: $(find "$tmp")"
ctl attach nvme0 ,,c.vdi,name=c >/dev/null
ctl attach nvme0 child.vdi,parent=base.raw >/dev/null
ctl status | grep -q "normal  $tmp/user,1/,c.vdi" || fail "status: $(ctl status)"
ctl detach ,c.vdi
ctl detach ./child.vdi
ctl detach "$tmp/user,1/b.vdi"
ctl detach data
status=0
ctl attach nvme0 '' 2>said || status=$?
[ $status = 1 ] && grep -q '"": the name of an image is missing' said || fail "says: $(cat said)"
status=0
ctl detach data 2>said || status=$?
[ $status = 1 ] && grep -q "there is no disk $tmp/user,1/data" said || fail "says: $(cat said)"
kill $server
wait $server || fail "the server ended with $?: $(cat ../server/log)"
