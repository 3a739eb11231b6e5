#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Mistakes: 1 where something failed, 2 where the command line is wrong, and one sentence on stderr
# that says what. Nothing is mounted.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
cd "$tmp"
make_disk disk.img
mkdir m
touch file
cleanup unmount "$tmp/m"

# wrong STATUS PATTERN ARG...
wrong() {
	local want=$1 pattern=$2 status=0 out
	shift 2
	out=$(vimg-mount "$@" 2>err) || status=$?
	[ "$status" = "$want" ] || fail "status $status instead of $want: vimg-mount $*: $(cat err)"
	[ -z "$out" ] || fail "on stdout: vimg-mount $*: $out"
	grep -qE "^vimg-mount: .*$pattern" err || fail "no word of '$pattern': vimg-mount $*: $(cat err)"
	[ "$(wc -l <err)" = 1 ] || fail "more than one sentence: vimg-mount $*: $(cat err)"
	! mountpoint -q m || fail "mounted: vimg-mount $*"
}

wrong 2 'no --image'
wrong 2 'no --image' m
wrong 2 'did you mean --image disk.img\?' disk.img m
wrong 2 'did you mean --image disk.img\?' disk.img
wrong 2 'did you mean --image disk.img\?' --list disk.img
wrong 2 'no such format; known are .*raw' --format zip --image disk.img m
wrong 2 '--rw and --no-lock contradict' --rw -U --image disk.img m
wrong 1 'disk.img: ' --format vdi --image disk.img m
wrong 1 'no.img�\[31m' --list --image $'no.img\e[31m'
wrong 1 'm�\[31m' --image disk.img $'m\e[31m'
wrong 2 'no mount point' --image disk.img
wrong 2 'more than one mount point' --image disk.img m file
wrong 2 'more than one --image' --image disk.img -i disk.img m
wrong 2 'no option --frobnicate' --frobnicate --image disk.img m
wrong 2 'no option -x' -lx --image disk.img m
wrong 2 'takes no value' --list=3 --image disk.img
wrong 2 '--image wants a value' --image
wrong 2 '-p two' -p two --image disk.img m
wrong 2 '-p -1' -p -1 --image disk.img m
wrong 2 '--sector-size 700' --sector-size 700 --image disk.img m
wrong 2 '--list wants an --image' --list
wrong 2 'takes no mount point' --list --image disk.img m
wrong 2 'contradict' --rw -o ro --image disk.img m
wrong 2 '--rw does' -o rw --image disk.img m
wrong 2 'frob' -o frob --image disk.img m
wrong 2 'wants one mount point' -u
wrong 2 'do not go together' -u -l
wrong 2 'go with --list' --json --image disk.img m

wrong 1 'no.img: No such file' --image no.img m
wrong 1 'no/disk.img: No such file' --image no/disk.img m
wrong 1 'No such file' --list --image no.img
wrong 1 'nowhere.*No such file' --image disk.img nowhere
wrong 1 'file is not a folder' --image disk.img file
wrong 1 'no partition 3' -p 3 --image disk.img m
wrong 1 'no partition 3' -p 3 --rw --image disk.img m
wrong 1 'nothing is mounted' -u m
wrong 1 'No such file' -u nowhere
wrong 1 '/proc is no mount of vimg-mount: it is of type proc' -u /proc
truncate -s 1M empty.img
wrong 1 'no partition table' -p 1 --image empty.img m
wrong 1 '' --image "$tmp" m

mount_image "$tmp/m" --image disk.img
status=0
said=$(vimg-mount --image disk.img m 2>&1) || status=$?
[ "$status" = 1 ] && [[ $said == *already* ]] || fail "mounted twice: $status $said"

vimg-mount --help | grep -q -- --parent-dir || fail "no help"
[ "$(vimg-mount --version)" = "$(vimg-mount --version --frob)" ] || fail "--version"
[ "$(vimg-mount -V)" = "$(vimg-mount --version)" ] || fail "-V"

# A mount whose server was killed.
vimg-mount -u m
vimg-mount -f --image disk.img m &
server=$!
for ((i = 0; i < 500; i++)); do
	[ ! -e m/vhdd ] || break
	sleep 0.02
done
kill -9 $server
wait $server 2>/dev/null || true
check_fails vimg-mount --image disk.img m
[[ $said == *'server is dead; vimg-mount -u m'* ]] || fail "over a dead mount: $said"
check_fails vimg-mount -u m
! mountpoint -q m || fail "the dead mount is still there"
