#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vimg create makes images of the size, variant, block size, UUID and comment that were asked for; we
# and qemu-img read them alike, as zeros.
. "$top_srcdir/tests/test-lib.sh"

requires qemu-img
tmpdir
cd "$tmp"

# field FILE KEY...: of the first image, one line each.
field() {
	local key file=$1
	shift
	vimg info --json "$file" >json
	for key; do
		sed -nE '/"chain": \[/,$ s/^ *"'$key'": "?([^"]*[^",])"?,?$/\1/p' json | head -1
	done
}

# is WHAT FOUND EXPECTED
is() {
	[ "$2" = "$3" ] || fail "$1 is $2, not $3"
}

# try FORMAT QEMU'S-NAME VARIANT BYTES [OPTION...]
try() {
	local format=$1 qemu=$2 variant=$3 size=$4 file=disk.$1 said
	shift 4
	said=$(vimg create "$@" "$file" "$size" 2>/dev/null)
	is "the number of lines of $said" "$(wc -l <<<"$said")" 1
	case $said in "$file: $format (by its name), $variant, "*"($size bytes)"*) ;; *) fail "it says: $said" ;; esac
	is "variant and size of $said" "$(field "$file" variant virtual-size | xargs)" "$variant $size"
	is "qemu's size of $said" "$(qemu-img info -f "$qemu" --output json "$file" |
		sed -nE 's/^    "virtual-size": ([0-9]+).*/\1/p')" "$size"
	[ "$qemu" != vdi ] || qemu-img check -q -f vdi "$file" || fail "qemu-img check finds something in: $said"
	vimg check -q "$file" || fail "vimg check finds something in: $said"
	if [ "$size" -le 20000000 ]; then
		truncate -s "$size" zeros
		qemu-img compare -q -f raw -F "$qemu" zeros "$file" || fail "not all zeros: $said"
	fi
	rm "$file"
}

for size in 512 1048576 1049088 16777216 21474836480 137438953472; do
	try vdi vdi dynamic $size
	try vhd vpc dynamic $size
	try raw raw fixed $size
done
for size in 512 1049088 16777216; do
	try vdi vdi fixed $size --fixed
	try vhd vpc fixed $size --variant Fixed
	try raw raw fixed $size --fixed
done
try vdi vdi dynamic 1099511627776

# QEMU rounds up to sectors.
vimg create -q any.raw 1000001
is "the size" "$(field any.raw virtual-size)" 1000001

# A fixed image has its space from the start, another one has not.
for format in vdi vhd raw; do
	vimg create -q --fixed fixed.$format 8M
	[ "$(field fixed.$format allocated)" -ge 8388608 ] || fail "a fixed $format has no space"
	vimg create -q thin.$format 8G
	[ "$(field thin.$format allocated)" -lt 1048576 ] || fail "a dynamic $format takes space"
done

vimg create -q --block-size 64K small.vdi 1G
is "the block size" "$(field small.vdi block-size)" 65536
vimg create -q --block-size 512K small.vhd 1G
is "the block size" "$(field small.vhd block-size)" 524288

for format in vdi vhd; do
	vimg create -q --uuid '{F81D4FAE-7dec-41d0-a765-00a0c91e6bf6}' named.$format 1M
	is "the UUID" "$(field named.$format uuid)" f81d4fae-7dec-41d0-a765-00a0c91e6bf6
	vimg create -q one.$format 1M
	vimg create -q two.$format 1M
	[ "$(field one.$format uuid)" != "$(field two.$format uuid)" ] || fail "the same UUID twice"
done
vimg create -q --comment 'for the tests' said.vdi 1M
is "the comment" "$(field said.vdi comment)" "for the tests"

# The format is taken from the option, however spelt, and the words in any order or as options.
vimg create -q --format VDI odd.img 1M
is "the format" "$(field odd.img format)" vdi
vimg create -q -f vpc odd2.img 1M
is "the format" "$(field odd2.img format)" vhd
vimg create -q 'UPPER.VHD' 1M
is "the format" "$(field UPPER.VHD format)" vhd
vimg create -q --filename by-option.vdi --size=2M --variant Standard
is "the size" "$(field by-option.vdi virtual-size)" 2097152
vimg create -q last.vdi --size 3M --format vdi
is "the size" "$(field last.vdi virtual-size)" 3145728

# --json describes what was made; --quiet says nothing; --force replaces.
vimg create --json j.vdi 1M | grep -qx '  "image": "j.vdi",' ||
	fail "--json does not name the image"
old=$(field j.vdi uuid)
[ -z "$(vimg create --quiet --force j.vdi 2M 2>&1)" ] || fail "--quiet says something"
is "the size" "$(field j.vdi virtual-size)" 2097152
[ "$(field j.vdi uuid)" != "$old" ] || fail "replaced by the same"
