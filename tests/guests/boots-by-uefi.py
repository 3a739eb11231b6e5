# SPDX-License-Identifier: GPL-2.0-or-later
"""OVMF, the UEFI firmware, finds the disk with its own driver, reads a boot loader, a Debian kernel and its
initrd from it. From NVMe that kernel is heard out, and finds the disk that it came from."""

import shutil

import lab

SECONDS = 25
LIMIT = 200

SCRIPT = r"""
test -d /sys/firmware/efi || fail "this was not started by UEFI"
wait_disks 1
modprobe -a vfat nls_cp437 nls_ascii
mkdir -p /mnt/esp
check mount mount -t vfat -o ro $(partition $disk 1) /mnt/esp
says "the boot loader's entry" "^linux" "$(cat /mnt/esp/loader/entries/guest.conf)"
umount /mnt/esp
"""

MIB = 1 << 20


def test(case):
	disk = case.disk("disk.img", 64 * MIB)
	make_system_partition(case, disk)
	shutil.copy(case.tool("OVMF_VARS.fd"), case.path("vars.fd"))
	server = case.serve(disk)
	machine = case.boot(SCRIPT, kernel=False, tools=False, firmware=[
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + case.tool("OVMF_CODE.fd"),
		"-drive", "if=pflash,unit=1,format=raw,file=" + case.path("vars.fd")])
	if case.controller.name == "nvme":
		machine.run(seconds=150)
	else:
		machine.wait_console("Linux version", 120)
		machine.kill()
	server.stop()
	disk.must_be_sound()


def make_system_partition(case, disk):
	lab.run("bash", "-c", "echo 'label: gpt\nstart=1MiB, type=uefi' | sfdisk -q '%s'" % disk.path)
	lab.run("mkfs.fat", "--offset", "2048", "-F", "32", disk.path, str((disk.size - 2 * MIB) // 1024))
	with open(case.path("guest.conf"), "w") as f:
		f.write("title guest\nlinux /vmlinuz\ninitrd /initrd\noptions %s\n" % case.kernel_line("ignore_loglevel earlyprintk=ttyS0", False))
	with open(case.path("loader.conf"), "w") as f:
		f.write("timeout 0\ndefault guest.conf\n")
	at = disk.path + "@@1M"
	lab.run("mmd", "-i", at, "::/EFI", "::/EFI/BOOT", "::/loader", "::/loader/entries")
	lab.run("mcopy", "-i", at, case.tool("systemd-bootx64.efi"), "::/EFI/BOOT/BOOTX64.EFI")
	lab.run("mcopy", "-i", at, case.path("loader.conf"), "::/loader/loader.conf")
	lab.run("mcopy", "-i", at, case.path("guest.conf"), "::/loader/entries/guest.conf")
	lab.run("mcopy", "-i", at, case.tool("vmlinuz"), case.tool("initrd"), "::/")
