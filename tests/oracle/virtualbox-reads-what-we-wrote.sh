#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The real VirtualBox reads the same bytes from the images that we make and write, at each level of
# each chain: dynamic, fixed, and differencing images, VDI on VHD, sizes that fill no block; with
# holes, and with zeros over the parent's data.
#
# VirtualBox is VIMG_VBOXMANAGE, a VBoxManage of this machine; or the one that scripts/get-virtualbox
# has put into VIMG_VIRTUALBOX or ~/.cache/vimg/virtualbox. Without either the test is skipped.
#
# Left out is what VirtualBox itself does not read: children larger than their parents, blocks of less
# than 128 KiB in VDI and of less than 256 KiB in VHD.
. "$top_srcdir/tests/test-lib.sh"

folder=${VIMG_VIRTUALBOX:-${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}/vimg/virtualbox}

# vboxmanage FOLDER ARG...: of paths it knows those below FOLDER only, by their ends.
vboxmanage() {
	local work=$1
	shift
	if [ -n "${VIMG_VBOXMANAGE:-}" ]; then
		(cd "$work" && VBOX_USER_HOME=$work/home "$VIMG_VBOXMANAGE" "$@")
		return
	fi
	(cd / && env -i PATH=/usr/lib/virtualbox:/usr/bin:/bin HOME=/w/home VBOX_USER_HOME=/w/home \
		USER=root LOGNAME=root LC_ALL=C.UTF-8 \
		"$chroot" "$folder" /usr/lib/virtualbox/VBoxManage "$@")
}

# convert FOLDER: all images on its list, parents before children, to IMAGE.raw. VirtualBox finds a
# parent only if it has seen it, so that all is done by one server.
convert() {
	local name inside=/w
	[ -z "${VIMG_VBOXMANAGE:-}" ] || inside=$1
	while read -r name; do
		vboxmanage "$1" clonemedium disk "$inside/$name" "$inside/$name.raw" --format RAW \
			</dev/null >>"$1/log" 2>&1 || { echo "$name" >"$1/failed"; return 1; }
	done <"$1/list"
}

# In namespaces of its own, so that VirtualBox's server ends and nothing stays mounted.
if [ "${1:-}" = inside ]; then
	chroot=$(command -v chroot)
	mount --rbind /dev "$folder/dev"
	mount -t proc proc "$folder/proc"
	mount -t tmpfs tmpfs "$folder/tmp"
	mount --bind "$2" "$folder/w"
	convert "$2"
	exit
fi

separate=(unshare --mount --pid --fork --kill-child=KILL)
if [ -z "${VIMG_VBOXMANAGE:-}" ]; then
	[ -e "$folder/.ready" ] || skip "no VirtualBox in $folder; scripts/get-virtualbox puts one there"
	requires unshare chroot mount
	[ "$(id -u)" = 0 ] || separate+=(--map-root-user)
	"${separate[@]}" mount -t tmpfs tmpfs "$folder/tmp" 2>/dev/null ||
		skip "namespaces for VirtualBox cannot be made here"
fi
tmpdir
mkdir "$tmp/home"
scribble=$top_builddir/tests/oracle/scribble
seed=0

# image NAME [ARG...]: made by vimg create with these, then written to.
image() {
	local name=$1
	shift
	vimg create --quiet "$@" --force "$tmp/$name" ${size:+"$size"}
	seed=$((seed + 1))
	"$scribble" "$tmp/$name" "$tmp/$name.bytes" $seed
	echo "$name" >>"$tmp/list"
}

# child NAME PARENT [ARG...]
child() {
	local name=$1 parent=$2 size=
	shift 2
	cp "$tmp/$parent.bytes" "$tmp/$name.bytes"
	image "$name" --parent "$tmp/$parent" "$@"
}

size=12M image dynamic.vdi
child one.vdi dynamic.vdi
child two.vdi one.vdi
size=$((7 * 1048576 + 512)) image odd.vdi
child odd-one.vdi odd.vdi
child odd-two.vdi odd-one.vdi
size=9M image fixed.vdi --fixed
child on-fixed.vdi fixed.vdi
size=12M image dynamic.vhd
child one.vhd dynamic.vhd
child two.vhd one.vhd
size=$((9 * 1048576 + 3 * 512)) image odd.vhd
child odd-one.vhd odd.vhd
child odd-two.vhd odd-one.vhd
size=9M image fixed.vhd --fixed
child on-fixed.vhd fixed.vhd
child mixed.vdi dynamic.vhd
child mixed-two.vdi mixed.vdi
child over-one.vdi one.vhd
if ! quick; then
	size=8M image small-blocks.vdi --block-size 128K
	child small-blocks-one.vdi small-blocks.vdi --block-size 128K
	size=40M image other-blocks.vhd --block-size 256K
	child other-blocks-one.vhd other-blocks.vhd --block-size 256K
fi

if [ -n "${VIMG_VBOXMANAGE:-}" ]; then
	convert "$tmp" || true
else
	"${separate[@]}" "$0" inside "$tmp" || true
fi
[ ! -e "$tmp/failed" ] || fail "VirtualBox does not read $(cat "$tmp/failed"): $(tail -n 5 "$tmp/log")"
while read -r name; do
	[ -e "$tmp/$name.raw" ] || fail "VirtualBox made nothing of $name"
	difference=$(cmp "$tmp/$name.raw" "$tmp/$name.bytes" 2>&1) ||
		fail "VirtualBox reads something else from $name: $difference"
done <"$tmp/list"
echo "$(wc -l <"$tmp/list") images are the same to VirtualBox"
