# SPDX-License-Identifier: GPL-2.0-or-later
"""What is written raw, in small and large requests, one and many at a time, by libaio and io_uring, reads
back; what is discarded or zeroed reads as zeros; and the image holds the same to the last byte."""

SECONDS = 50

SCRIPT = r"""
wait_disks 1

# job WHAT FIO-ARGS...: each in a strip of its own, verified once written.
strip=0
job() {
	local what=$1
	shift
	check "fio $what" fio --name=job --filename=$disk --direct=1 --offset=${strip}M --size=16M \
		--verify=crc32c --verify_fatal=1 --randrepeat=1 --output-format=terse --fallocate=none "$@"
	strip=$((strip + 16))
}

job "1 at a time, sectors up to 64 KiB" --ioengine=psync \
	--rw=randwrite --bsrange=512-64k --io_size=6M
job "32 of 4 KiB, libaio" --ioengine=libaio --iodepth=32 --rw=randwrite --bs=4k --io_size=8M
job "16 of 128 KiB to 1 MiB, io_uring" --ioengine=io_uring --iodepth=16 --rw=randwrite --bsrange=128k-1m
job "8 of 1 MiB in order, libaio" --ioengine=libaio --iodepth=8 --rw=write --bs=1m
job "64 mixed, io_uring" --ioengine=io_uring --iodepth=64 --rw=randrw --bsrange=4k-32k --io_size=8M
job "with a flush every 16" --ioengine=libaio --iodepth=4 --rw=randwrite --bs=8k --fsync=16 --io_size=4M

zeros() {
	dd if=$disk bs=1M iflag=direct skip=$1 count=$2 2>/dev/null | tr -d '\0' | wc -c
}

check blkdiscard blkdiscard -o $((4 << 20)) -l $((7 << 20)) $disk
[ "$(zeros 4 7)" = 0 ] || fail "discarded space does not read as zeros"
check "blkdiscard -z" blkdiscard -z -o $((36 << 20)) -l $((3 << 20)) $disk
[ "$(zeros 36 3)" = 0 ] || fail "zeroed space does not read as zeros"
check "discard of part of a block" blkdiscard -o $((66 * 1048576 + 4096)) -l 12288 $disk
check "the last sector" dd if=/usr/sbin/nvme of=$disk bs=512 count=1 oflag=direct conv=fsync \
	seek=$(($(blockdev --getsz $disk) - 1))
value digest $(digest $disk)
"""


def test(case):
	disk = case.disk("disk.vdi", 100 << 20)
	server = case.serve(disk)
	machine = case.boot(SCRIPT)
	machine.run(seconds=150)
	machine.must_be_quiet()
	server.stop()
	disk.must_be_sound()
	disk.must_hash_to(machine.values["digest"])
