#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# vhdd and volN are the same bytes under two names, and the kernel caches both: what was written,
# zeroed or punched through one is seen at once through the other, read or mapped, open or not.
. "$top_srcdir/tests/test-lib.sh"
. "$top_srcdir/tests/vimg-mount/mount-lib.sh"

requires_fuse
tmpdir
make_disk "$tmp/disk.img"
mount_image "$tmp/m" --rw --image "$tmp/disk.img"
python '
import random, threading
random.seed(2)
VOL = 1 << 20
SIZE = 8 << 20
vhdd, vol0 = (sys.argv[1] + "/" + n for n in ("vhdd", "vol0"))

def both(writer, reader, wbase, rbase):
	r = os.open(reader, os.O_RDONLY)
	rmap = mmap.mmap(r, SIZE + rbase, prot=mmap.PROT_READ)
	w = os.open(writer, os.O_RDWR)
	wmap = mmap.mmap(w, SIZE + wbase)
	direct = os.open(writer, os.O_RDWR | os.O_DIRECT)
	page = mmap.mmap(-1, 1 << 16)
	for i in range(400):
		n = random.choice((1, 100, 4096, 10000, 200000))
		at = random.randrange(SIZE - n)
		len(os.pread(r, n, rbase + at)), rmap[rbase + at]	# now the kernel has it
		how = i % 5
		if how == 0:
			want = random.randbytes(n)
			os.pwrite(w, want, wbase + at)
		elif how == 1:
			want = random.randbytes(n)
			wmap[wbase + at:wbase + at + n] = want
			wmap.flush()
		elif how == 2:
			want = bytes(n)
			fallocate(w, PUNCH_HOLE | KEEP_SIZE, wbase + at, n)
		elif how == 3:
			want = bytes(n)
			fallocate(w, ZERO_RANGE, wbase + at, n)
		else:
			at &= ~4095
			want = random.randbytes(4096) * 16
			at = min(at, SIZE - len(want))
			page[:] = want
			n = os.pwritev(direct, [page], wbase + at)
			want = want[:n]
		if os.pread(r, n, rbase + at) != want:
			fail("reading is stale", reader, how, at, n)
		if rmap[rbase + at:rbase + at + n] != want:
			fail("the mapping is stale", reader, how, at, n)
	rmap.close(); wmap.close()
	for fd in r, w, direct:
		os.close(fd)

both(vol0, vhdd, 0, VOL)
both(vhdd, vol0, VOL, 0)

# Closed in between; and one byte stored must not bring the rest of a stale page back.
for i in range(50):
	for first, fbase, second, sbase in (vol0, 0, vhdd, VOL), (vhdd, VOL, vol0, 0):
		at = random.randrange(SIZE // 4096) * 4096
		fd = os.open(second, os.O_RDONLY)
		os.pread(fd, 4096, sbase + at)
		os.close(fd)
		new = random.randbytes(4096)
		fd = os.open(first, os.O_RDWR)
		os.pwrite(fd, new, fbase + at)
		os.close(fd)
		fd = os.open(second, os.O_RDWR)
		m = mmap.mmap(fd, 4096, offset=sbase + at)
		if m[0:4096] != new:
			fail("stale after opening", second)
		m[7] = new[7] ^ 255
		m.close()
		os.close(fd)
		fd = os.open(first, os.O_RDONLY)
		if os.pread(fd, 4096, fbase + at) != new[:7] + bytes([new[7] ^ 255]) + new[8:]:
			fail("a stale page came back")
		os.close(fd)

# Readers and writers at a time: versions only go up, and what was written is seen from then on.
done, seen = [0], [0]
def reader():
	r = os.open(vhdd, os.O_RDONLY)
	m = mmap.mmap(r, VOL + SIZE, prot=mmap.PROT_READ)
	while not stop:
		low = done[0]
		for got in os.pread(r, 8, VOL + 4096), m[VOL + 4096:VOL + 4104]:
			if int.from_bytes(got, "big") < low:
				stop.append("saw %d after %d was written" % (int.from_bytes(got, "big"), low))
		os.pread(r, 1 << 20, random.randrange(SIZE))
stop = []
w = os.open(vol0, os.O_RDWR)
os.pwrite(w, bytes(8), 4096)
threads = [threading.Thread(target=reader) for i in range(4)]
for t in threads:
	t.start()
end = time.time() + 2
while time.time() < end and not stop:
	os.pwrite(w, (done[0] + 1).to_bytes(8, "big") * 1000, 4096)
	done[0] += 1
bad = list(stop)
stop.append("end")
for t in threads:
	t.join()
if bad:
	fail(bad[0])
' "$tmp/m"
cmp <(tail -c +1048577 "$tmp/m/vhdd" | head -c 8M) "$tmp/m/vol0"
vimg-mount -u "$tmp/m"
