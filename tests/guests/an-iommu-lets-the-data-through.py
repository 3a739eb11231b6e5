# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that has its IOMMU between the controller and its memory: each page that data goes to or comes from is
mapped for the time of the command alone, at an address that is none of the memory's."""

import lab

CONTROLLERS = ["nvme", "virtio-scsi"]		# whose rings are larger than a page
SECONDS = 40

SCRIPT = r"""
wait_disks 1
case $controller in
virtio-scsi) pci=$(readlink -f $(ls -d /sys/bus/virtio/drivers/virtio_scsi/virtio* | head -n 1))/.. ;;
*) pci=/sys/bus/pci/devices/$(pci_device $controller) ;;
esac
[ -e $pci/iommu_group ] || wrong "the controller is behind no IOMMU"
case $(cat $pci/iommu_group/type) in
DMA*) ;;
*) wrong "the IOMMU lets all through: $(cat $pci/iommu_group/type)" ;;
esac
check "writes and reads" fio --name=job --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 \
	--fallocate=none --ioengine=libaio --iodepth=8 --rw=randwrite --bsrange=4k-128k --size=3M \
	--output-format=terse
value digest $(digest $disk)
"""


def test(case):
	if lab.peer:
		raise lab.Skip("QEMU's own virtio-scsi wants iommu_platform=on")
	disk = case.disk("disk.vdi", 8 << 20)
	server = case.serve(disk)
	iommu = ["-device", "intel-iommu,caching-mode=on"]
	machine = lab.Machine(case, iommu + case.plug(), script=SCRIPT, append="intel_iommu=on")
	machine.run()
	machine.must_be_quiet()
	server.stop()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])
