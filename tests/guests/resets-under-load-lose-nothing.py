# SPDX-License-Identifier: GPL-2.0-or-later
"""While programs in the guest write and verify, the controller is reset again and again, in all the ways its
driver knows; no program notices. Then the driver lets go of the device, whose function the kernel resets in the
ways that it offers itself, and takes it back."""

SECONDS = 40

SCRIPT = r"""
wait_disks 1

load() {
	local n=0
	while [ ! -e /tmp/stop ]; do
		n=$((n + 1))
		fio --name=load --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 --fallocate=none \
			--ioengine=libaio --iodepth=16 --rw=randwrite --bsrange=4k-128k --size=24M --offset=$1 \
			--randseed=$n$$ --output-format=terse >/tmp/load.$1 2>&1 || {
				touch /tmp/failed
				cat /tmp/load.$1 >&2
			}
		[ ! -e /tmp/failed ] || return 1
	done
	echo $n >/tmp/rounds.$1
}

reset() {
	case $controller in
	nvme)
		case $1 in
		[135]) nvme reset /dev/nvme0 ;;
		[24]) echo 1 >/sys/class/nvme/nvme0/reset_controller ;;
		*) echo 1 >/sys/bus/pci/devices/$(pci_device nvme)/reset ;;
		esac
		;;
	virtio-scsi)
		# The driver knows no other; a reset of the device itself comes with the driver below.
		sg_reset --device $disk
		;;
	ahci)
		host=$(readlink -f /sys/block/${disk##*/}/device | sed 's,.*/\(host[0-9]*\)/.*,\1,')
		echo "- - -" >/sys/class/scsi_host/$host/scan
		;;
	esac
}

load 0 &
load 32M &
for i in 1 2 3 4 5 6; do
	sleep 1.5
	reset $i 2>>/tmp/reset.said || {
		cat /tmp/reset.said >&2
		wrong "reset $i"
	}
	[ ! -e /tmp/failed ] || fail "a program noticed reset $i"
	ok "reset $i"
done
touch /tmp/stop
wait
[ ! -e /tmp/failed ] || fail "a program noticed"
value rounds $(cat /tmp/rounds.*)

# Of a PCI Express device, or of a conventional one. QEMU's own have it in part.
function_reset() {
	local methods=/sys/bus/pci/devices/$1/reset_method method=af_flr
	[ $controller != nvme ] || method=flr
	if ! grep -qw $method $methods; then
		[ -n "$peer" ] || fail "no $method, but: $(cat $methods)"
		return 0
	fi
	echo $method >$methods
	for n in 1 2 3; do
		echo 1 >/sys/bus/pci/devices/$1/reset || fail "$method"
	done
	ok "$method"
}

before=$(digest $disk)
driver=$controller
[ $controller != virtio-scsi ] || driver=virtio-pci
for device in $(ls -d /sys/bus/pci/drivers/$driver/0000:* | xargs -n 1 basename); do
	# Not the disk with the tools.
	ls -d /sys/bus/pci/devices/$device/virtio*/block >/dev/null 2>&1 && continue
	echo $device >/sys/bus/pci/drivers/$driver/unbind
	# Not of the AHCI controller that is part of this machine.
	[ $device = 0000:00:1f.2 ] || function_reset $device
	echo $device >/sys/bus/pci/drivers/$driver/bind
done
wait_disks 1
[ "$(digest $disk)" = $before ] || fail "the disk changed when its driver came back"
ok "the driver came back"
value digest $before
"""


def test(case):
	disk = case.disk("disk.vdi", 64 << 20)
	server = case.serve(disk)
	machine = case.boot(SCRIPT)
	machine.run(seconds=150)
	machine.must_be_quiet(but="resetting|Synchroniz|reset")
	server.stop()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])
