# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's own driver finds the disk; partitions, ext4 and XFS made on it hold their files through a
remount, a trim and a reboot of the guest. Afterwards the image is sound and holds what the guest saw."""

SECONDS = 60

SCRIPT = r"""
check_files() {
	(cd $1 && sha256sum -c --quiet $2 >&2) || fail "$stage: files of $1"
	ok "$stage: files of $1"
}

mount_both() {
	mkdir -p /mnt/ext4 /mnt/xfs
	check "$stage: mount ext4" mount -t ext4 $(partition $disk 1) /mnt/ext4
	check "$stage: mount xfs" mount -t xfs $(partition $disk 2) /mnt/xfs
}

wait_disks 1
modprobe xfs
if [ $stage = first ]; then
	check partition sfdisk -q $disk <<-TABLE
		label: gpt
		size=80MiB
		size=320MiB
	TABLE
	until_true 5 test -b $(partition $disk 2)
	check mkfs.ext4 mkfs.ext4 -q $(partition $disk 1)
	check mkfs.xfs mkfs.xfs -q $(partition $disk 2)
	mount_both
	for fs in ext4 xfs; do
		(
			cd /mnt/$fs
			cp -a /usr/sbin sbin
			random_file big 12 $(echo $fs | wc -c)
			for i in 1 2 3 4 5 6 7 8 9; do mkdir d$i; echo $fs $i >d$i/small; done
			find . -type f | grep -v lost+found | xargs sha256sum >/tmp/$fs.sums
		)
	done
	cp /tmp/ext4.sums /mnt/xfs/ext4.sums
	cp /tmp/xfs.sums /mnt/ext4/xfs.sums
	sync
	umount /mnt/ext4 /mnt/xfs
	echo 3 >/proc/sys/vm/drop_caches

	mount_both
	check_files /mnt/ext4 /mnt/xfs/ext4.sums
	check_files /mnt/xfs /mnt/ext4/xfs.sums
	cp /mnt/ext4/big /mnt/ext4/gone
	sync
	rm /mnt/ext4/gone
	sync
	check "trim ext4" fstrim /mnt/ext4
	check "trim xfs" fstrim /mnt/xfs
	sync
	umount /mnt/ext4 /mnt/xfs
	# Nobody powers off: the controller is reset by the machine.
	echo rebooting
	reboot -f
	sleep 60
fi

mount_both
check_files /mnt/ext4 /mnt/xfs/ext4.sums
check_files /mnt/xfs /mnt/ext4/xfs.sums
umount /mnt/ext4 /mnt/xfs
check e2fsck e2fsck -fn $(partition $disk 1)
check xfs_repair xfs_repair -n $(partition $disk 2)
value sum $(quick_sum $disk)
"""


def test(case):
	disk = case.disk("disk.vdi", 404 << 20)
	server = case.serve(disk)
	machine = case.boot(SCRIPT, reboots=True)
	machine.listen("first", seconds=150, until="rebooting")
	machine.run("second", seconds=120)
	machine.must_be_quiet()
	server.stop()
	disk.must_be_sound()
	disk.must_sum_to(machine.values["sum"])
