# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's disk fills up while the guest writes: `vimg-emulator run` stops the machine, and goes on with it
when there is space again; the guest has noticed nothing."""

import os
import time

import controllers
import lab

CONTROLLERS = ["all"]
SECONDS = 20
MIB = 1 << 20

SCRIPT = r"""
wait_disks 1
random_file /tmp/file 20 3
dd if=/tmp/file of=$disk bs=256k oflag=direct conv=fsync 2>/dev/null || fail "a write failed"
ok "written"
value digest $(digest $disk)
"""


def wait_for(condition, seconds, what):
	deadline = time.monotonic() + seconds
	while not condition():
		lab.check(time.monotonic() < deadline, what)
		time.sleep(0.2)


def test(case):
	if lab.peer:
		raise lab.Skip("it is about vimg-emulator run")
	if os.getuid() != 0:
		raise lab.Skip("a small file system takes root")
	nvme = controllers.every["nvme"]
	small = case.path("small")
	os.mkdir(small)
	lab.run("mount", "-t", "tmpfs", "-o", "size=12M", "none", small)
	try:
		disk = case.disk("small/disk.vdi", 64 * MIB, 0, controller=nvme)
		words = ["vimg-emulator", "run"] + lab.controller_arguments(nvme, case.path("nvme.sock"), [disk])
		machine = lab.Machine(case, [], script=SCRIPT, controllers=[nvme], wrapper=words)
		machine.listen(until="hello")
		wait_for(lambda: "the machine is stopped" in case.text(machine.log), 120, "it was not stopped")
		lab.check("disk is full" in case.text(machine.log), "nobody was told")
		wait_for(lambda: machine.qmp("query-status")["status"] == "paused", 5, "QEMU is not paused")
		time.sleep(1.5)
		lab.check(machine.qmp("query-status")["status"] == "paused", "it went on without space")
		lab.run("mount", "-o", "remount,size=128M", small)
		machine.run(seconds=60)
		lab.check("the machine goes on" in case.text(machine.log), "nobody was told")
		machine.must_be_quiet()
		disk.must_be_sound()
		disk.must_hash_to(machine.values["digest"])
	finally:
		lab.run("umount", "-l", small)
