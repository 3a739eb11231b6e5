# SPDX-License-Identifier: GPL-2.0-or-later
"""Only with --long: one guest writes and verifies for the given time, in changing sizes and depths, with
discards, flushes and resets in between; afterwards the image is sound and holds what the guest read."""

LONG = True
LIMIT = 240

SCRIPT = r"""
wait_disks 1
end=$(($(date +%s) + seconds))
n=0
while [ $(date +%s) -lt $end ]; do
	n=$((n + 1))
	depth=$((1 << n % 7))
	engine=$([ $((n % 2)) = 0 ] && echo libaio || echo io_uring)
	size="4k-$((4 << n % 9))k"
	fio --name=job --filename=$disk --direct=1 --verify=crc32c --verify_fatal=1 --fallocate=none \
		--ioengine=$engine --iodepth=$depth --rw=randwrite --bsrange=$size --randseed=$n \
		--offset=$((n % 5 * 48))M --size=48M --io_size=24M --output-format=terse >/tmp/said 2>&1 &
	job=$!
	if [ $((n % 6)) = 0 ]; then
		sleep 0.5
		case $controller in
		nvme) nvme reset /dev/nvme0 || wrong "a reset" ;;
		virtio-scsi) sg_reset --device $disk || wrong "a reset" ;;
		ahci) for h in /sys/class/scsi_host/host*/scan; do echo "- - -" >$h; done ;;
		esac
	fi
	wait $job || {
		cat /tmp/said >&2
		fail "round $n: $engine, $depth of $size"
	}
	if [ $((n % 4)) = 0 ]; then
		blkdiscard -o $((240 + n % 7 << 20)) -l $((3 << 20)) $disk || wrong "a discard"
		dd if=$disk bs=1M iflag=direct skip=$((240 + n % 7)) count=3 2>/dev/null | tr -d '\0' | grep -q . &&
			wrong "round $n: discarded space is not zeros"
		dd if=/usr/sbin/nvme of=$disk bs=64k seek=3850 count=16 conv=fsync 2>/dev/null
	fi
	[ $((n % 10)) != 0 ] || ok "$n rounds"
done
value rounds $n
value digest $(digest $disk)
"""


def test(case):
	disk = case.disk("disk.vdi", 256 << 20)
	server = case.serve(disk)
	machine = case.boot("seconds=%d\n" % case.long + SCRIPT)
	machine.run(seconds=case.long + 120)
	machine.must_be_quiet(but="reset")
	server.stop()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])
