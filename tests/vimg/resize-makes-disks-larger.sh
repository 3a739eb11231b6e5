#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg resize makes disks larger: what they held stays, what is new reads as zeros, qemu-img agrees on
# the size and finds nothing wrong. What cannot be is told, and changes nothing.
. "$top_srcdir/tests/test-lib.sh"

requires qemu-img qemu-io
tmpdir
cd "$tmp"

# sized FILE: as vimg has it
sized() {
	vimg info --json "$1" | sed -nE 's/^  "virtual-size": ([0-9]+).*/\1/p'
}

# grow FILE QEMU'S-NAME FROM TO...
grow() {
	local file=$1 qemu=$2 size=$3
	shift 3
	qemu-io -f "$qemu" -c "write -q -P 7 0 300k" -c "write -q -P 9 $((size - 8192)) 8k" "$file" >/dev/null
	qemu-img convert -f "$qemu" -O raw "$file" before
	truncate -s "$size" before
	for size; do
		vimg resize "$file" "$size" >said || fail "vimg resize $file $size"
		grep -q "^$file: .*($size bytes), was " said || fail "it says: $(cat said)"
		[ "$(sized "$file")" = "$size" ] || fail "$file has $(sized "$file") bytes, not $size"
		truncate -s "$size" before
		vimg check -q "$file" || fail "vimg check finds something in $file"
		[ "$qemu" != vdi ] || qemu-img check -q -f vdi "$file" || fail "qemu-img check finds something in $file"
		qemu-img info -f "$qemu" --output json "$file" | grep -q "\"virtual-size\": $size," ||
			fail "qemu-img sees another size: $(qemu-img info -f "$qemu" --output json "$file")"
		qemu-img compare -q -f raw -F "$qemu" before "$file" || fail "$file holds something else at $size"
	done
}

M=1048576
for kind in raw:raw vdi:vdi vhd:vpc; do
	format=${kind%:*} qemu=${kind#*:}
	vimg create -q a.$format 4M
	grow a.$format $qemu $((4 * M)) $((4 * M + 512)) $((5 * M)) $((300 * M)) $((301 * M)) $((1000 * M))
	vimg create -q --fixed fixed.$format 4M
	grow fixed.$format $qemu $((4 * M)) $((4 * M + 512)) $((9 * M))
	rm fixed.$format
done

# With a table that has to be moved. (Of VDIs QEMU takes blocks of 1 MiB only: 256 GiB fill the space.)
vimg create -q big.vdi 256G
grow big.vdi vdi $((262144 * M)) $((262145 * M))
[ -n "${VIMG_TEST_QUICK-}" ] || grow big.vdi vdi $((262145 * M)) $((700000 * M))
vimg create -q --block-size 64K small.vhd 8M
grow small.vhd vpc $((8 * M)) $((9 * M)) $((100 * M))

# A child alone, past the end of its parent.
vimg create -q --parent a.vdi child.vdi
vimg resize child.vdi +24M >said
grep -q 'was 1000' said
[ "$(sized child.vdi)" = $((1024 * M)) ] && [ "$(sized a.vdi)" = $((1000 * M)) ]
vimg check -q child.vdi
[ "$(vimg resize --json child.vdi +1M | tr -d ' \n')" = \
	'{"image":"child.vdi","virtual-size":1074790400,"previous-size":1073741824}' ] ||
	fail "the JSON is $(vimg resize --json child.vdi +1M)"

# refused STATUS PATTERN ARGUMENT...
refused() {
	local status=0 want=$1 pattern=$2
	shift 2
	vimg resize "$@" >out 2>said || status=$?
	[ "$status" = "$want" ] || fail "vimg resize $*: status $status: $(cat said)"
	[ ! -s out ] && grep -q -- "$pattern" said || fail "vimg resize $* says: $(cat said)"
}

cp a.raw same
refused 1 'cannot be made smaller' a.raw 4M
refused 2 'multiple of 512; the next one is' a.raw 1048577001
refused 2 'nonsense' a.raw nonsense
refused 2 . a.raw
refused 1 'has it as its parent' a.vdi 2G
refused 1 'at most 2040 GiB' a.vhd 2041G
cmp a.raw same
