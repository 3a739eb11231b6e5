#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Images on which random operations were done are sound for qemu-img, and hold the same bytes; also
# those that were opened and closed once after a power cut.
. "$top_srcdir/tests/test-lib.sh"

requires qemu-img
tmpdir
dump=$top_builddir/tests/core/dump

# agrees FORMAT dynamic|fixed QEMU'S-NAME [cut]
agrees() {
	local seed status
	for seed in $(quick && echo 1 || seq 6); do
		status=0
		"$dump" "$1" "$2" "$seed" "$tmp/image" "$tmp/raw" ${4:+"$4"} || status=$?
		[ $status != 77 ] || return 0
		[ $status = 0 ] || fail "dump $1 $2 $seed"
		# Not every kind has a check.
		status=0
		said=$(qemu-img check -q -f "$3" "$tmp/image" 2>&1) || status=$?
		[ $status = 0 ] || [ $status = 63 ] || fail "$1 $2 $seed: qemu-img check: $said"
		qemu-img compare -q -f "$3" -F raw "$tmp/image" "$tmp/raw" ||
			fail "$1 $2 $seed: qemu-img reads something else"
		rm "$tmp/image" "$tmp/raw"
	done
}

agrees raw fixed raw
agrees vdi dynamic vdi
agrees vdi fixed vdi
agrees vhd dynamic vpc
agrees vhd fixed vpc
agrees vdi dynamic vdi cut
agrees vhd dynamic vpc cut
