# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks on three controllers share a bandwidth group. What the server let go is within the limit for the time it
tells; a new limit counts at once, also for requests that wait; a reset takes back those that wait, and
their programs do not notice; so does the end of the machine."""

import time

import controllers
import lab

CONTROLLERS = ["all"]
SECONDS = 30
MIB = 1 << 20
LIMIT_BYTES = 4 * MIB
BLOCK = 32 << 10

SCRIPT = r"""
wait_disks 3
# Requests are as long as fio makes them.
for d in $(disks); do
	echo 2 >/sys/block/$d/queue/nomerges
	case $(readlink -f /sys/block/$d) in
	*/nvme*) nvme=$d ;;
	*/ata*) ahci=$d ;;
	*) scsi=$d ;;
	esac
done

# job DISK ROUND: into the background.
job() {
	fio --name=job --filename=/dev/$1 --direct=1 --verify=crc32c --verify_fatal=1 --fallocate=none \
		--ioengine=libaio --iodepth=6 --rw=randwrite --bs=32k --size=2M --offset=$(($2 * 2))M \
		--output-format=terse >/tmp/job.$1 2>&1 &
	eval "job_$1=$!"
}

done_well() {
	eval "wait \$job_$1" || {
		cat /tmp/job.$1 >&2
		fail "$2"
	}
	ok "$2"
}

ask paced >&2
for d in $nvme $ahci $scsi; do job $d 0; done
for d in $nvme $ahci $scsi; do done_well $d "$d shares the limit"; done
ask was_paced >&2

for d in $nvme $ahci $scsi; do
	ask stop >&2
	job $d 1
	ask all_wait >&2
	case $d in
	$nvme)
		# Its driver takes a reset for done when what it took back is through.
		nvme reset /dev/nvme0 &
		reset=$!
		;;
	$scsi) check "reset" sg_reset --device /dev/$d ;;
	$ahci)
		host=$(readlink -f /sys/block/$d/device | sed 's,.*/\(host[0-9]*\)/.*,\1,')
		# libata waits 3 s for what is under way.
		echo "- - -" >/sys/class/scsi_host/$host/scan
		;;
	esac
	ask taken_back >&2
	done_well $d "$d goes on after the reset"
	[ $d != $nvme ] || check "nvme reset" wait $reset
done

value nvme $(digest /dev/$nvme)
value ahci $(digest /dev/$ahci)
value scsi $(digest /dev/$scsi)
# Lost with the machine.
ask stop >&2
dd if=/dev/$scsi of=/dev/null bs=32k iflag=direct &
dd if=/dev/$nvme of=/dev/null bs=32k iflag=direct &
ask all_wait >&2
echo waiting
sleep 100
"""


class Group:
	"""The group as its server sees it, and what the guest asks about it."""

	def __init__(self, server):
		self.server = server
		self.before = None

	def look(self):
		return self.server.status()["groups"][0]

	def until(self, condition, complaint):
		deadline = time.monotonic() + 60
		while True:
			now = self.look()
			if condition(now):
				return now
			lab.check(time.monotonic() < deadline, "%s: %s" % (complaint, now))
			time.sleep(0.1)

	def paced(self):
		self.server.ctl("limit", "G", str(LIMIT_BYTES))
		self.before = self.look()

	def was_paced(self):
		now = self.look()
		went = now["bytes"] - self.before["bytes"]
		nanoseconds = now["time-ns"] - self.before["time-ns"] + 100000000
		allowed = nanoseconds * LIMIT_BYTES // 1000000000 + BLOCK
		lab.check(went <= allowed, "%d bytes went through, allowed were %d" % (went, allowed))
		lab.check(went >= 3 * 2 * 2 * MIB, "only %d bytes went through" % went)
		lab.check(now["delayed"] > self.before["delayed"], "nothing had to wait")
		for controller in self.server.status()["controllers"]:
			for kind in ("read", "write"):
				done = controller["disks"][0]["operations"][kind]
				lab.check(done["bytes"] >= 2 * MIB, "%s: %s: %s" % (controller["name"], kind, done))

	def stop(self):
		"""One more may go; the next has hours to wait."""
		self.server.ctl("limit", "G", "1")
		self.before = self.look()

	def all_wait(self):
		self.until(lambda now: now["waiting"] > 1, "too few requests wait")

	def taken_back(self):
		self.until(lambda now: now["cancelled"] > self.before["cancelled"], "no waiting request was taken back")
		self.server.ctl("limit", "G", "0")


def test(case):
	if lab.peer:
		raise lab.Skip("QEMU has no such groups")
	places = []
	for name, kind in zip(["nvme", "ahci", "scsi"], controllers.every.values()):
		disk = case.disk(name + ".vdi", 8 * MIB, 0, controller=kind)
		disk.options += ["group=G"]
		places.append((kind, [disk], ()))
	server = case.serve_all(places, ["--group", "G,limit=100M"])
	group = Group(server)
	answers = {name: getattr(group, name) for name in ("paced", "was_paced", "stop", "all_wait", "taken_back")}
	machine = case.boot(SCRIPT, controllers=[kind for kind, _, _ in places])
	machine.listen(answers=answers, until="waiting")
	machine.kill()
	group.until(lambda now: not now["waiting"], "requests of a machine that is gone still wait")
	server.stop()
	for _, (disk,), _ in places:
		disk.must_be_sound()
		disk.must_hash_to(machine.values[disk.name])
