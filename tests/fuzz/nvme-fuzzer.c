/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-fuzzer.c - a guest that does what the input says to an NVMe controller: steps of a byte that
 * says what, then its parameters. It begins with rings and three disks, of which the second one's
 * storage can be made to stall and the third comes and goes. At the end nothing may be left over.
 */
#include "bytes.h"
#include "controllers/nvme.h"
#include "emulator-test.h"
#include "front/in_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MEMORY (1u << 20)
#define DISK (256u << 10)
#define ENTRIES 8
#define RINGS 3				/* admin and two more; at i * 0x2000, its CQ 0x1000 on */
#define STEPS 400

enum step {
	COMMAND, COMMANDS_LATER, REGISTER, DOORBELL, HEADS, MEMORY_BYTES, TURN, STALL, PLUG, RESET,
	MAPPING, CONFIG, READ, IRQ, ENABLE, STEP_KINDS
};

static struct in_process *p;
static struct vd_storage *stall;
static struct device *third;
static uint16_t tail[RINGS], cid;
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

/* The parameter's second byte chooses: inside memory, mostly; else anything. */
static uint64_t address(void)
{
	uint32_t v = take(3);

	return v >> 20 == 0xf ? take(8) : v >> 20 == 0xe ? IN_PROCESS_REMOTE + (v & 0xffff) :
	       v % MEMORY;
}

static void put(uint32_t base, const void *bytes, uint32_t n)
{
	if (base <= MEMORY && n <= MEMORY - base)
		memcpy(p->memory + base, bytes, n);
}

static void command(unsigned ring, uint8_t opcode, uint32_t nsid, uint64_t prp1, uint64_t prp2,
		    uint32_t d10, uint32_t d11, uint32_t d12, bool now)
{
	uint8_t e[NVME_SQE] = { opcode, nsid >> 8 };

	put_le16(e + 2, cid++);
	put_le32(e + 4, (nsid & 0xff) == 0xff ? NVME_ALL : nsid & 0xff);
	put_le64(e + 24, prp1);
	put_le64(e + 32, prp2);
	put_le32(e + 40, d10);
	put_le32(e + 44, d11);
	put_le32(e + 48, d12);
	put(ring * 0x2000 + tail[ring] * NVME_SQE, e, sizeof(e));
	tail[ring] = (tail[ring] + 1) % ENTRIES;
	if (now)
		in_process_write(p, 0, NVME_DOORBELLS + 8 * ring, tail[ring], 4);
}

static void enable(void)
{
	memset(tail, 0, sizeof(tail));
	in_process_write(p, 0, NVME_REG_AQA, (ENTRIES - 1) * 0x10001, 4);
	in_process_write(p, 0, NVME_REG_ASQ, 0, 8);
	in_process_write(p, 0, NVME_REG_ACQ, 0x1000, 8);
	in_process_write(p, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	for (unsigned i = 1; i < RINGS; i++) {
		command(0, NVME_ADMIN_CREATE_CQ, 0, i * 0x2000 + 0x1000, 0,
			(ENTRIES - 1) << 16 | i, i << 16 | 3, 0, true);
		command(0, NVME_ADMIN_CREATE_SQ, 0, i * 0x2000, 0, (ENTRIES - 1) << 16 | i,
			i << 16 | 1, 0, true);
	}
	for (unsigned i = 0; i < 4; i++)
		loop_once(p->loop, 0);
	in_process_write(p, 0, NVME_DOORBELLS + 4, 4, 4);
}

static void plug(void)
{
	if (third)
		in_process_detach(p, third);
	third = NULL;
	if (take(1) & 1)
		CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "nsid=3", &third, NULL));
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

static void submit(bool now)
{
	unsigned ring = take(1) % RINGS;
	uint8_t opcode = take(1);
	uint32_t nsid = take(2);
	uint64_t prp1 = address(), prp2 = address();
	uint32_t d10 = take(4), d11 = take(4), d12 = take(4);

	command(ring, opcode, nsid, prp1, prp2, d10, d11, d12, now);
}

static void step(void)
{
	uint32_t offset, n;

	switch ((enum step)(take(1) % STEP_KINDS)) {
	case COMMAND:
	case COMMANDS_LATER:
		submit(take(1) & 1);
		break;
	case REGISTER:
		offset = take(2);
		in_process_write(p, 0, offset % 0x40, take(8), offset & 0x8000 ? 8 : 4);
		break;
	case DOORBELL:
		offset = take(2);
		in_process_write(p, 0, NVME_DOORBELLS + offset % 1024 * 4, take(4), 4);
		break;
	case HEADS:
		n = take(1);
		in_process_write(p, 0, NVME_DOORBELLS + 4 + n % RINGS * 8, n / RINGS % ENTRIES, 4);
		break;
	case MEMORY_BYTES:
		offset = take(3);
		n = take(1);
		n = n < left ? n : left;
		put(offset % MEMORY, in, n);
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
		in_process_read(p, 0, offset % 0x4000, 1 + offset / 0x4000 * 2);
		break;
	case IRQ:
		n = take(1);
		pci_set_irq(&p->c->pci, n % PCI_IRQ_KINDS, n / PCI_IRQ_KINDS);
		break;
	default:
		enable();
	}
}

static void start(void)
{
	struct in_process_options o = { .controller = "nvme", .memory_size = MEMORY,
					.remote_size = 1 << 16, .irq = PCI_IRQ_MSIX,
					.vectors = 65 };
	struct device_options may_stall = { .discard = true, .may_stall = true };
	struct vd_storage *s;

	CHECK_OK(in_process_new(&o, &p, NULL));
	mapped = true;
	cid = 0;
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "nsid=1", NULL, NULL));
	CHECK_OK(storage_open_memory(DISK, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(in_process_attach(p, disk_on(stall), &may_stall, "nsid=2", NULL, NULL));
	CHECK_OK(in_process_attach(p, memory_disk(DISK), NULL, "nsid=3", &third, NULL));
	enable();
}

static bool is_idle(void *opaque)
{
	const struct nvme *n = (const struct nvme *)p->c;
	bool busy = n->active || n->data || n->flushing || n->state == NVME_STOPPING;

	(void)opaque;
	for (unsigned i = 0; i <= NVME_NAMESPACES; i++)
		busy |= n->ns[i].active || n->ns[i].leaving || n->ns[i].stopping ||
			n->ns[i].stopped;
	for (unsigned i = 0; i < NVME_QUEUES; i++) {
		const struct nvme_sq *sq = n->sq[i];
		unsigned free = 0;

		if (!sq)
			continue;
		for (const struct nvme_command *c = sq->free; c; c = c->next)
			free++;
		if (free + sq->in_flight != sq->commands)
			abort();
		for (unsigned k = 0; k < sq->commands; k++)
			busy |= sq->command[k].state == NVME_COMMAND_BUSY ||
				sq->command[k].state == NVME_COMMAND_WAITING;
	}
	return !busy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	start();
	for (unsigned i = 0; i < STEPS && left; i++)
		step();
	storage_stall_set(stall, 0);
	if (!in_process_run(p, is_idle, NULL, 5000))
		abort();
	in_process_free(p);
	return 0;
}
