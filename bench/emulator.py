#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""emulator.py [CONTROLLER...]: our controllers beside QEMU's own, in one guest and one QEMU.

Both read one preallocated raw image that is in the page cache. fio in the guest reads from the one,
then from the other, the order changing from round to round; the ratio of what they gave is formed
round by round, and the median, the smallest and the largest of them are printed. 1 is as fast as
QEMU's own, more is faster. Then: what a request costs the server (processor time, socket messages,
system calls with STRACE=1), and whether it wakes while nothing happens.

  CONTROLLERS  nvme virtio-scsi ahci   (default: all)
  env   WORKDIR (scratch, 256 MiB), ROUNDS (5), SECONDS (2, of each run), CPUS (2, the guest's),
        WORKLOADS (rand1,rand32,seq), IDLE (10, seconds), OURS=1 (no comparison), STRACE=1,
        PERF=1 (a profile of the server for each workload, in WORKDIR)

  build/run bench/emulator.py nvme
"""
import json, os, re, shutil, statistics, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "..", "tests", "guests"))
import controllers, lab

WORK = os.path.abspath(os.environ.get("WORKDIR", "/var/tmp/vimg-bench"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
SECONDS = float(os.environ.get("SECONDS", "2"))
CPUS = int(os.environ.get("CPUS", "2"))
IDLE = float(os.environ.get("IDLE", "10"))
OURS = os.environ.get("OURS", "") == "1"
SIZE = 256 << 20

# name: what fio does, what is printed, the goal for each controller
WORKLOADS = {
    "rand1": ("randread 4k 1", "4 KiB random reads, depth 1",
              {"nvme": 0.9, "virtio-scsi": 0.9, "ahci": 0.5}),
    "rand32": ("randread 4k 32", "4 KiB random reads, depth 32",
               {"nvme": 0.7, "virtio-scsi": 0.7, "ahci": 0.7}),
    "seq": ("read 128k 4", "128 KiB sequential reads, depth 4",
            {"nvme": 1.0, "virtio-scsi": 1.0, "ahci": 1.0}),
}
RUN = os.environ.get("WORKLOADS", ",".join(WORKLOADS)).split(",")

# The host says what is next: PCI-SLOT RW BS DEPTH; the answer: IOs, milliseconds.
SCRIPT = r"""
disk_at() {
	local b
	for b in /sys/block/sd* /sys/block/nvme*n*; do
		case $(readlink -f $b) in
		*/0000:00:$1.0/*) echo ${b##*/} ;;
		esac
	done
}
wait_disks $disks_there
said=ready
while job=$(ask next $said) && [ "$job" != stop ]; do
	set -- $job
	if [ $1 = sleep ]; then
		sleep $2
		said=slept
		continue
	fi
	fio --name=job --filename=/dev/$(disk_at $1) --direct=1 --rw=$2 --bs=$3 --iodepth=$4 \
		--ioengine=libaio --norandommap --randrepeat=1 --time_based --runtime=$5 \
		--output-format=terse --terse-version=3 >/tmp/said || { cat /tmp/said >&2; fail "fio: $job"; }
	# the number per second, milliseconds
	said=$(cut -d';' -f8,9 /tmp/said | tr ';' ' ')
done
"""

# ------------------------------------------------------------------------------- what is measured

class Process:
    """What a process has used up."""
    def __init__(self, pid):
        self.pid = pid
    def tasks(self):
        return ["/proc/%d/task/%s/" % (self.pid, t) for t in os.listdir("/proc/%d/task" % self.pid)]
    def cpu(self):
        return sum(int(open(t + "schedstat").read().split()[0]) for t in self.tasks()) / 1e9
    def wakes(self):
        """How often any of its threads gave the processor up to wait, so: woke."""
        return sum(int(l.split()[1]) for t in self.tasks() for l in open(t + "status")
                   if l.startswith("voluntary_ctxt"))

def slot(n, peer):
    return "%02x" % (8 + 2 * n + peer)

class Bench:
    def __init__(self, case, kinds):
        self.case, self.kinds = case, kinds
        self.image = case.path("disk.raw")
        with open(self.image, "wb") as f:       # all of it written, so all of it in the page cache
            for _ in range(SIZE >> 20):
                f.write(os.urandom(1 << 20))
        self.serve()
        self.boot()

    def serve(self):
        self.control = self.case.path("control.sock")
        words = ["vimg-emulator", "serve", "--control", self.control]
        for k in self.kinds:
            words += ["--controller", "%s,socket=%s" % (k.name, self.case.path(k.name + ".sock")),
                      "--disk", self.image + ",mode=shareable"]
        p = self.case.start(words, "server.log")
        while not os.path.exists(self.control):
            lab.check(p.poll() is None, "the server ended: " + self.case.tail("server.log"))
            time.sleep(0.02)
        self.server = Process(p.pid)
        self.popen = p

    def boot(self):
        words = []
        for n, k in enumerate(self.kinds):
            device = {"driver": "vfio-user-pci", "addr": "0x" + slot(n, 0), "socket":
                      {"type": "unix", "path": self.case.path(k.name + ".sock")}}
            words += ["-device", json.dumps(device)]
            if not OURS:
                words += self.peer(n, k)
        count = len(self.kinds) * (1 if OURS else 2)
        self.machine = lab.Machine(self.case, words, cpus=CPUS, controllers=self.kinds,
            append="nvme_core.multipath=N", script="disks_there=%d\n%s" % (count, SCRIPT))

    def peer(self, n, k):
        """As it comes, with one queue a processor; QEMU's locks on images do not matter to us."""
        drive = ["-blockdev", "driver=raw,node-name=d%d,file.driver=file,file.locking=off,"
                 "file.filename=%s" % (n, self.image)]
        at = "addr=0x" + slot(n, 1)
        return drive + {
            "nvme": ["-device", "nvme,serial=peer,drive=d%d,%s" % (n, at)],
            "virtio-scsi": ["-device", "virtio-scsi-pci,id=c%d,%s" % (n, at),
                            "-device", "scsi-hd,bus=c%d.0,drive=d%d" % (n, n)],
            "ahci": ["-device", "ich9-ahci,id=c%d,%s" % (n, at),
                     "-device", "ide-hd,bus=c%d.0,drive=d%d" % (n, n)],
        }[k.name]

    def status(self, k):
        said = lab.run("vimg-emulator", "ctl", self.control, "status", "--json")
        return [c for c in json.loads(said)["controllers"] if c["type"] == k.name][0]["messages"]

    def run(self):
        """All of it, as answers to the guest's question what is next."""
        steps = self.steps()
        next(steps)
        def answer(*said):
            try:
                return steps.send(said)
            except StopIteration:
                return "stop"
        self.machine.run(answers={"next": answer}, seconds=3600)

    def fio(self, n, peer, name):
        """One run: requests a second, how many."""
        said = yield "%s %s %g" % (slot(n, peer), WORKLOADS[name][0], SECONDS)
        return float(said[0]), float(said[0]) * float(said[1]) / 1000

    def steps(self):
        yield
        for n, k in enumerate(self.kinds):
            for name in RUN:
                yield from self.pair(n, k, name)
        if IDLE:
            yield from self.idle()

    def pair(self, n, k, name):
        ratios, rates, costs, peer = [], [], [], []
        for r in range(-1, ROUNDS):             # the first does not count
            rate = {}
            for p in (0, 1) if r % 2 else (1, 0):
                if p and OURS:
                    continue
                before, cpu = self.status(k), self.server.cpu()
                with Watched(self.server.pid, name, k, not p and r == 0):
                    rate[p], count = yield from self.fio(n, p, name)
                if not p:
                    costs.append((self.server.cpu() - cpu) / count * 1e6)
                    after = self.status(k)
                    messages = {x: (after[x] - before[x]) / count for x in after}
            if r >= 0:
                rates.append(rate[0])
                peer.append(rate.get(1, rate[0]))
                ratios.append(peer and rate[0] / peer[-1])
        show("%s, %s" % (k.name, WORKLOADS[name][1]), ratios, "%.1f" % WORKLOADS[name][2][k.name],
             "%.0f a second, QEMU's %.0f" % (statistics.median(rates), statistics.median(peer)))
        show("  server processor time, us a request", costs[1:], "", "a request: %.2f posted, "
             "%.3f synchronous, %.2f interrupts" % (messages["posted"], messages["synchronous"],
             messages["interrupts"]))

    def idle(self):
        yield "sleep 2"
        wakes, cpu = self.server.wakes(), self.server.cpu()
        yield "sleep %g" % IDLE
        print("%-52s %6d  wakes of the server in %g s, %.2f ms of processor  goal 0" %
              ("idle, with %s" % ", ".join(k.name for k in self.kinds),
               self.server.wakes() - wakes, IDLE, (self.server.cpu() - cpu) * 1000), flush=True)

class Watched:
    """strace or perf of the server during a run, if asked for."""
    def __init__(self, pid, name, kind, now):
        log = os.path.join(WORK, "%s-%s" % (kind.name, name))
        self.command = None
        if now and os.environ.get("STRACE"):
            self.command = ["strace", "-f", "-c", "-U", "calls,name", "-p", str(pid), "-o", log + ".strace"]
        elif now and os.environ.get("PERF"):
            self.command = ["perf", "record", "-q", "-g", "-e", "cpu-clock", "-p", str(pid), "-o", log + ".perf"]
    def __enter__(self):
        if self.command:
            self.p = subprocess.Popen(self.command, stderr=subprocess.DEVNULL)
            time.sleep(0.5)
    def __exit__(self, *what):
        if self.command:
            self.p.send_signal(2)
            self.p.wait()

def show(name, values, goal, note=""):
    print("%-52s %6.2f  (%.2f-%.2f)  %-9s %s" % (name, statistics.median(values), min(values),
          max(values), "goal " + goal if goal else "", note), flush=True)

def main():
    names = sys.argv[1:] or list(controllers.every)
    if any(n not in controllers.every for n in names):
        sys.exit(__doc__)
    tools = subprocess.run([os.path.join(HERE, "..", "scripts", "get-guest-tools")], check=True,
                           stdout=subprocess.PIPE, text=True).stdout.strip()
    kinds = [controllers.every[n] for n in names]
    os.makedirs(WORK, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="emulator.", dir=WORK)
    bench = None
    case = lab.Case(folder, tools, kinds[0])
    case.note = lambda line: None
    try:
        bench = Bench(case, kinds)
        bench.run()
    except lab.Failure as e:
        sys.exit("%s\n%s" % (e, case.tail("server.log")))
    finally:
        if bench:
            bench.machine.process.kill()
            bench.popen.terminate()
            bench.popen.wait()
        shutil.rmtree(folder)

if __name__ == "__main__":
    main()
