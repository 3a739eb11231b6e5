#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without --rw nothing is ever written, and who tries learns of it.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
before=$(sha256 "$tmp/disk.img")
mount_image "$tmp/m" --image "$tmp/disk.img"
python '
for name in "vhdd", "vol0":
	path = sys.argv[1] + "/" + name
	for flags in os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_RDWR | os.O_APPEND:
		wants(errno.EROFS, os.open, path, flags)
	wants(errno.EROFS, os.truncate, path, 0)
	wants(errno.EROFS, os.utime, path)
	fd = os.open(path, os.O_RDONLY)
	wants(errno.EBADF, os.write, fd, b"x")
	os.fsync(fd)
wants(errno.EROFS, os.open, sys.argv[1] + "/new", os.O_WRONLY | os.O_CREAT)
wants(errno.EROFS, os.unlink, sys.argv[1] + "/vol0")
' "$tmp/m"
vimg-mount -u "$tmp/m"
[ "$(sha256 "$tmp/disk.img")" = "$before" ] || fail "the image changed"
