# SPDX-License-Identifier: GPL-2.0-or-later
"""The controllers that guests are given: the name vimg-emulator knows, the guest's driver, where disks go."""


class Controller:
	name = ""
	modules = []			# what the guest loads
	driver = ""			# what must be bound to the PCI device

	def address(self, number):
		"""Where the disk of this number is plugged in, as options of --disk."""
		raise NotImplementedError

	def peer(self, disks, options):
		"""QEMU's own controller with these disks, as arguments of QEMU. Options are those of ours."""
		raise NotImplementedError


def blockdev(number, disk):
	return ["-blockdev", "driver=%s,node-name=d%d,discard=unmap,file.driver=file,file.filename=%s" %
		(disk.format, number, disk.path)]


class Nvme(Controller):
	name = "nvme"
	modules = ["nvme"]
	driver = "nvme"

	def address(self, number):
		return {"nsid": number + 1}

	def peer(self, disks, options):
		words = ["-device", "nvme,id=c0,serial=peer"]
		for n, disk in enumerate(disks):
			words += blockdev(n, disk) + ["-device", "nvme-ns,bus=c0,drive=d%d,nsid=%d,uuid=auto" %
				(n, disk.address["nsid"])]
		return words


class Ahci(Controller):
	name = "ahci"
	modules = ["ahci"]
	driver = "ahci"

	def address(self, number):
		return {"port": number}

	def peer(self, disks, options):
		words = ["-device", "ich9-ahci,id=c0"]
		for n, disk in enumerate(disks):
			words += blockdev(n, disk) + ["-device", "ide-hd,discard_granularity=512,bus=c0.%d,drive=d%d" %
				(disk.address["port"], n)]
		return words


class VirtioScsi(Controller):
	name = "virtio-scsi"
	modules = ["virtio_pci", "virtio_scsi"]
	driver = "virtio-pci"

	def address(self, number):
		return {"target": number, "lun": 0}

	def peer(self, disks, options):
		packed = "off" if "packed=off" in options else "on"
		words = ["-device", "virtio-scsi-pci,id=c0,disable-legacy=on,packed=" + packed]
		for n, disk in enumerate(disks):
			words += blockdev(n, disk) + ["-device", "scsi-hd,bus=c0.0,drive=d%d,serial=peer%d,scsi-id=%d,lun=%d" %
				(n, n, disk.address["target"], disk.address["lun"])]
		return words


every = {c.name: c for c in (Nvme(), Ahci(), VirtioScsi())}
