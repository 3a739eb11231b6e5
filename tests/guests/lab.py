# SPDX-License-Identifier: GPL-2.0-or-later
"""What a test with a real guest needs: disks, a server, a machine to plug it into, a word with the guest.

A case is one test with one controller. It works in a folder of its own; what it starts is killed
when it ends, by the runner, which also ends a case that takes too long.
"""

import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import time
import uuid

here = os.path.dirname(os.path.abspath(__file__))

# With VIMG_GUEST_PEER=1 QEMU's own controllers are in the place of ours: where a test fails with those
# too, the laboratory is at fault.
peer = os.environ.get("VIMG_GUEST_PEER", "0") not in ("", "0")


class Failure(Exception):
	"""The test failed, and why."""


class TooLong(Failure):
	"""A time limit is over."""


class Skip(Exception):
	"""The test cannot be done here, and why."""


def check(condition, what):
	if not condition:
		raise Failure(what)


def run(*command, timeout=120):
	"""Runs a command of the host, which must succeed; gives what it said."""
	r = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
		stderr=subprocess.STDOUT, timeout=timeout, encoding="utf-8", errors="replace")
	check(r.returncode == 0, "%s: status %d: %s" % (" ".join(command), r.returncode, r.stdout))
	return r.stdout


class Disk:
	"""An image, and where it is plugged in (address: nsid=1, port=0, target=0)."""

	def __init__(self, case, name, size, variant=None, options=()):
		if peer:
			name += ".raw"		# QEMU's drivers of other formats do not discard
		self.path = case.path(name)
		self.name = os.path.basename(name).split(".")[0]
		self.format = {"vhd": "vpc"}.get(name.split(".")[-1], name.split(".")[-1])
		self.size = size
		self.address = {}
		self.options = list(options)
		variant = ["--variant", variant] if variant else []
		run("vimg", "create", self.path, str(size), *variant)

	def argument(self):
		options = ["name=" + self.name] + ["%s=%s" % item for item in self.address.items()] + self.options
		return ",".join([self.path.replace(",", ",,")] + options)

	def serial(self):
		"""The serial number VirtualBox makes of the image's UUID: its first and last 32-bit words."""
		if peer:
			return ""
		u = uuid.UUID(json.loads(run("vimg", "info", "--json", self.path))["uuid"])
		return "VB%08x-%08x" % (u.time_low, int.from_bytes(u.bytes[12:], "little"))

	def must_be_sound(self):
		"""vimg check finds nothing to complain about."""
		run("vimg", "check", self.path)

	def dump(self):
		"""A file with what the disk holds, read by our library on the host."""
		path = self.path + ".dump"
		with open(path, "wb") as out:
			subprocess.run(["examples/cat-disk", self.path], cwd=os.environ["top_builddir"],
				stdin=subprocess.DEVNULL, stdout=out, timeout=120, check=True)
		return path

	def hash(self):
		return self._piped("sha256sum").decode().split()[0]

	def must_hash_to(self, digest):
		"""All the disk holds has the SHA-256 that the guest's `digest` said."""
		found = self.hash()
		check(found == digest, "%s holds %s, the guest read %s" % (self.path, found, digest))

	def must_sum_to(self, sum):
		"""The same by the POSIX checksum, the guest's `quick_sum`."""
		found = self._piped("cksum").decode().strip()
		check(found == sum, "%s holds %s, the guest read %s" % (self.path, found, sum))

	def _piped(self, command):
		command = "set -o pipefail; examples/cat-disk %s | %s" % (shlex.quote(self.path), command)
		return subprocess.run(["bash", "-c", command], cwd=os.environ["top_builddir"],
			stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
			timeout=120).stdout


class Server:
	"""vimg-emulator serve. Its places are controllers, each with disks and options. In peer mode there is
	nothing to start."""

	def __init__(self, case, places, more=()):
		self.case = case
		self.places = places
		self.sockets = [case.path("controller%d.sock" % n) for n in range(len(places))]
		self.control = case.path("control.sock")
		self.process = None
		self.command = ["vimg-emulator", "serve", "--control", self.control, "--allow-dir", case.folder]
		for path, (controller, disks, options) in zip(self.sockets, places):
			self.command += controller_arguments(controller, path, disks, options)
		self.command += more
		if not peer:
			self.start()

	def start(self):
		self.process = self.case.start(self.command, "server.log")
		deadline = time.monotonic() + 10
		while not all(map(os.path.exists, self.sockets)):
			check(self.process.poll() is None, "the server ended: " + self.case.tail("server.log"))
			check(time.monotonic() < deadline, "the server made no socket in 10 s")
			time.sleep(0.02)

	def ctl(self, *words):
		return run("vimg-emulator", "ctl", self.control, *words, timeout=30)

	def status(self):
		return json.loads(self.ctl("status", "--json"))

	def attach(self, disk):
		self.ctl("attach", self.places[0][0].name + "0", disk.argument())

	def detach(self, disk):
		self.ctl("detach", disk.name)

	def resize(self, disk, size):
		self.ctl("resize", disk.name, str(size))

	def stop(self):
		"""Ends it as a person would; everything must be on the disk afterwards."""
		if self.process:
			self.process.send_signal(signal.SIGTERM)
			status = wait(self.process, 20, "the server does not end")
			check(status in (0, -signal.SIGTERM), "the server ended with %d: %s" %
				(status, self.case.tail("server.log")))
			self.process = None

	def kill(self):
		if self.process:
			self.process.kill()
			self.process.wait()
			self.process = None
		for path in self.sockets + [self.control]:
			if os.path.exists(path):
				os.unlink(path)


def controller_arguments(controller, path, disks, options=()):
	"""One --controller and its --disk words."""
	words = ["--controller", ",".join([controller.name, "socket=" + path] + list(options))]
	for disk in disks:
		words += ["--disk", disk.argument()]
	return words


def wait(process, seconds, complaint):
	try:
		return process.wait(seconds)
	except subprocess.TimeoutExpired:
		raise Failure("%s in %d s" % (complaint, seconds)) from None


class Machine:
	"""A QEMU. Its COM1 is the console, kept in console.log; on COM2 the guest's script talks with us:

	    hello            it runs; we answer with the stage that boot() was given
	    ok WHAT          something holds
	    FAILED WHAT      it does not
	    is KEY VALUE     something for the host to compare
	    ask NAME WORD... answers[NAME](WORD...) is called, and what it gives goes back
	    end STATUS       the script ended
	"""

	def __init__(self, case, plug, *, name="guest", cpus=2, memory=512, script=None, append="",
		     reboots=False, tools=True, kernel=True, firmware=(), wrapper=None, controllers=None):
		self.case = case
		self.console = "%s-console.log" % name
		self.values = {}
		self.failures = []
		self.buffer = b""
		self.talk = None
		listener = socket.socket(socket.AF_UNIX)
		listener.bind(case.path("%s-talk.sock" % name))
		listener.listen(1)

		words = [case.tool("qemu-system-x86_64"), "-M", "q35", "-m", str(memory)]
		if not wrapper:			# `vimg-emulator run` adds these itself
			words += ["-machine", "memory-backend=mem", "-object",
				"memory-backend-memfd,id=mem,size=%dM,share=on" % memory]
		words += ["-accel", "tcg,thread=multi", "-cpu", "qemu64,+rdrand",	# else the guest waits for entropy
			"-smp", str(cpus), "-nodefaults", "-display", "none",
			"-serial", "file:" + case.path(self.console),
			"-chardev", "socket,id=talk,path=" + case.path("%s-talk.sock" % name),
			"-serial", "chardev:talk",
			"-qmp", "unix:%s,server=on,wait=off" % case.path("%s-qmp.sock" % name)]
		if not reboots:
			words += ["-no-reboot"]
		words += list(firmware)
		if kernel:
			words += ["-kernel", case.tool("vmlinux"), "-initrd", case.tool("initrd"),
				"-append", case.kernel_line(append, tools, controllers)]
		if tools:
			words += ["-drive", "file=%s,if=virtio,format=raw,readonly=on" % case.tool("tools.img")]
		if script is not None:
			words += ["-fw_cfg", "name=opt/vimg/script,file=" + case.script(name, script)]
		words += list(plug)

		command = wrapper + ["--"] + words if wrapper else words
		self.qmp_path = case.path("%s-qmp.sock" % name)
		self.process = case.start(command, "%s-qemu.log" % name)
		self.log = "%s-qemu.log" % name
		self.talk = self.accept(listener)

	def accept(self, listener):
		"""QEMU's end of COM2; the firmware and the guest come later."""
		with listener:
			for _ in range(100):
				if select.select([listener], [], [], 0.2)[0]:
					return listener.accept()[0]
				check(self.process.poll() is None, "QEMU ended at once: " + self.case.tail(self.log))
		raise Failure("QEMU did not start in 20 s: " + self.case.tail(self.log))

	def line(self, deadline):
		"""The next line the guest says, or None when QEMU has ended."""
		while b"\n" not in self.buffer:
			left = deadline - time.monotonic()
			if left <= 0:
				raise TooLong("the guest took too long")
			if not select.select([self.talk], [], [], min(left, 1))[0]:
				continue
			piece = self.talk.recv(65536)
			if not piece:
				return None
			self.buffer += piece
		line, self.buffer = self.buffer.split(b"\n", 1)
		return line.decode("utf-8", "replace").strip("\r\0 ")

	def listen(self, stage="", answers=None, seconds=120, until="end"):
		"""Hears the guest out until its script ends, or it says the line `until`."""
		deadline = time.monotonic() + seconds
		while True:
			line = self.line(deadline)
			check(line is not None, "QEMU ended before the guest's script did: " + self.case.tail(self.log))
			word, _, rest = line.partition(" ")
			self.case.note("guest: " + line)
			if word == "hello":
				self.say(stage)
			elif word == "FAILED":
				self.failures.append(rest)
			elif word == "is":
				key, _, value = rest.partition(" ")
				self.values[key] = value
			elif word == "ask":
				name, *words = rest.split()
				self.say(str((answers or {})[name](*words) or ""))
			elif word == "end":
				if rest != "0":
					self.failures.append("the script ended with " + rest)
				check(not self.failures, "in the guest: " + "; ".join(self.failures))
				return
			if line == until:
				return

	def said_before_the_end(self, key, value):
		"""The last number it told under this key, after it was killed."""
		while True:
			line = self.line(time.monotonic() + 5)
			if line is None:
				return value
			if re.fullmatch("is %s [0-9]+" % key, line):
				value = int(line.split()[2])

	def say(self, text):
		self.talk.sendall(text.encode() + b"\n")

	def run(self, stage="", answers=None, seconds=150):
		"""A whole script, and the power-off after it."""
		self.listen(stage, answers, seconds)
		self.end()

	def end(self, seconds=20):
		status = wait(self.process, seconds, "QEMU does not end")
		check(status == 0, "QEMU ended with %d: %s" % (status, self.case.tail(self.log)))

	def kill(self):
		self.process.kill()
		self.process.wait()

	def wait_console(self, text, seconds):
		"""Waits until the console shows a text: firmware has no COM2."""
		deadline = time.monotonic() + seconds
		while text not in self.case.text(self.console):
			check(time.monotonic() < deadline, "the console never said %r" % text)
			check(self.process.poll() is None, "QEMU ended: " + self.case.tail(self.log))
			time.sleep(0.1)

	def qmp(self, command, **arguments):
		"""One command to QEMU itself."""
		with socket.socket(socket.AF_UNIX) as s:
			s.settimeout(20)
			s.connect(self.qmp_path)
			stream = s.makefile("rw")
			stream.readline()
			for words in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
				stream.write(json.dumps(words) + "\n")
				stream.flush()
				while True:
					answer = json.loads(stream.readline())
					check("error" not in answer, "%s: %s" % (command, answer))
					if "return" in answer:
						break
			return answer["return"]

	# What a kernel says when a disk or a driver is in trouble, or itself.
	trouble = re.compile(r"I/O error|[Tt]imed out|timeout|Kernel panic|Oops|BUG:|blocked for more|"
		r"exception Emask|failed command|Call Trace|controller is down|[Cc]orrupt")

	def must_be_quiet(self, but=None):
		"""No error is on the console, save what the pattern `but` allows."""
		for line in self.case.text(self.console).splitlines():
			if self.trouble.search(line) and not (but and re.search(but, line)):
				raise Failure("the guest's kernel says: " + line)


class Case:
	def __init__(self, folder, tools, controller, long=0):
		self.folder = folder
		self.tools = tools
		self.controller = controller
		self.long = long		# seconds to soak for, or 0

	def path(self, name):
		return os.path.join(self.folder, name)

	def tool(self, name):
		return os.path.join(self.tools, name)

	def text(self, name):
		try:
			with open(self.path(name), errors="replace") as f:
				return f.read()
		except FileNotFoundError:
			return ""

	def tail(self, name, lines=15):
		return "\n".join(self.text(name).splitlines()[-lines:])

	def note(self, line):
		"""Into the log of the case, with the time since it began."""
		print("%7.2f %s" % (time.monotonic() - self.began, line), flush=True)

	began = time.monotonic()

	def start(self, command, log):
		self.note("$ " + " ".join(command))
		with open(self.path(log), "ab") as out:
			return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
				stderr=subprocess.STDOUT, cwd=self.folder)

	def script(self, name, text):
		"""The script the guest runs: what all share, then this one's."""
		path = self.path(name + ".sh")
		with open(os.path.join(here, "guest-lib.sh")) as f, open(path, "w") as out:
			out.write(f.read() + "controller=%s peer=%s\n" % (self.controller.name, "yes" if peer else "") + text)
		return path

	# What a kernel under emulation does not need to spend its time on, or trips over on a busy host.
	fast = ("mitigations=off random.trust_cpu=on tsc=reliable no_timer_check cryptomgr.notests "
		"rcupdate.rcu_expedited=1")

	def kernel_line(self, append, tools, controllers=None):
		modules = sum((c.modules for c in controllers or [self.controller]), []) + ["sg", "sd_mod"]
		return " ".join(["console=ttyS0 loglevel=5 panic=-1", self.fast, "modules=" + ",".join(modules),
			"tools" if tools else "", append])

	def disk(self, name, size, number=0, controller=None, **more):
		disk = Disk(self, name, size, **more)
		disk.address = (controller or self.controller).address(number)
		return disk

	def serve(self, *disks, options=()):
		"""Starts the server (in peer mode: nothing); plug() then has the device for the machine."""
		return self.serve_all([(self.controller, disks, options)])

	def serve_all(self, places, more=()):
		"""The same with several controllers, see Server; more are other arguments."""
		self.server = Server(self, places, more)
		return self.server

	def plug(self):
		if peer:
			return sum((controller.peer(disks, options, n)
				for n, (controller, disks, options) in enumerate(self.server.places)), [])
		words = []
		for path in self.server.sockets:
			words += ["-device", json.dumps({"driver": "vfio-user-pci", "socket": {"type": "unix", "path": path}})]
		return words

	def boot(self, script=None, **more):
		return Machine(self, self.plug(), script=script, **more)
