/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ahci-fuzzer.c - a guest that does what the input says to an AHCI controller: steps of a byte that
 * says what, then its parameters. It begins with three disks and running engines; the second one's
 * storage can be made to stall, the third comes and goes. Whatever was done, after a reset each disk
 * answers IDENTIFY.
 */
#include "bytes.h"
#include "controllers/ahci.h"
#include "emulator-test.h"
#include "front/in_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (1u << 20)
#define DISK (256u << 10)
#define PORTS 4
#define STEPS 400
#define LIST(port) (0x1000u * (port))		/* and received frames 0x400 on */
#define TABLE(port, slot) (0x10000u + 0x4000u * (port) + 0x200u * (slot))
#define TABLES_END 0x20000u
#define P_REG(port, offset) (0x100u + 0x80u * (port) + (offset))

enum step {
	COMMAND, QUEUED, ISSUE, PORT_REGISTER, REGISTER, MEMORY_BYTES, TURN, STALL, PLUG, RESET,
	MAPPING, CONFIG, READ, IRQ, START, FRAME, STEP_KINDS
};

static struct in_process *p;
static struct vd_storage *stall;
static struct device *third;
static bool mapped;

static const uint8_t *in;
static size_t left;

static uint64_t take(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes && left; i++, left--)
		v |= (uint64_t)*in++ << 8 * i;
	return v;
}

/* Inside memory, mostly. */
static uint64_t address(void)
{
	uint32_t v = take(3);

	return v >> 20 == 0xf ? take(8) : v >> 20 == 0xe ? IN_PROCESS_REMOTE + (v & 0xffff) :
	       v % MEMORY;
}

static void set(unsigned port, unsigned offset, uint32_t value)
{
	in_process_write(p, 5, P_REG(port, offset), value, 4);
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
	uint8_t *header = p->memory + LIST(port) + 32 * slot;
	uint8_t *table = p->memory + TABLE(port, slot);

	memset(header, 0, 32);
	put_le32(header, ranges << 16 | 5);
	put_le32(header + 8, TABLE(port, slot));
	memcpy(table, fis, 20);
	for (unsigned i = 0; i < ranges && i < 24; i++) {
		uint64_t to = i ? TABLES_END + i * 0x8000 : address();

		put_le64(table + 0x80 + 16 * i, to);
		put_le32(table + 0x8c + 16 * i, bytes);
	}
}

static void command(bool queued)
{
	unsigned where = take(1), port = where % PORTS, slot = where / PORTS % 32, sectors = take(1);
	uint8_t fis[20] = { 0x27, 0x80 };

	fis[2] = queued ? 0x60 | (sectors & 1) : (uint8_t)take(1);
	put_le32(fis + 4, take(2));
	fis[7] = 0x40;
	put_le16(fis + 12, queued ? slot << 3 : sectors);
	fis[3] = queued ? (uint8_t)sectors : (uint8_t)take(1);
	if (fis[2] == 0xb0)
		put_le32(fis + 4, 0xc24f00 | take(1));
	put(port, slot, fis, 1 + take(1) % 24, take(2) | 1);
	if (queued)
		set(port, 0x34, 1u << slot);
	if (sectors & 2)
		set(port, 0x38, 1u << slot);
}

/* Any frame: device control, too. */
static void frame(void)
{
	unsigned where = take(1), port = where % PORTS, slot = where / PORTS % 32;
	uint8_t fis[20] = { 0x27 };

	fis[1] = take(1);
	for (unsigned i = 2; i < sizeof(fis); i++)
		fis[i] = take(1);
	put(port, slot, fis, take(1) % 24, take(4));
	set(port, 0x38, 1u << slot);
}

static void plug(void)
{
	if (third)
		in_process_detach(p, third);
	third = NULL;
	if (take(1) & 1)
		CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "port=2", &third, NULL));
}

static void unmapped(void *opaque)
{
	(void)opaque;
}

static void map(bool on)
{
	if (on && !mapped)
		mapped = !memory_map(p->c->memory, 0, MEMORY, p->memory_fd, 0,
				     MEMORY_READ | MEMORY_WRITE);
	else if (!on && mapped)
		mapped = memory_unmap(p->c->memory, 0, MEMORY, unmapped, NULL) != 0;
}

static void step(void)
{
	uint32_t offset, n;

	switch ((enum step)(take(1) % STEP_KINDS)) {
	case COMMAND:
		command(false);
		break;
	case QUEUED:
		command(true);
		break;
	case ISSUE:
		n = take(1) % PORTS;
		if (take(1) & 1)
			set(n, 0x34, take(4));
		set(n, 0x38, take(4));
		break;
	case PORT_REGISTER:
		n = take(1);
		set(n % PORTS, n / PORTS % 16 * 4, take(4));
		break;
	case REGISTER:
		offset = take(2);
		in_process_write(p, offset >> 15 ? 4 : 5, offset % 0x2000, take(8),
				 offset & 0x4000 ? 8 : 4);
		break;
	case MEMORY_BYTES:
		offset = take(3) % MEMORY;
		n = take(1);
		n = n < left ? n : left;
		n = n < MEMORY - offset ? n : MEMORY - offset;
		memcpy(p->memory + offset, in, n);
		in += n;
		left -= n;
		break;
	case TURN:
		for (n = take(1) % 8; n; n--)
			loop_once(p->loop, 0);
		break;
	case STALL:
		storage_stall_set(stall, take(1) & FAULT_ALL);
		break;
	case PLUG:
		plug();
		break;
	case RESET:
		in_process_reset(p);
		break;
	case MAPPING:
		map(take(1) & 1);
		break;
	case CONFIG:
		offset = take(2);
		in_process_config_write(p, offset % 256, take(4), 1 + offset / 256 % 4);
		break;
	case READ:
		offset = take(2);
		in_process_read(p, offset & 1 ? 5 : 4, offset % 0x1100, 1 + offset / 0x4000 * 2);
		break;
	case IRQ:
		n = take(1);
		pci_set_irq(&p->c->pci, n % PCI_IRQ_KINDS, n / PCI_IRQ_KINDS);
		break;
	case START:
		start_port(take(1) % PORTS);
		break;
	default:
		frame();
	}
}

static void start(void)
{
	struct in_process_options o = { .controller = "ahci", .memory_size = MEMORY,
					.remote_size = 1 << 16, .irq = PCI_IRQ_MSI, .vectors = 1 };
	struct device_options may_stall = { .discard = true, .may_stall = true };
	struct vd_storage *s;

	CHECK_OK(in_process_new(&o, &p, NULL));
	mapped = true;
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "port=0", NULL, NULL));
	CHECK_OK(storage_open_memory(DISK, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(in_process_attach(p, disk_on(stall), &may_stall, "port=1", NULL, NULL));
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "port=2", &third, NULL));
	for (unsigned i = 0; i < PORTS; i++)
		start_port(i);
}

static bool identified(void *opaque)
{
	return !in_process_read(p, 5, P_REG(*(unsigned *)opaque, 0x38), 4);
}

static void must_answer(unsigned port)
{
	const uint8_t fis[20] = { 0x27, 0x80, 0xec };

	start_port(port);
	put(port, 0, fis, 1, 511);
	put_le64(p->memory + TABLE(port, 0) + 0x80, TABLES_END);
	set(port, 0x38, 1);
	CHECK(in_process_run(p, identified, &port, 1000));
	CHECK_EQ(in_process_read(p, 5, P_REG(port, 0x20), 4), 0x50);
	CHECK_EQ(p->memory[TABLES_END], 0x40);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	start();
	for (unsigned i = 0; i < STEPS && left; i++)
		step();
	storage_stall_set(stall, 0);
	in_process_reset(p);
	map(true);
	for (unsigned i = 0; i < (third ? 3 : 2); i++)
		must_answer(i);
	in_process_settle(p);
	in_process_free(p);
	return 0;
}
