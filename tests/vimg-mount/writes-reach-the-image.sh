#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# With --rw what is written through any node is in the image, at any alignment; a node keeps its size.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
cp "$tmp/disk.img" "$tmp/model"
mount_image "$tmp/m" --rw --image "$tmp/disk.img"
python '
import random
random.seed(1)
m, model = sys.argv[1], open(sys.argv[2], "r+b", buffering=0)
for name, start, size in ("vol0", 1 << 20, 8 << 20), ("vol1", 12 << 20, 8 << 20), ("vhdd", 0, 32 << 20):
	fd = os.open(m + "/" + name, os.O_RDWR)
	for i in range(60):
		n = random.choice((1, 511, 4096, 70001, 1 << 20, 3 << 20))
		at = random.randrange(size - n + 1)
		data = random.randbytes(n)
		done = 0
		while done < n:
			done += os.pwrite(fd, data[done:], at + done)
		os.pwrite(model.fileno(), data, start + at)
		if i % 20 == 0:
			os.fsync(fd)
	# As on a block device: what reaches past the end is cut there, and then there is no space.
	if os.pwrite(fd, b"E" * 1000, size - 600) != 600:
		fail("a write over the end of", name)
	os.pwrite(model.fileno(), b"E" * 600, start + size - 600)
	wants(errno.ENOSPC, os.pwrite, fd, b"x", size)
	wants(errno.EPERM, os.ftruncate, fd, 0)
	wants(errno.EPERM, os.ftruncate, fd, size + 1)
	wants(errno.EPERM, os.truncate, m + "/" + name, 5)
	os.ftruncate(fd, size)
	os.close(fd)
	# O_TRUNC is what shells and dd add; it is no error and does nothing.
	fd = os.open(m + "/" + name, os.O_RDWR | os.O_TRUNC | os.O_CREAT)
	if os.fstat(fd).st_size != size or os.pread(fd, 600, size - 600) != b"E" * 600:
		fail("O_TRUNC did something")
	os.pwrite(fd, b"T" * 10, 5)
	os.pwrite(model.fileno(), b"T" * 10, start + 5)
	os.close(fd)
	if os.stat(m + "/" + name).st_size != size:
		fail("the size of", name, "changed")
wants(errno.EPERM, os.open, m + "/new", os.O_WRONLY | os.O_CREAT)
wants(errno.EPERM, os.unlink, m + "/vol0")
wants(errno.EPERM, os.mkdir, m + "/new")
wants(errno.EPERM, os.rename, m + "/vol0", m + "/vol9")
' "$tmp/m" "$tmp/model"
cmp "$tmp/m/vhdd" "$tmp/model"
vimg-mount -u "$tmp/m"
cmp "$tmp/disk.img" "$tmp/model"
