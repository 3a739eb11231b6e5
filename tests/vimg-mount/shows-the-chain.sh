#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A differencing image is shown merged with its parents; the listing names them from the base up, JSON
# from the leaf down.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires qemu-img qemu-io sfdisk
tmpdir
cd "$tmp"
mkdir Snapshots
make_disk raw.img
qemu-img convert -f raw -O vdi raw.img base.vdi
for child in one two; do
	qemu-img create -q -f vdi Snapshots/$child.vdi 32M
done
qemu-io -f vdi -c 'write -q -P 66 1M 1M' Snapshots/one.vdi
qemu-io -f vdi -c 'write -q -P 67 12M 1M' Snapshots/two.vdi
# Links them as VirtualBox does: type 4, and the ids of the parent.
python '
def link(child, parent):
	with open(parent, "rb") as f:
		f.seek(0x188)
		ids = f.read(32)
	with open(child, "r+b") as f:
		f.seek(0x4c)
		f.write((4).to_bytes(4, "little"))
		f.seek(0x1a8)
		f.write(ids)
link("Snapshots/one.vdi", "base.vdi")
link("Snapshots/two.vdi", "Snapshots/one.vdi")
'
head -c 1M /dev/zero | tr '\0' B | dd of=raw.img bs=1M seek=1 conv=notrunc status=none
head -c 1M /dev/zero | tr '\0' C | dd of=raw.img bs=1M seek=12 conv=notrunc status=none

vimg-mount --list --image Snapshots/two.vdi >listing
sed -n '2,7p' listing >head
[ "$(sed -n 's/^   Path: //p' head)" = "$PWD/base.vdi" ] || fail "the base: $(cat listing)"
[ "$(sed -n 's/^   Diff: .*\///p' head | tr '\n' ' ')" = "one.vdi two.vdi " ] || fail "the chain: $(cat listing)"
uuid=$(sed -n 's/^   UUID: //p' head)
vimg-mount --list --json --image Snapshots/two.vdi | python3 -c '
import json, sys
o = json.load(sys.stdin)
chain = o["chain"]
assert [c["path"].split("/")[-1] for c in chain] == ["two.vdi", "one.vdi", "base.vdi"], chain
assert o["uuid"] == chain[0]["uuid"] == sys.argv[1] and o["format"] == "vdi"
assert chain[0]["parent-uuid"] == chain[1]["uuid"] and chain[1]["parent-uuid"] == chain[2]["uuid"]
assert chain[2]["parent-uuid"] is None
assert [p["volume"] for p in o["partitions"]] == ["vol0", "vol1"]
' "$uuid"

mount_image m --image Snapshots/two.vdi
cmp m/vhdd raw.img
[ -L m/two.vdi ] || fail "no link to the image"
check_fails vimg-mount --rw --image base.vdi m
vimg-mount -u m

# Its parents are in use while it is mounted; without them it is not shown.
mount_image m --rw --image Snapshots/two.vdi
mkdir n
check_fails vimg-mount --rw --force --image base.vdi n
echo hello | dd of=m/vol1 conv=notrunc status=none
vimg-mount -u m
mkdir -p away/away
mv base.vdi away/away/elsewhere.vdi
check_fails vimg-mount --image Snapshots/two.vdi m
[[ $said == *parent* ]] || fail "it says: $said"
mount_image m --parent Snapshots/one.vdi --parent away/away/elsewhere.vdi --image Snapshots/two.vdi
[ "$(head -n 1 m/vol1)" = hello ] || fail "what was written is not there"
vimg-mount -u m
