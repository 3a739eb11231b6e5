/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci-fuzzer.c - a guest that does what the input says to an AHCI controller: steps of a byte that
 * says what, then its parameters. It begins with three disks and running engines; the second one's
 * storage can be made to stall, the third comes and goes. Whatever was done, after a reset each disk
 * answers IDENTIFY.
 */
#include "bytes.h"
#include "controllers/ahci.h"
#include "guest-script.h"

#define PORTS 4
#define LIST(port) (0x1000u * (port))		/* and received frames 0x400 on */
#define TABLE(port, slot) (0x10000u + 0x4000u * (port) + 0x200u * (slot))
#define TABLES_END 0x20000u
#define P_REG(port, offset) (0x100u + 0x80u * (port) + (offset))

enum step {
	COMMAND, QUEUED, ISSUE, PORT_REGISTER, REGISTER,
	COMMON,				/* those of guest-script.h */
	READ = COMMON + GUEST_READ, START = COMMON + GUEST_STEPS, FRAME, STEP_KINDS
};

static void set(unsigned port, unsigned offset, uint32_t value)
{
	in_process_write(guest.p, 5, P_REG(port, offset), value, 4);
}

static void start_port(unsigned port)
{
	set(port, 0x2c, 0);
	set(port, 0x00, LIST(port));
	set(port, 0x04, 0);
	set(port, 0x08, LIST(port) + 0x400);
	set(port, 0x0c, 0);
	set(port, 0x14, IS_ALL);
	set(port, 0x18, CMD_FRE | CMD_SUD | CMD_ST);
}

/* A header, a frame, and ranges of one size. */
static void put(unsigned port, unsigned slot, const uint8_t *fis, unsigned ranges, uint32_t bytes)
{
	uint8_t *header = guest.p->memory + LIST(port) + 32 * slot;
	uint8_t *table = guest.p->memory + TABLE(port, slot);

	memset(header, 0, 32);
	put_le32(header, ranges << 16 | 5);
	put_le32(header + 8, TABLE(port, slot));
	memcpy(table, fis, 20);
	for (unsigned i = 0; i < ranges && i < 24; i++) {
		uint64_t to = i ? TABLES_END + i * 0x8000 : guest_address();

		put_le64(table + 0x80 + 16 * i, to);
		put_le32(table + 0x8c + 16 * i, bytes);
	}
}

static void command(bool queued)
{
	unsigned where = guest_take(1), port = where % PORTS, slot = where / PORTS % 32;
	unsigned sectors = guest_take(1), ranges;
	uint8_t fis[20] = { 0x27, 0x80 };

	fis[2] = queued ? 0x60 | (sectors & 1) : (uint8_t)guest_take(1);
	put_le32(fis + 4, guest_take(2));
	fis[7] = 0x40;
	put_le16(fis + 12, queued ? slot << 3 : sectors);
	fis[3] = queued ? (uint8_t)sectors : (uint8_t)guest_take(1);
	if (fis[2] == 0xb0)
		put_le32(fis + 4, 0xc24f00 | guest_take(1));
	ranges = 1 + guest_take(1) % 24;
	put(port, slot, fis, ranges, guest_take(2) | 1);
	if (queued)
		set(port, 0x34, 1u << slot);
	if (sectors & 2)
		set(port, 0x38, 1u << slot);
}

/* Any frame: device control, too. */
static void frame(void)
{
	unsigned where = guest_take(1), port = where % PORTS, slot = where / PORTS % 32;
	uint8_t fis[20] = { 0x27 };
	unsigned ranges;

	for (unsigned i = 1; i < sizeof(fis); i++)
		fis[i] = guest_take(1);
	ranges = guest_take(1) % 24;
	put(port, slot, fis, ranges, guest_take(4));
	set(port, 0x38, 1u << slot);
}

static void step(void)
{
	unsigned what = guest_take(1) % STEP_KINDS;
	uint32_t offset, n;

	switch (what) {
	case COMMAND:
		command(false);
		break;
	case QUEUED:
		command(true);
		break;
	case ISSUE:
		n = guest_take(1) % PORTS;
		if (guest_take(1) & 1)
			set(n, 0x34, guest_take(4));
		set(n, 0x38, guest_take(4));
		break;
	case PORT_REGISTER:
		n = guest_take(1);
		set(n % PORTS, n / PORTS % 16 * 4, guest_take(4));
		break;
	case REGISTER:
		offset = guest_take(2);
		in_process_write(guest.p, offset >> 15 ? 4 : 5, offset % 0x2000, guest_take(8),
				 offset & 0x4000 ? 8 : 4);
		break;
	case READ:
		offset = guest_take(2);
		in_process_read(guest.p, offset & 1 ? 5 : 4, offset % 0x1100,
				1 + offset / 0x4000 * 2);
		break;
	case START:
		start_port(guest_take(1) % PORTS);
		break;
	case FRAME:
		frame();
		break;
	default:
		guest_step(what - COMMON);
	}
}

static void start(void)
{
	struct in_process_options o = { .controller = "ahci", .memory_size = GUEST_MEMORY,
					.remote_size = 1 << 16, .irq = PCI_IRQ_MSI, .vectors = 1 };
	static const char *const address[] = { "port=0", "port=1", "port=2" };

	guest_start(&o, address);
	for (unsigned i = 0; i < PORTS; i++)
		start_port(i);
}

static bool identified(void *opaque)
{
	return !in_process_read(guest.p, 5, P_REG(*(unsigned *)opaque, 0x38), 4);
}

static void must_answer(unsigned port)
{
	const uint8_t fis[20] = { 0x27, 0x80, 0xec };

	start_port(port);
	put(port, 0, fis, 1, 511);
	put_le64(guest.p->memory + TABLE(port, 0) + 0x80, TABLES_END);
	set(port, 0x38, 1);
	CHECK(in_process_run(guest.p, identified, &port, 1000));
	CHECK_EQ(in_process_read(guest.p, 5, P_REG(port, 0x20), 4), 0x50);
	CHECK_EQ(guest.p->memory[TABLES_END], 0x40);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	guest_script(data, size);
	start();
	guest_play(step);
	storage_stall_set(guest.stall, 0);
	in_process_reset(guest.p);
	guest_map(true);
	for (unsigned i = 0; i < (guest.third ? 3 : 2); i++)
		must_answer(i);
	in_process_settle(guest.p);
	in_process_free(guest.p);
	return 0;
}
