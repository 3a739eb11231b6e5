#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Many threads read at a time, buffered, with O_DIRECT, mapped, and with -o direct_io.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
for options in "" "-o direct_io" "-o clone_fd" "--rw"; do
	mount_image "$tmp/m" $options --image "$tmp/disk.img"
	python '
import random, threading
path, want = sys.argv[1] + "/vhdd", open(sys.argv[2], "rb").read()
bad = []
def run(seed):
	rng = random.Random(seed)
	fd = os.open(path, os.O_RDONLY | (os.O_DIRECT if seed % 3 == 1 else 0))
	m = None if "direct_io" in sys.argv[3] else mmap.mmap(fd, 0, prot=mmap.PROT_READ)
	buf = mmap.mmap(-1, 1 << 21)
	for i in range(60):
		n = rng.choice((4096, 65536, 1 << 20, 1 << 21))
		at = rng.randrange((len(want) - n) // 4096 + 1) * 4096
		if seed % 3 == 2 and m:
			got = m[at:at + n]
		else:
			got = b""
			while len(got) < n:
				k = os.preadv(fd, [memoryview(buf)[:n - len(got)]], at + len(got))
				if not k:
					break
				got += buf[:k]
		if got != want[at:at + n]:
			bad.append((seed, at, n))
threads = [threading.Thread(target=run, args=(s,)) for s in range(12)]
for t in threads: t.start()
for t in threads: t.join()
if bad:
	fail("wrong bytes", bad[0])
' "$tmp/m" "$tmp/disk.img" "$options"
	vimg-mount -u "$tmp/m"
done
