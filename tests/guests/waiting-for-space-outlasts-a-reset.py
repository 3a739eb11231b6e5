# SPDX-License-Identifier: GPL-2.0-or-later
"""A write waits for space on the host until the guest loses patience and resets; when there is space again the
disk works, and holds what was written since."""

import os
import time

import lab

SECONDS = 30
MIB = 1 << 20

SCRIPT = r"""
wait_disks 1
for f in /sys/block/*/device/timeout; do
	[ ! -e $f ] || echo 3 >$f
done
random_file /tmp/file 20 3
# It may fail, or be tried again until it succeeds.
dd if=/tmp/file of=$disk bs=256k oflag=direct conv=fsync 2>/dev/null &
writer=$!
ask wait_for_reset >&2
ask make_space >&2
wait $writer || ok "the write has failed"
wait_disks 1
until_true 40 dd if=/tmp/file of=$disk bs=256k oflag=direct conv=fsync || fail "the disk does not come back"
check "the same file" cmp -n $((20 << 20)) /tmp/file $disk
value digest $(digest $disk)
"""


def test(case):
	if lab.peer:
		raise lab.Skip("it is about what vimg-emulator does")
	if os.getuid() != 0:
		raise lab.Skip("a small file system takes root")
	small = case.path("small")
	os.mkdir(small)
	lab.run("mount", "-t", "tmpfs", "-o", "size=12M", "none", small)

	def waiting():
		disk = server.status()["controllers"][0]["disks"][0]
		return disk["waiting-for-space"]

	def wait_for_reset():
		deadline = time.monotonic() + 30
		while not waiting():
			lab.check(time.monotonic() < deadline, "nothing waits for space")
			time.sleep(0.2)
		# Time-out, abort, and reset follow each other, 3 s each.
		time.sleep(10)

	def make_space():
		lab.run("mount", "-o", "remount,size=128M", small)

	try:
		disk = case.disk("small/disk.vdi", 64 * MIB)
		server = case.serve(disk)
		machine = case.boot(SCRIPT, append="nvme_core.io_timeout=3 nvme_core.admin_timeout=3")
		machine.run(seconds=120, answers={"wait_for_reset": wait_for_reset, "make_space": make_space})
		server.stop()
		disk.must_be_sound()
		disk.must_hash_to(machine.values["digest"])
	finally:
		lab.run("umount", "-l", small)
