# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's disk fills up while the guest writes: `vimg-emulator run` stops the machine, and lets it go on when
there is space again; the guest sees no error, however long that took, and every byte is there."""

import os
import subprocess
import time

import lab

# What waits and what stops is the same for every controller.
CONTROLLERS = ["virtio-scsi"]
SECONDS = 30
MIB = 1 << 20

SCRIPT = r"""
wait_disks 1
echo writing
check "fio" fio --name=job --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 --fallocate=none \
	--ioengine=libaio --iodepth=8 --rw=randwrite --bs=64k --size=24M --output-format=terse
value digest $(digest $disk)
"""


def test(case):
	if lab.peer:
		raise lab.Skip("QEMU's own controllers have no vimg-emulator")
	folder = case.path("small")
	os.mkdir(folder)
	if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12M", "small", folder]).returncode:
		raise lab.Skip("needs root, and to be let mount a tmpfs")
	try:
		fill_up(case, folder)
	finally:
		subprocess.run(["umount", "-l", folder], check=True)


def fill_up(case, folder):
	disk = case.disk("small/disk.vdi", 32 * MIB)
	words = ["vimg-emulator", "run"] + lab.controller_arguments(case.controller, case.path("s.sock"), [disk])
	machine = lab.Machine(case, [], script=SCRIPT, wrapper=words)
	machine.listen(seconds=100, until="writing")

	wait_until(machine, "paused")
	case.note("the machine is stopped")
	time.sleep(3)
	lab.check(machine.qmp("query-status")["status"] == "paused", "the machine went on without space")
	lab.run("mount", "-o", "remount,size=64M", folder)
	wait_until(machine, "running")
	machine.run(seconds=150)
	machine.must_be_quiet()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])


def wait_until(machine, status):
	deadline = time.monotonic() + 60
	while machine.qmp("query-status")["status"] != status:
		lab.check(time.monotonic() < deadline, "the machine is not %s" % status)
		time.sleep(0.2)
