# SPDX-License-Identifier: GPL-2.0-or-later
"""`vimg-emulator run` starts QEMU itself, with a controller of each kind, all of them busy at once; it ends when
the machine ends, with the machine's status, and the immutable disk is as it was."""

import controllers
import lab

CONTROLLERS = ["all"]
SECONDS = 25
MIB = 1 << 20

SCRIPT = r"""
wait_disks 4
for d in $(disks); do
	fio --name=job --filename=/dev/$d --direct=1 --verify=crc32c --verify_fatal=1 --fallocate=none \
		--ioengine=libaio --iodepth=8 --rw=randwrite --bsrange=4k-64k --size=16M \
		--output-format=terse >/tmp/$d 2>&1 &
	eval "job_$d=$!"
done
for d in $(disks); do
	eval "wait \$job_$d" || {
		cat /tmp/$d >&2
		wrong "fio on $d"
	}
	value $d $(digest /dev/$d)
done
value order $(disks)
"""


def test(case):
	kinds = list(controllers.every.values())
	names = ["nvme", "ahci", "scsi", "still"]
	disks = [case.disk(name + ".vdi", 16 * MIB, 0, controller=kind)
		for name, kind in zip(names, kinds + kinds[-1:])]
	still = disks[-1]
	still.address = kinds[-1].address(5)
	still.options = ["mode=immutable"]
	before = still.hash()

	words = ["vimg-emulator", "run"]
	plug = []
	for n, (kind, its) in enumerate(zip(kinds, ([disks[0]], [disks[1]], disks[2:]))):
		words += lab.controller_arguments(kind, case.path("%s.sock" % kind.name), its)
		plug += kind.peer(its, (), n)
	machine = lab.Machine(case, plug if lab.peer else [], script=SCRIPT, controllers=kinds,
		wrapper=None if lab.peer else words)
	machine.run(seconds=150)
	machine.must_be_quiet()

	for disk in disks:
		disk.must_be_sound()
	for disk in disks[:-1]:
		lab.check(disk.hash() in machine.values.values(), "no disk of the guest is like " + disk.path)
	if not lab.peer:
		lab.check(still.hash() == before, "the immutable disk has changed")
