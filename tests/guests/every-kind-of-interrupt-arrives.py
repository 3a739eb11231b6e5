# SPDX-License-Identifier: GPL-2.0-or-later
"""Each controller works with the best interrupts it has (MSI-X, AHCI: MSI) and with INTx, on a machine with
one processor and with two; virtio-scsi with packed rings and with split ones; NVMe with MSI, too (Linux's virtio
drivers never use that)."""

import lab

SECONDS = 40

SCRIPT = r"""
wait_disks 1
case $controller in
virtio-scsi)
	device=$(ls -d /sys/bus/virtio/drivers/virtio_scsi/virtio* | head -n 1)
	pci=$(readlink -f $device/..)
	[ "$(cut -c35 $device/features)" = $packed ] || wrong "the ring is not packed=$packed"
	;;
*)
	pci=/sys/bus/pci/devices/$(pci_device $controller)
	;;
esac
kinds=$(cat $pci/msi_irqs/* 2>/dev/null | sort -u | tr '\n' ' ')
case $stage in
best)
	[ "$kinds" = "msix " ] || [ $controller = ahci -a "$kinds" = "msi " ] || wrong "interrupts are '$kinds'"
	;;
msi)
	[ "$kinds" = "msi " ] || wrong "interrupts are '$kinds' and should be MSI"
	;;
intx)
	[ -z "$kinds" ] || wrong "interrupts are '$kinds' and should be INTx"
	;;
esac
check "$stage, $(nproc) processors" fio --name=job --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 \
	--fallocate=none --ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-256k --size=24M \
	--output-format=terse
if [ $stage = intx ]; then
	line=$(grep "^ *$(cat $pci/irq):.*IO-APIC" /proc/interrupts) || wrong "there is no such interrupt"
	[ $(echo $line | awk '{ for (i = 2; i <= 1 + '$(nproc)'; i++) n += $i; print n }') -gt 50 ] || wrong "there were hardly any interrupts: $line"
fi
value digest $(digest $disk)
"""


def test(case):
	disk = case.disk("disk.vdi", 32 << 20)
	runs = [("best", 1, "", ()), ("intx", 2, "pci=nomsi", ())]
	if case.controller.name == "virtio-scsi":
		runs = [("best", 1, "", ["packed=off"]), ("intx", 2, "pci=nomsi", ())]
	if case.controller.name == "nvme" and not lab.peer:
		runs.append(("msi", 2, "", ["msix=off"]))
	for n, (stage, cpus, append, options) in enumerate(runs):
		server = case.serve(disk, options=options)
		machine = case.boot("packed=%d\n" % ("packed=off" not in options) + SCRIPT, name="guest%d" % n,
			cpus=cpus, append=append)
		machine.run(stage, seconds=150)
		if not lab.peer:		# QEMU's NVMe leaves an INTx line up now and then
			machine.must_be_quiet()
		server.stop()
		disk.must_be_sound()
		disk.must_hash_to(machine.values["digest"])
