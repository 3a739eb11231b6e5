#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg-emulator serve and ctl: status, events, limits, disks that come and go, one that grows; one
# server a socket; SIGTERM closes everything well.
. "$top_srcdir/tests/test-lib.sh"

tmpdir
cd "$tmp"
mkdir images other
vimg create -q images/a.vdi 16M
vimg create -q images/b.vhd 16M
vimg create -q images/c,d.vdi 16M
vimg create -q other/e.vdi 16M

start() {
	vimg-emulator serve --control ctl \
		--controller nvme,socket=n --disk images/a.vdi,name=system \
		--controller nvme,socket=v --disk images/b.vhd,nsid=3,group=G \
		--group G,limit=20M --allow-dir "$tmp/images" 2>>server.log &
	server=$!
	cleanup kill -9 $server
	for ((i = 0; i < 200; i++)); do
		! vimg-emulator ctl ctl status >status 2>/dev/null || return 0
		kill -0 $server 2>/dev/null || fail "the server ended: $(cat server.log)"
		sleep 0.05
	done
	fail "the server does not answer"
}

ctl() {
	timeout 10 vimg-emulator ctl ctl "$@"
}

# refused "PART" ARG...
refused() {
	local part=$1 status=0
	shift
	said=$(ctl "$@" 2>&1) || status=$?
	[ $status = 1 ] || fail "ctl $*: status $status"
	grep -qF -e "$part" <<<"$said" || fail "ctl $*: says: $said"
}

start
[ "$(stat -c %a n)" = 600 ] && [ "$(stat -c %a ctl)" = 600 ] || fail "sockets are open to others"
grep -q '^nvme0  nvme  waiting  n$' status || fail "status: $(cat status)"
grep -q '   system  16.*M  normal  images/a.vdi' status || fail "status: $(cat status)"
grep -q 'nvme1/nsid=3' status || fail "status: $(cat status)"
grep -q '^group G  20.0M bytes per second$' status || fail "status: $(cat status)"

vimg-emulator ctl ctl events >events &
cleanup kill $!
for ((i = 0; i < 100; i++)); do
	[ ! -s events ] || break
	ctl limit G 3M
	sleep 0.05
done
grep -q 'low-limit' events || fail "events: $(cat events)"
ctl limit G 50M
ctl status --json | python3 -c '
import json, sys
s = json.load(sys.stdin)
g = s["groups"][0]
assert g.pop("time-ns") > 0 and g == {"name": "G", "limit": 50 << 20, "requests": 0, "bytes": 0, "delayed": 0,
	"cancelled": 0, "waiting": 0}, g
c = s["controllers"][0]
assert c["name"] == "nvme0" and not c["connected"] and c["disks"][0]["size"] == 16 << 20, c
'
refused 'no group H' limit H 1M
refused 'a size is a number of bytes' limit G fast

[ "$(ctl attach nvme0 images/c,,d.vdi,name=more)" = more ] || fail "attach says no name"
refused 'is called more' attach nvme0 images/c,,d.vdi,name=more
refused 'no controller nvme7' attach nvme7 images/c,,d.vdi
refused 'there is no option colour' attach nvme0 images/c,,d.vdi,colour=red
# Locked in, it may open nothing elsewhere; where the kernel has no Landlock it may.
if ctl attach nvme0 other/e.vdi,name=else 2>said; then
	ctl detach else
else
	grep -q 'start it with --allow-dir' said || fail "says: $(cat said)"
fi
check_fails vimg info images/c,d.vdi
refused 'a size is a number of bytes' resize more big
refused 'no disk most' resize most 1G
ctl detach "$tmp/images/c,d.vdi"
refused 'no disk more' detach more
vimg info images/c,d.vdi >/dev/null
vimg check images/c,d.vdi >/dev/null

# The socket of a controller, also of one that somebody uses, is not taken for it.
wrong_socket() {
	local status=0
	timeout 10 vimg-emulator ctl n "$1" 2>said || status=$?
	[ $status = 1 ] && grep -q "^vimg-emulator: n: this is a controller's socket" said ||
		fail "ctl n $1 ended with $status, says: $(cat said)"
}
wrong_socket status
wrong_socket events
python3 -c '
import socket, time
s = socket.socket(socket.AF_UNIX)
s.connect("n")
print(flush=True)
time.sleep(60)
' >user & user=$!
cleanup kill $user
while [ ! -s user ]; do sleep 0.05; done
wrong_socket status
kill $user

# Another server does not take its sockets.
status=0
vimg-emulator serve --controller nvme,socket=n --disk other/e.vdi 2>said || status=$?
[ $status = 1 ] && grep -q '^vimg-emulator: n: ' said || fail "a second server: $(cat said)"

kill $server
wait $server || fail "the server ended with $?: $(cat server.log)"
[ ! -e n ] && [ ! -e v ] && [ ! -e ctl ] || fail "sockets are left: $(ls)"
vimg check images/a.vdi images/b.vhd >/dev/null

# Killed, it leaves sockets; the next one replaces them.
start
kill -9 $server
wait $server || true
[ -S n ] || fail "no socket is left"
start
kill $server
wait $server || fail "the server ended with $?: $(cat server.log)"
