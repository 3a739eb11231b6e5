# SPDX-License-Identifier: GPL-2.0-or-later
"""SeaBIOS, the firmware of a PC, finds the controller with its own driver and starts from the disk: a boot
sector that reads more of the disk through INT 13h and prints it on COM1."""

import lab

SECONDS = 6
LIMIT = 200

# Prints what it reads with EDD, four sectors from sector 100 on, up to a 0 byte, and halts.
SECTOR = r"""
	.code16
	.globl _start
_start:
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov $packet, %si
	mov $0x42, %ah
	int $0x13		/* the drive is in DL since the start */
	mov $said, %si
	jc print
	mov $0x8000, %si
print:	lodsb
	test %al, %al
	jz done
	mov %al, %bl
ready:	mov $0x3fd, %dx
	in %dx, %al
	test $0x20, %al
	jz ready
	mov %bl, %al
	mov $0x3f8, %dx
	out %al, %dx
	jmp print
done:	hlt
	jmp done
packet:	.byte 16, 0
	.word 4, 0x8000, 0
	.quad 100
said:	.asciz "INT 13h failed\n"
	.org 510
	.word 0xaa55
"""


def test(case):
	text = b"started from %s\n" % case.controller.name.encode()
	# It ends in the last of the four sectors.
	text = b"." * (2047 - len(text)) + text + b"\0"
	with open(case.path("sector.s"), "w") as f:
		f.write(SECTOR)
	lab.run("as", "--32", "-o", case.path("sector.o"), case.path("sector.s"))
	lab.run("ld", "-m", "elf_i386", "-Ttext", "0x7c00", "--oformat", "binary", "-o", case.path("sector"),
		case.path("sector.o"))

	# A raw image is made with no help of ours; a VMM would start from it the same way.
	disk = case.disk("disk.img", 64 << 20)
	with open(case.path("sector"), "rb") as sector, open(disk.path, "r+b") as f:
		f.write(sector.read(512))
		f.seek(100 * 512)
		f.write(text[:2048])
	server = case.serve(disk)
	machine = case.boot(kernel=False, tools=False)
	machine.wait_console("started from " + case.controller.name, 90)
	machine.kill()
	server.stop()
