# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk is made larger while the guest uses it; the guest takes the new size and a file system grows with it."""

import lab

# An ATA disk tells its size once, when it is found.
CONTROLLERS = ["nvme", "virtio-scsi"]
SECONDS = 15
MIB = 1 << 20

SCRIPT = r"""
wait_disks 1
check "mkfs" mkfs.ext4 -q $disk
mkdir -p /mnt/it
mount $disk /mnt/it
random_file /mnt/it/file 6 5
sum=$(sha256sum </mnt/it/file)
sync

ask grow >&2
grown() {
	[ "$(blockdev --getsize64 $disk)" = $((48 << 20)) ]
}
until_true 10 grown || fail "it did not grow: $(blockdev --getsize64 $disk)"
ok "it grew, and the guest was told"
check "the file system grows" resize2fs $disk
random_file /mnt/it/more 30 6
[ "$(sha256sum </mnt/it/file)" = "$sum" ] || fail "the file is another one"
umount /mnt/it
check "e2fsck" e2fsck -fn $disk
value digest $(digest $disk)
"""


def test(case):
	disk = case.disk("disk.vdi", 32 * MIB)
	server = case.serve(disk)
	machine = case.boot(SCRIPT)

	def grow():
		try:
			if lab.peer:
				machine.qmp("block_resize", size=48 * MIB, **{"node-name": "d0-0"})
			else:
				server.resize(disk, 48 * MIB)
		except lab.Failure as failure:
			if "not supported" in str(failure):
				raise lab.Skip(str(failure)) from None
			raise

	machine.run(seconds=150, answers={"grow": grow})
	machine.must_be_quiet()
	server.stop()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])
