# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk is plugged into a running controller: the guest finds it, makes a file system there, sees it go, and
finds its files when it is back."""

import lab

SECONDS = 35
MIB = 1 << 20

SCRIPT = r"""
wait_disks 1
first=$disk

second() {
	echo /dev/$(disks | sed -n 2p)
}

ask attach >&2
wait_disks 2
new=$(second)
check "mkfs" mkfs.ext4 -q $new
mkdir -p /mnt/new
check "mount" mount $new /mnt/new
random_file /mnt/new/file 6 5
sum=$(sha256sum </mnt/new/file)
check "umount" umount /mnt/new
ask detach >&2
wait_disks 1
ok "it went"
check "the other disk stays" dd if=/usr/sbin/nvme of=$first bs=4096 count=16 oflag=direct conv=fsync

# libata looks for a lost disk three times in 12 s before it gives it up.
rounds='1 2 3'
[ $controller != ahci ] || rounds=
for i in $rounds; do
	ask attach >&2
	wait_disks 2
	ask detach >&2
	wait_disks 1
done
ask attach >&2
wait_disks 2
new=$(second)
check "mount again" mount $new /mnt/new
[ "$(sha256sum </mnt/new/file)" = "$sum" ] || fail "the file is another one"
umount /mnt/new
value digest $(digest $new)
"""


class PeerServer:
	"""QEMU's own virtio-scsi, over QMP."""

	def __init__(self, machine):
		self.machine = machine

	def attach(self, disk):
		self.machine.qmp("blockdev-add", **{"driver": "raw", "node-name": "new", "file":
			{"driver": "file", "filename": disk.path}})
		self.machine.qmp("device_add", driver="scsi-hd", bus="c0.0", id="new", drive="new", **{"scsi-id": 1})

	def detach(self, disk):
		self.machine.qmp("device_del", id="new")
		for _ in range(50):
			try:
				self.machine.qmp("blockdev-del", **{"node-name": "new"})
				return
			except lab.Failure:
				lab.time.sleep(0.1)


def test(case):
	if lab.peer and case.controller.name != "virtio-scsi":
		raise lab.Skip("QEMU's own controller has no hot plug")
	first, second = case.disk("first.vdi", 16 * MIB, 0), case.disk("second.vdi", 32 * MIB, 1)
	server = case.serve(first)
	machine = case.boot(SCRIPT)
	plugger = PeerServer(machine) if lab.peer else server
	machine.run(seconds=150, answers={
		"attach": lambda: plugger.attach(second),
		"detach": lambda: plugger.detach(second),
	})
	server.stop()
	for disk in (first, second):
		disk.must_be_sound()
	second.must_hash_to(machine.values["digest"])
