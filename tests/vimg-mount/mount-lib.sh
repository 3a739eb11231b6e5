# SPDX-License-Identifier: GPL-2.0-or-later
#
# mount-lib.sh - sourced by the tests of vimg-mount, after test-lib.sh.

# make_disk FILE: 32 MiB raw with two partitions of 8 MiB at 1 MiB and 12 MiB (so there is a gap after
# each), random bytes in all of them.
make_disk() {
	requires sfdisk
	head -c 32M /dev/urandom >"$1"
	dd if=/dev/zero of="$1" bs=1M count=1 conv=notrunc status=none
	sfdisk -q "$1" <<-END
		label: dos
		start=2048, size=16384, type=6
		start=24576, size=16384, type=83
	END
}

# mount_image DIR ARG...: mounts there, and unmounts on leaving. DIR is made.
mount_image() {
	mkdir -p "$1"
	cleanup unmount "$1"
	vimg-mount "${@:2}" "$1"
}

# python CODE [ARG...]: with what the tests need. E.g. `wants(errno.EBUSY, os.open, path, os.O_RDWR)`.
python() {
	requires python3
	python3 -c '
import ctypes, errno, mmap, os, sys, time

def fail(*why):
	sys.exit("FAILED: " + " ".join(str(w) for w in why))

def wants(number, call, *args):
	try:
		call(*args)
	except OSError as e:
		if e.errno != number:
			fail("got", e, "instead of", errno.errorcode[number])
	else:
		fail("no error instead of", errno.errorcode[number])

libc = ctypes.CDLL(None, use_errno=True)
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 1, 2, 16
def fallocate(fd, mode, offset, length):
	if libc.fallocate64(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length)):
		raise OSError(ctypes.get_errno(), "fallocate")

'"$1" "${@:2}"
}
