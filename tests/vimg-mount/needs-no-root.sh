#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An ordinary user mounts, writes and unmounts, with nothing but /dev/fuse.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires unshare setpriv
if [ "$(id -u)" = 0 ] && [ -z "${IN_NAMESPACE:-}" ]; then
	# /dev/fuse may be root's here, so there is one for all in a namespace of our own.
	unshare -m true 2>/dev/null || skip "no mount namespaces"
	IN_NAMESPACE=1 exec unshare -m --propagation private bash "$0"
fi

user=nobody
tmpdir
chmod 755 "$tmp"
if [ "$(id -u)" = 0 ]; then
	mknod -m 666 "$tmp/fuse" c 10 229 2>/dev/null || skip "no device nodes can be made"
	(: <>"$tmp/fuse") 2>/dev/null || skip "device nodes do not work in $tmp"
	mount --bind "$tmp/fuse" /dev/fuse
	as_user() { setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups "$@"; }
	as_user test -x "$(command -v vimg-mount)" || skip "$user cannot run what is built here"
else
	user=$(id -un)
	as_user() { "$@"; }
fi
mkdir "$tmp/home" "$tmp/home/m"
make_disk "$tmp/home/disk.img"
chown -R "$user" "$tmp/home"
cd "$tmp/home"
cleanup unmount "$tmp/home/m"

as_user vimg-mount --rw --image disk.img m
echo "from $user" | as_user dd of=m/vol0 conv=notrunc status=none
[ "$(as_user stat -c %U m/vhdd)" = "$user" ] || fail "the owner is $(as_user stat -c %U m/vhdd)"
as_user bash -c 'exec 5<m/vol0; ! vimg-mount -u m 2>said' || fail "unmounted while busy"
grep -q busy said || fail "busy, but: $(cat said)"
as_user vimg-mount -u m
[ "$(dd if=disk.img bs=1M skip=1 count=1 status=none | head -n 1)" = "from $user" ] || fail "not written"

# Where the user may not mount there is one sentence that says why.
mkdir theirs
if [ "$(id -u)" = 0 ]; then
	status=0
	said=$(as_user vimg-mount --image disk.img theirs 2>&1) || status=$?
	[ "$status" = 1 ] && [[ $said == "vimg-mount: "*theirs* ]] || fail "status $status: $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than one sentence: $said"
fi

# Another one's mount: it is said whose it is.
if [ "$(id -u)" = 0 ]; then
	mount_image "$tmp/home/roots" --image disk.img
	status=0
	said=$(as_user vimg-mount -u roots 2>&1) || status=$?
	[ "$status" = 1 ] && [[ $said == *'was mounted by root: only root'* ]] || fail "status $status: $said"
	vimg-mount -u roots
fi

# The server's memory stays small.
as_user vimg-mount --image disk.img m
as_user cat m/vhdd m/vol0 m/vol1 >/dev/null
server=$(pgrep -n -u "$user" -f "vimg-mount --image disk.img m") || fail "no server"
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$server/status")
[ "$peak" -le 16384 ] || [ -n "${SAN_CFLAGS:-}" ] || fail "the server took $peak KiB"
as_user vimg-mount -u m
