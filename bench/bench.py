#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bench.py [ROW...]: vimg-mount against the raw file, a bare FUSE pass-through and qemu-storage-daemon.

Everything that is compared is timed in one run, one after the other in each round; the ratio is
formed round by round, and the median, the smallest and the largest of them are printed. A ratio is
a slow-down: 1 is as fast as what it is compared with, less is faster.

  ROWS  first second direct random write fsync chain sparse memory unmount   (default: all)
  env   WORKDIR (scratch, 12 GiB), ROUNDS (5), FORMATS (raw,vdi,vhd), SIZE_MIB (1024)
        VIMG_BIN: folder of vimg-mount and vimg, if not those of PATH
"""
import json, os, random, shlex, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.abspath(os.environ.get("WORKDIR", "/var/tmp/vimg-bench"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
FORMATS = os.environ.get("FORMATS", "raw,vdi,vhd").split(",")
SIZE = int(os.environ.get("SIZE_MIB", "1024")) << 20
TICK = os.sysconf("SC_CLK_TCK")
if os.environ.get("VIMG_BIN"):
    os.environ["PATH"] = os.environ["VIMG_BIN"] + ":" + os.environ["PATH"]
QEMU = {"raw": "raw", "vdi": "vdi", "vhd": "vpc"}

def sh(cmd, **kw):
    r = subprocess.run(cmd, shell=isinstance(cmd, str), stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True, **kw)
    if r.returncode:
        raise RuntimeError("%s\n%s" % (cmd, r.stdout[-800:]))
    return r.stdout

def path(*p):
    return os.path.join(WORK, *p)

def show(name, ratios, goal, note=""):
    ratios = list(ratios)
    print("%-46s %6.2f  (%.2f-%.2f)  %-12s %s" % (name, statistics.median(ratios), min(ratios),
          max(ratios), "goal " + goal if goal else "", note), flush=True)

# --------------------------------------------------------------------------------------- servers

class Server:
    """A FUSE server of one file: vimg-mount, the pass-through, or qemu-storage-daemon."""
    count = 0
    def __init__(self, kind, image, fmt="raw", opts="", rw=False):
        Server.count += 1
        self.kind, self.mnt = kind, path("mnt%d-%d" % (os.getpid(), Server.count))
        os.makedirs(self.mnt)
        t = time.perf_counter()
        if kind == "vimg":
            self.file = self.mnt + "/vhdd"
            sh(["vimg-mount"] + (["--rw"] if rw else []) + shlex.split(opts) +
               ["--image", image, self.mnt])
        elif kind == "pass":
            self.file = self.mnt + "/disk"
            self.p = subprocess.Popen([path("passthrough"), image, "-f", "-o", "max_idle_threads=8",
                                       self.mnt])
        else:
            self.file = self.mnt + "/disk"
            open(self.file, "w").close()
            ro = "off" if rw else "on"
            self.p = subprocess.Popen(["qemu-storage-daemon", "--blockdev",
                "driver=file,node-name=f,filename=%s,read-only=%s" % (image, ro), "--blockdev",
                "driver=%s,node-name=d,file=f,read-only=%s" % (QEMU[fmt], ro), "--export",
                "fuse,id=e,node-name=d,mountpoint=%s,writable=%s" % (self.file, "on" if rw else "off")])
        while not (os.path.exists(self.file) and os.stat(self.file).st_size):
            time.sleep(0.001)
        self.open_ms = (time.perf_counter() - t) * 1000
        self.pids = [int(d) for d in os.listdir("/proc") if d.isdigit() and self.serves(d)]
    def serves(self, pid):
        try:
            words = open("/proc/%s/cmdline" % pid, "rb").read()
        except OSError:
            return False
        return self.mnt.encode() in words and int(pid) != os.getpid()
    def cpu(self):
        total = 0
        for p in self.pids:
            f = open("/proc/%d/stat" % p).read().rsplit(")", 1)[1].split()
            total += int(f[11]) + int(f[12])
        return total / TICK
    def peak_mib(self):
        return sum(int(l.split()[1]) / 1024 for p in self.pids for l in open("/proc/%d/status" % p)
                   if l.startswith("VmHWM"))
    def readahead(self, kib):
        dev = os.stat(self.mnt if self.kind != "qsd" else self.file).st_dev
        with open("/sys/class/bdi/%d:%d/read_ahead_kb" % (os.major(dev), os.minor(dev)), "w") as f:
            f.write(str(kib))
    def stop(self):
        t = time.perf_counter()
        if self.kind == "vimg":
            sh(["vimg-mount", "-u", self.mnt])
        elif self.kind == "pass":
            sh(["fusermount3", "-u", self.mnt])
            self.p.wait()
        else:
            self.p.terminate()
            self.p.wait()
            os.unlink(self.file)
        self.stop_ms = (time.perf_counter() - t) * 1000
        os.rmdir(self.mnt)

def forget(file):
    """Drops the pages of one file from the page cache."""
    fd = os.open(file, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)

def dd_read(file, cold=True):
    if cold:
        forget(file)
    t = time.perf_counter()
    sh(["dd", "if=" + file, "of=/dev/null", "bs=1M", "count=%d" % (SIZE >> 20)])
    return time.perf_counter() - t

def fio(file, jobs, rw="randread", extra=()):
    out = sh(["fio", "--name=x", "--rw=" + rw, "--bs=4k", "--ioengine=psync", "--numjobs=%d" % jobs,
              "--group_reporting", "--filename=" + file, "--size=%d" % SIZE, "--norandommap",
              "--randseed=7", "--output-format=json", "--fallocate=none", *extra])
    j = json.loads(out[out.index("{"):])["jobs"][0]
    j = j["read" if rw == "randread" else "write"]
    return j["iops"], j["total_ios"]

# ---------------------------------------------------------------------------------------- inputs

def prepare():
    os.makedirs(WORK, exist_ok=True)
    flags = sh("pkg-config --cflags --libs fuse3").split()
    sh(["gcc", "-O2", "-o", path("passthrough"), os.path.join(HERE, "passthrough.c")] + flags)
    raw = path("disk.raw")
    if not os.path.exists(raw) or os.stat(raw).st_size != SIZE:
        r = random.Random(5)
        with open(raw, "wb") as f:          # half of it holes, in pieces of 64 KiB to 4 MiB
            f.truncate(SIZE)
            pos = 0
            while pos < SIZE:
                n = min(SIZE - pos, 65536 << r.randrange(7))
                if r.random() < 0.5:
                    os.pwrite(f.fileno(), r.randbytes(n), pos)
                pos += n
        for fmt in ("vdi", "vhd"):
            sh(["qemu-img", "convert", "-O", QEMU[fmt]] + (["-o", "force_size=on"] if fmt == "vhd"
               else []) + [raw, path("disk." + fmt)])
    for fmt in FORMATS:                     # all in the page cache
        sh(["dd", "if=" + path("disk." + fmt), "of=/dev/null", "bs=1M"])

# ------------------------------------------------------------------------------------------ rows

def row_first():
    with_root = os.geteuid() == 0
    limit = Server("pass", path("disk.raw"))
    for fmt in FORMATS:
        for ra, goal in ((128, "1.0"), (0, "0.7")) if with_root else ((0, "1.0"),):
            m = Server("vimg", path("disk." + fmt), fmt)
            if ra:
                m.readahead(ra)
            pairs = [(dd_read(limit.file), dd_read(m.file)) for _ in range(ROUNDS + 1)][1:]
            show("first sequential reading, %s, %s" % (fmt, "plain" if ra or not with_root else
                 "readahead raised"), (b / a for a, b in pairs), goal, "x pass-through")
            m.stop()
    limit.stop()

def row_second():
    raw = path("disk.raw")
    for fmt in FORMATS:
        m = Server("vimg", path("disk." + fmt), fmt)
        dd_read(m.file)
        pairs = [(dd_read(raw, False), dd_read(m.file, False)) for _ in range(ROUNDS + 1)][1:]
        show("second reading, %s" % fmt, (b / a for a, b in pairs), "1.5", "x raw file")
        m.stop()

def row_direct():
    limit = Server("pass", path("disk.raw"))
    for fmt in FORMATS:
        m = Server("vimg", path("disk." + fmt), fmt, "-o direct_io")
        pairs = [(dd_read(limit.file), dd_read(m.file)) for _ in range(ROUNDS + 1)][1:]
        show("direct_io, sequential, %s" % fmt, (b / a for a, b in pairs), "0.5", "x pass-through")
        m.stop()
    limit.stop()

def row_random():
    limit = Server("pass", path("disk.raw"))
    for fmt in FORMATS:
        m = Server("vimg", path("disk." + fmt), fmt)
        for jobs, goal in ((1, "1.15"), (4, "1.3")):
            speed, cost = [], []
            for i in range(ROUNDS + 1):
                extra = ["--direct=1", "--io_size=%dM" % (64 // jobs)]
                c = limit.cpu(); a, n = fio(limit.file, jobs, extra=extra); ca = (limit.cpu() - c) / n
                c = m.cpu(); b, n = fio(m.file, jobs, extra=extra); cb = (m.cpu() - c) / n
                if i:
                    speed.append(a / b)
                    cost.append(cb / max(ca, 1e-9))
            show("random 4 KiB, %d reader%s, %s" % (jobs, "s"[:jobs > 1], fmt), speed, goal,
                 "x pass-through")
            show("  server processor time", cost, "1.3", "x pass-through")
        m.stop()
    limit.stop()

def fresh(fmt, file):
    if os.path.exists(file):
        os.unlink(file)
    if fmt == "raw":
        with open(file, "wb") as f:
            f.truncate(SIZE)
    else:
        sh(["qemu-img", "create", "-q", "-f", QEMU[fmt]] + (["-o", "force_size=on"] if fmt == "vhd"
           else []) + [file, str(SIZE)])

def against_qsd(name, work, goal):
    for fmt in FORMATS:
        ratios, used = [], {}
        for i in range(ROUNDS + 1):
            t = {}
            for kind in ("qsd", "vimg"):
                image = path("w-%s.%s" % (kind, fmt))
                fresh(fmt, image)
                m = Server(kind, image, fmt, rw=True)
                t[kind] = work(m.file)
                m.stop()
                used[kind] = os.stat(image).st_blocks * 512 / 2**20
                os.unlink(image)
            if i:
                ratios.append(t["vimg"] / t["qsd"])
        show("%s, %s" % (name, fmt), ratios, goal, "x qemu-storage-daemon; image %.1f MiB, its %.1f"
             % (used["vimg"], used["qsd"]))

def row_write():
    source = path("random")
    with open(source, "wb") as f:
        for i in range(min(SIZE, 512 << 20) >> 20):
            f.write(random.Random(i).randbytes(1 << 20))
    def work(file):
        t = time.perf_counter()
        sh(["dd", "if=" + source, "of=" + file, "bs=1M", "conv=notrunc,fsync"])
        return time.perf_counter() - t
    against_qsd("sequential writing", work, "1.0")
    os.unlink(source)

def row_fsync():
    def work(file):
        return 1 / fio(file, 1, "randwrite", ["--fsync=1", "--io_size=800k"])[0]
    against_qsd("200 x 4 KiB random, fsync each", work, "1.0")

def build_chain(fmt, depth):
    # Two folders down: the copy of disk.FORMAT has its id, and must not be found beside it.
    os.makedirs(path("chains", fmt), exist_ok=True)
    layer = lambda i: path("chains", fmt, "%d.%s" % (i, fmt))
    if os.path.exists(layer(depth)):
        return layer
    sh(["cp", "--sparse=always", path("disk." + fmt), layer(0)])
    for i in range(1, depth + 1):
        sh(["vimg", "create", "--format", fmt, "--force", "--parent", layer(i - 1), layer(i)])
        m = Server("vimg", layer(i), fmt, rw=True)
        r = random.Random(i)
        with open(m.file, "r+b", buffering=0) as f:
            for _ in range(20):
                f.seek(r.randrange(SIZE >> 16) << 16)
                f.write(bytes([i]) * 65536)
        m.stop()
    return layer

def row_chain(depth=64):
    for fmt in FORMATS:
        if fmt == "raw":
            continue
        layer = build_chain(fmt, depth)
        base, top = Server("vimg", layer(0), fmt), Server("vimg", layer(depth), fmt)
        speed, cost = [], []
        for m in (base, top):               # fill the page cache and the maps
            sh(["dd", "if=" + m.file, "of=/dev/null", "bs=1M"])
        for i in range(ROUNDS + 1):
            extra = ["--direct=1", "--io_size=64M"]
            c = base.cpu(); a, n = fio(base.file, 1, extra=extra); ca = (base.cpu() - c) / n
            c = top.cpu(); b, n = fio(top.file, 1, extra=extra); cb = (top.cpu() - c) / n
            if i:
                speed.append(a / b)
                cost.append(cb / max(ca, 1e-9))
        show("chain of %d, random 4 KiB, %s" % (depth, fmt), speed, "1.1",
             "x depth 0; opened in %.0f ms" % top.open_ms)
        show("  server processor time", cost, "1.1", "x depth 0")
        base.stop()
        top.stop()

def row_sparse():
    image = path("sparse.vdi")
    if not os.path.exists(image):
        sh(["vimg", "create", "--format", "vdi", "--size", "64T", image])
        m = Server("vimg", image, "vdi", rw=True)
        r = random.Random(5)
        with open(m.file, "r+b", buffering=0) as f:
            for _ in range(300):
                f.seek(r.randrange((64 << 20) - 1) << 20)
                f.write(b"Z" * (1 << 20))
        m.stop()
    sh(["dd", "if=" + image, "of=/dev/null", "bs=1M", "count=260"])
    opens, walks = [], []
    for _ in range(ROUNDS):
        m = Server("vimg", image, "vdi")
        opens.append(m.open_ms)
        peak = m.peak_mib()
        t = time.perf_counter()
        fd, pos, extents, data = os.open(m.file, os.O_RDONLY), 0, 0, 0
        while True:
            try:
                pos = os.lseek(fd, pos, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(fd, pos, os.SEEK_HOLE)
            extents, data, pos = extents + 1, data + end - pos, end
        os.close(fd)
        walks.append(time.perf_counter() - t)
        after = m.peak_mib()
        m.stop()
    show("64 TiB VDI: opening, ms", opens, "20", "peak %.1f MiB" % peak)
    show("64 TiB VDI: walking its map, s", walks, "1", "%d extents, %d MiB; peak %.1f MiB" %
         (extents, data >> 20, after))

def row_memory():
    for fmt in FORMATS:
        m = Server("vimg", path("disk." + fmt), fmt)
        peak = m.peak_mib()
        dd_read(m.file)
        fio(m.file, 4, extra=["--direct=1", "--io_size=16M"])
        print("%-46s %6.1f  MiB after mounting, %.1f after reading  goal 16" % ("memory, " + fmt,
              peak, m.peak_mib()))
        m.stop()

def row_unmount():
    for fmt in FORMATS:
        fresh_ms, full_ms, ratios = [], [], []
        for _ in range(ROUNDS):
            m = Server("vimg", path("disk." + fmt), fmt)
            sh(["dd", "if=" + m.file, "of=/dev/null", "bs=1M", "count=16"])
            m.stop()
            fresh_ms.append(m.stop_ms)
            times = []                      # the kernel drops what it cached of the disk
            for kind, image in (("pass", "disk.raw"), ("vimg", "disk." + fmt)):
                m = Server(kind, path(image), fmt)
                dd_read(m.file)
                m.stop()
                times.append(m.stop_ms)
            full_ms.append(times[1])
            ratios.append(times[1] / times[0])
        show("unmounting, %s, ms" % fmt, fresh_ms, "100")
        show("  with the whole disk in the page cache, ms", full_ms, "", "%.2f x pass-through" %
             statistics.median(ratios))

ROWS = ("first", "second", "direct", "random", "write", "fsync", "chain", "sparse", "memory",
        "unmount")

if __name__ == "__main__":
    names = sys.argv[1:] or ROWS
    if "-h" in names or "--help" in names or any(n not in ROWS for n in names):
        sys.exit(__doc__)
    prepare()
    for n in names:
        globals()["row_" + n]()
