#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What cannot be read is EIO, not zeros and not the end of the file; all around it is there. It counts
# as data, so that copies which look for holes meet the error too.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
requires qemu-img qemu-io
tmpdir
cd "$tmp"
qemu-img create -q -f vdi disk.vdi 64M
qemu-io -f vdi -c 'write -q -P 65 4M 3M' disk.vdi
# The table's entry of the block at 5 MiB points far beyond the end.
python '
with open("disk.vdi", "r+b") as f:
	f.seek(0x154)
	table = int.from_bytes(f.read(4), "little")
	f.seek(table + 4 * 5)
	f.write((5000).to_bytes(4, "little"))
'
for options in "" "-o direct_io"; do
	mount_image m $options --image disk.vdi
	python '
M = 1 << 20
fd = os.open("m/vhdd", os.O_RDONLY)
wants(errno.EIO, os.pread, fd, 4096, 5 * M)
wants(errno.EIO, os.pread, fd, 1, 6 * M - 1)
if os.pread(fd, 4096, 5 * M - 4096) != b"A" * 4096 or os.pread(fd, M, 6 * M) != b"A" * M:
	fail("the bytes around it are not there")
if os.lseek(fd, 5 * M, os.SEEK_DATA) != 5 * M:
	fail("it counts as a hole")
'
	! cp m/vhdd copy 2>/dev/null || fail "a copy is made without an error"
	vimg-mount -u m
done

# Which new block would be safe to write to is unknown then.
check_fails vimg-mount --rw --image disk.vdi m
[[ $said == *disk.vdi* ]] || fail "it says: $said"
