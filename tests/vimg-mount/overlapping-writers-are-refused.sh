#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Of two nodes that are the same bytes only one can be open for writing; the other gets EBUSY, until
# the first is closed, and not a moment longer.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
mount_image "$tmp/m" --rw --image "$tmp/disk.img"
python '
vhdd, vol0, vol1 = (sys.argv[1] + "/" + n for n in ("vhdd", "vol0", "vol1"))
a = os.open(vol0, os.O_RDWR)
b = os.open(vol1, os.O_WRONLY)		# other bytes
c = os.open(vol0, os.O_WRONLY)		# the same node
d = os.open(vhdd, os.O_RDONLY)
wants(errno.EBUSY, os.open, vhdd, os.O_RDWR)
wants(errno.EBUSY, os.open, vhdd, os.O_WRONLY | os.O_TRUNC)
os.close(a); os.close(b)
wants(errno.EBUSY, os.open, vhdd, os.O_RDWR)
os.close(c)
e = os.open(vhdd, os.O_RDWR)
wants(errno.EBUSY, os.open, vol0, os.O_WRONLY)
wants(errno.EBUSY, os.open, vol1, os.O_WRONLY)

# A mapping keeps it open.
m = mmap.mmap(e, 4096, offset=1 << 20)
os.close(e)
wants(errno.EBUSY, os.open, vol0, os.O_WRONLY)
m[0:4] = b"mmap"
m.close()
a = os.open(vol0, os.O_RDWR)
if os.pread(a, 4, 0) != b"mmap":
	fail("what was mapped and unmapped did not arrive")
os.close(a)

# The kernel tells of a closed file a little later: nobody must notice.
for i in range(300):
	os.close(os.open(vhdd, os.O_RDWR))
	os.close(os.open(vol0, os.O_RDWR))
' "$tmp/m"
vimg-mount -u "$tmp/m"
