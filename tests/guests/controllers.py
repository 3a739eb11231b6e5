# SPDX-License-Identifier: GPL-2.0-or-later
"""The controllers that guests are given: the name vimg-emulator knows, the guest's driver, where disks go."""


class Controller:
	name = ""
	modules = []			# what the guest loads
	driver = ""			# what must be bound to the PCI device

	def address(self, number):
		"""Where the disk of this number is plugged in, as options of --disk."""
		raise NotImplementedError

	def peer(self, disks, options, place=0):
		"""QEMU's own controller with these disks, as arguments of QEMU; options are those of ours."""
		raise NotImplementedError


def blockdev(place, number, disk):
	return ["-blockdev", "driver=%s,node-name=d%d-%d,discard=unmap,file.driver=file,file.filename=%s" %
		(disk.format, place, number, disk.path)]


class Nvme(Controller):
	name = "nvme"
	modules = ["nvme"]
	driver = "nvme"

	def address(self, number):
		return {"nsid": number + 1}

	def peer(self, disks, options, place=0):
		words = ["-device", "nvme,id=c%d,serial=peer" % place]
		for n, disk in enumerate(disks):
			words += blockdev(place, n, disk) + ["-device", "nvme-ns,bus=c%d,drive=d%d-%d,nsid=%d,uuid=auto" %
				(place, place, n, disk.address["nsid"])]
		return words


class Ahci(Controller):
	name = "ahci"
	modules = ["ahci"]
	driver = "ahci"

	def address(self, number):
		return {"port": number}

	def peer(self, disks, options, place=0):
		words = ["-device", "ich9-ahci,id=c%d" % place]
		for n, disk in enumerate(disks):
			words += blockdev(place, n, disk) + ["-device", "ide-hd,discard_granularity=512,bus=c%d.%d,drive=d%d-%d" %
				(place, disk.address["port"], place, n)]
		return words


class VirtioScsi(Controller):
	name = "virtio-scsi"
	modules = ["virtio_pci", "virtio_scsi"]
	driver = "virtio-pci"

	def address(self, number):
		return {"target": number, "lun": 0}

	def peer(self, disks, options, place=0):
		packed = "off" if "packed=off" in options else "on"
		words = ["-device", "virtio-scsi-pci,id=c%d,disable-legacy=on,packed=%s" % (place, packed)]
		for n, disk in enumerate(disks):
			words += blockdev(place, n, disk) + ["-device", "scsi-hd,bus=c%d.0,drive=d%d-%d,serial=peer%d,scsi-id=%d,lun=%d" %
				(place, place, n, n, disk.address["target"], disk.address["lun"])]
		return words


class All(Controller):
	"""For a test that has them all at once."""
	name = "all"


every = {c.name: c for c in (Nvme(), Ahci(), VirtioScsi())}
