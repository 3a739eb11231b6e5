#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What ctl attach may not open: whether it is the sandbox, which --allow-dir widens, or the file's mode.
. "$top_srcdir/tests/test-lib.sh"

[ "$(id -u)" = 0 ] && ! setpriv --reuid 65534 --clear-groups true 2>/dev/null &&
	skip "root may open everything"
nobody=()
[ "$(id -u)" != 0 ] || nobody=(setpriv --reuid 65534 --clear-groups)

tmpdir
cd "$tmp"
mkdir images other
vimg create -q images/a.vdi 16M
vimg create -q images/shut.vdi 16M
vimg create -q other/b.vdi 16M
vimg create -q other/shut.vdi 16M
chmod 755 .
chmod 777 . images other
chmod 666 images/a.vdi other/b.vdi
chmod 400 images/shut.vdi other/shut.vdi

ctl() {
	"${nobody[@]}" timeout 10 vimg-emulator ctl ctl "$@"
}

start() {
	"${nobody[@]}" vimg-emulator serve --control ctl --controller nvme,socket=n \
		--disk images/a.vdi "$@" 2>log &
	server=$!
	cleanup kill -9 $server
	for ((i = 0; i < 200; i++)); do
		! ctl status >status 2>/dev/null || return 0
		sleep 0.05
	done
	fail "the server does not answer: $(cat log)"
}

# kept_away DISK: says why
kept_away() {
	said=$(ctl attach nvme0 "$1" 2>&1) && skip "this kernel has no Landlock"
	grep -q 'Permission denied' <<<"$said" || fail "$1: says: $said"
	! grep -q 'start it with --allow-dir' <<<"$said"
}

start
! kept_away other/b.vdi || fail "it says nothing of --allow-dir: $said"
kept_away images/shut.vdi || fail "a file's mode is blamed on the sandbox: $said"
kill $server
wait $server
start --allow-dir other
kept_away other/shut.vdi || fail "a file's mode is blamed on the sandbox: $said"
ctl attach nvme0 other/b.vdi,name=b >/dev/null
ctl detach b
! kept_away other/b.vdi,mode=immutable,diff=/usr/x.vdi || fail "says nothing of --allow-dir: $said"
kill $server
wait $server
start --no-sandbox
kept_away other/shut.vdi || fail "there is no sandbox: $said"
kill $server
wait $server
