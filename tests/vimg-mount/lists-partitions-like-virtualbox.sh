#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The listing is the one of VirtualBox's manual; --json is JSON, sizes in bytes.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires vimg-mount sfdisk python3
tmpdir
cd "$tmp"
truncate -s 40G disk.img
sfdisk -q disk.img <<-END
	label: gpt
	first-lba: 34
	start=40, size=409599, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI x"
	start=409640, size=67453071, type=48465300-0000-11AA-AA11-00306543ECAC
END
vimg-mount --list --image disk.img >listing
diff -u - listing <<-END

	Virtual disk image:

	   Path: $PWD/disk.img
	   UUID: none

	 #     Start   Sectors     Size       Offset  Type
	 1        40    409599   199.9M        20480  EFI System
	 2    409640  67453071    32.1G    209735680  Hierarchical File System Plus (HFS+)
END
vimg-mount -lv -i disk.img | grep -q 'vol1 ' || fail "no volumes in the verbose listing"
vimg-mount --list --wide --image=disk.img | grep -q '"EFI x"' || fail "no names in the wide listing"

vimg-mount --list --json --image disk.img | python3 -c '
import json, os, sys
o = json.load(sys.stdin)
want = dict(image=os.path.realpath("disk.img"), format="raw", uuid=None, table="gpt", warnings=[])
want.update({"virtual-size": 40 << 30, "sector-size": 512})
for key in want:
	assert o[key] == want[key], (key, o[key])
assert [c["path"] for c in o["chain"]] == [o["image"]] and o["chain"][0]["parent-uuid"] is None
a, b = o["partitions"]
assert (a["number"], a["volume"], a["start"], a["sectors"], a["offset"], a["size"]) == \
	(1, "vol0", 40, 409599, 20480, 409599 * 512), a
assert a["type"] == "EFI System" and a["type-id"] == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
assert a["name"] == "EFI x" and a["bootable"] is False and b["volume"] == "vol1"
'

# Damage that can be mended is told.
dd if=/dev/zero of=disk.img bs=512 seek=1 count=1 conv=notrunc status=none
vimg-mount --list --image disk.img | grep -q '^   Note: .*backup' || fail "the damaged header is not told"
vimg-mount --list --json --image disk.img |
	python3 -c 'import json, sys; assert len(json.load(sys.stdin)["warnings"]) == 1'

# A name that is no text is JSON still.
truncate -s 1M $'a\xff\nb.img'
vimg-mount --list --json --image $'a\xff\nb.img' | python3 -m json.tool >/dev/null
vimg-mount --list --image $'a\xff\nb.img' | grep -q '(no partition table)' || fail "no word about the missing table"
