#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# SEEK_HOLE and SEEK_DATA tell where data is; PUNCH_HOLE and ZERO_RANGE give zeros to the byte and
# give space back; to allocate ahead is refused and not pretended.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
truncate -s 32M "$tmp/disk.img"
for at in 4 20; do
	head -c 4M /dev/urandom | dd of="$tmp/disk.img" bs=1M seek=$at conv=notrunc status=none
done
cp "$tmp/disk.img" "$tmp/model"
mount_image "$tmp/m" --rw --image "$tmp/disk.img"
python '
M = 1 << 20
fd = os.open(sys.argv[1] + "/vhdd", os.O_RDWR)
model = os.open(sys.argv[2], os.O_RDWR)
def extents():
	out, at = [], 0
	while True:
		try:
			data = os.lseek(fd, at, os.SEEK_DATA)
		except OSError as e:
			if e.errno != errno.ENXIO:
				raise
			return out
		at = os.lseek(fd, data, os.SEEK_HOLE)
		out.append((data, at))
if extents() != [(4 * M, 8 * M), (20 * M, 24 * M)]:
	fail("extents", extents())
if os.lseek(fd, 5 * M, os.SEEK_DATA) != 5 * M or os.lseek(fd, 9 * M + 7, os.SEEK_HOLE) != 9 * M + 7:
	fail("seeking within")
wants(errno.ENXIO, os.lseek, fd, 32 * M, os.SEEK_DATA)
wants(errno.ENXIO, os.lseek, fd, 25 * M, os.SEEK_DATA)
if os.stat(sys.argv[1] + "/vhdd").st_blocks * 512 >= 32 * M:
	fail("it looks as if it had no holes")

for mode, at, n in ((PUNCH_HOLE | KEEP_SIZE, 4 * M + 1, 3), (ZERO_RANGE, 5 * M - 1, 10001),
		(ZERO_RANGE | KEEP_SIZE, 6 * M, 12345), (PUNCH_HOLE | KEEP_SIZE, 7 * M - 7, M // 2)):
	fallocate(fd, mode, at, n)
	os.pwrite(model, bytes(n), at)
fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 20 * M, 4 * M)
os.pwrite(model, bytes(4 * M), 20 * M)
fallocate(fd, PUNCH_HOLE | KEEP_SIZE, 31 * M, 4 * M)	# what is past the end is not there
fallocate(fd, ZERO_RANGE | KEEP_SIZE, 40 * M, M)
wants(errno.ENOSPC, fallocate, fd, ZERO_RANGE, 31 * M, 2 * M)
wants(errno.EOPNOTSUPP, fallocate, fd, 0, 0, M)
wants(errno.EOPNOTSUPP, fallocate, fd, KEEP_SIZE, 0, M)
os.fsync(fd)
if os.fstat(fd).st_size != 32 * M:
	fail("the size changed")
if [e for e in extents() if e[1] > 20 * M]:
	fail("no hole was made:", extents())
' "$tmp/m" "$tmp/model"
cmp "$tmp/m/vhdd" "$tmp/model"
vimg-mount -u "$tmp/m"
cmp "$tmp/disk.img" "$tmp/model"
[ "$(stat -c %b "$tmp/disk.img")" -lt 9000 ] || fail "no space was given back: $(stat -c %b "$tmp/disk.img") blocks"
