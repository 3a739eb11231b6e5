# SPDX-License-Identifier: GPL-2.0-or-later
"""The server and the machine are killed in the middle of much writing. Each record that the guest had flushed is
there: on the host at once, and for a guest that is started again; the image is sound."""

import random

import lab

SECONDS = 40
SLOTS = 180

SCRIPT = r"""
wait_disks 1
place() {
	echo $(($1 % 180 * 256 + $1 % 7))
}

if [ $stage = first ]; then
	# Much of what else a disk can be doing: 64 MiB from 192 MiB on.
	fio --name=load --filename=$disk --direct=1 --ioengine=libaio --iodepth=16 --rw=randwrite \
		--bsrange=4k-256k --offset=192M --size=60M --fsync=20 --time_based --runtime=60 \
		--output-format=terse >/dev/null 2>&1 &
	n=0
	while :; do
		n=$((n + 1))
		printf 'record %d %04064d' $n $n | head -c 4096 |
			dd of=$disk bs=4096 seek=$(place $n) conv=fsync,notrunc 2>/dev/null
		# Only said when it is durable.
		value flushed $n
	done
fi

# Started again: all up to the last that was flushed.
n=$stage
while [ $n -gt 0 ] && [ $n -gt $((stage - 180)) ]; do
	said=$(dd if=$disk bs=4096 skip=$(place $n) count=1 iflag=direct 2>/dev/null | head -c 20)
	case $said in
	"record $n "*) ;;
	*) fail "record $n of $stage is '$said'" ;;
	esac
	n=$((n - 1))
done
ok "all records are there"
check "and it goes on" fio --name=more --filename=$disk --direct=1 --verify=crc32c --fallocate=none \
	--ioengine=libaio --iodepth=8 --rw=randwrite --bs=16k --offset=192M --size=16M --output-format=terse
"""


def test(case):
	disk = case.disk("disk.vdi", 256 << 20)
	server = case.serve(disk)
	machine = case.boot(SCRIPT)
	machine.listen("first", seconds=100, until="is flushed 1")
	last = listen_for(machine, random.uniform(3, 7))
	server.kill()
	machine.kill()
	last = machine.said_before_the_end("flushed", last)
	lab.check(last > 10, "the guest flushed no more than %d records" % last)
	case.note("killed after record %d" % last)

	with open(disk.dump(), "rb") as content:
		for n in range(max(1, last - SLOTS + 1), last + 1):
			content.seek((n % SLOTS * 256 + n % 7) * 4096)
			found = content.read(20)
			lab.check(found.startswith(b"record %d " % n), "record %d of %d is %r" % (n, last, found))

	server = case.serve(disk)
	machine = case.boot(SCRIPT, name="again")
	machine.run(str(last), seconds=150)
	machine.must_be_quiet()
	server.stop()
	disk.must_be_sound()


def listen_for(machine, seconds):
	"""The last record the guest told of in that time."""
	try:
		machine.listen(seconds=seconds, until=None)
	except lab.TooLong:
		pass
	return int(machine.values["flushed"])
