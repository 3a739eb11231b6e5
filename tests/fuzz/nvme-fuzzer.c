/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-fuzzer.c - a guest that does what the input says to an NVMe controller: steps of a byte that
 * says what, then its parameters. It begins with rings and three disks, of which the second one's
 * storage can be made to stall and the third comes and goes. At the end nothing may be left over.
 */
#include "bytes.h"
#include "controllers/nvme.h"
#include "guest-script.h"

#define ENTRIES 8
#define RINGS 3				/* admin and two more; at i * 0x2000, its CQ 0x1000 on */

enum step {
	COMMAND, COMMANDS_LATER, REGISTER, DOORBELL, HEADS,
	COMMON,				/* those of guest-script.h */
	READ = COMMON + GUEST_READ, ENABLE = COMMON + GUEST_STEPS, STEP_KINDS
};

static uint16_t tail[RINGS], cid;

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
	guest_put(ring * 0x2000 + tail[ring] * NVME_SQE, e, sizeof(e));
	tail[ring] = (tail[ring] + 1) % ENTRIES;
	if (now)
		in_process_write(guest.p, 0, NVME_DOORBELLS + 8 * ring, tail[ring], 4);
}

static void enable(void)
{
	memset(tail, 0, sizeof(tail));
	in_process_write(guest.p, 0, NVME_REG_AQA, (ENTRIES - 1) * 0x10001, 4);
	in_process_write(guest.p, 0, NVME_REG_ASQ, 0, 8);
	in_process_write(guest.p, 0, NVME_REG_ACQ, 0x1000, 8);
	in_process_write(guest.p, 0, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN, 4);
	for (unsigned i = 1; i < RINGS; i++) {
		command(0, NVME_ADMIN_CREATE_CQ, 0, i * 0x2000 + 0x1000, 0,
			(ENTRIES - 1) << 16 | i, i << 16 | 3, 0, true);
		command(0, NVME_ADMIN_CREATE_SQ, 0, i * 0x2000, 0, (ENTRIES - 1) << 16 | i,
			i << 16 | 1, 0, true);
	}
	for (unsigned i = 0; i < 4; i++)
		loop_once(guest.p->loop, 0);
	in_process_write(guest.p, 0, NVME_DOORBELLS + 4, 4, 4);
}

static void submit(bool now)
{
	unsigned ring = guest_take(1) % RINGS;
	uint8_t opcode = guest_take(1);
	uint32_t nsid = guest_take(2);
	uint64_t prp1 = guest_address(), prp2 = guest_address();
	uint32_t d10 = guest_take(4), d11 = guest_take(4), d12 = guest_take(4);

	command(ring, opcode, nsid, prp1, prp2, d10, d11, d12, now);
}

static void step(void)
{
	unsigned what = guest_take(1) % STEP_KINDS;
	uint32_t offset, n;

	switch (what) {
	case COMMAND:
	case COMMANDS_LATER:
		submit(guest_take(1) & 1);
		break;
	case REGISTER:
		offset = guest_take(2);
		in_process_write(guest.p, 0, offset % 0x40, guest_take(8),
				 offset & 0x8000 ? 8 : 4);
		break;
	case DOORBELL:
		offset = guest_take(2);
		in_process_write(guest.p, 0, NVME_DOORBELLS + offset % 1024 * 4, guest_take(4), 4);
		break;
	case HEADS:
		n = guest_take(1);
		in_process_write(guest.p, 0, NVME_DOORBELLS + 4 + n % RINGS * 8,
				 n / RINGS % ENTRIES, 4);
		break;
	case READ:
		offset = guest_take(2);
		in_process_read(guest.p, 0, offset % 0x4000, 1 + offset / 0x4000 * 2);
		break;
	case ENABLE:
		enable();
		break;
	default:
		guest_step(what - COMMON);
	}
}

static void start(void)
{
	struct in_process_options o = { .controller = "nvme", .memory_size = GUEST_MEMORY,
					.remote_size = 1 << 16, .irq = PCI_IRQ_MSIX,
					.vectors = 65 };
	static const char *const address[] = { "nsid=1", "nsid=2", "nsid=3" };

	cid = 0;
	guest_start(&o, address);
	enable();
}

static bool is_idle(void *opaque)
{
	const struct nvme *n = (const struct nvme *)guest.p->c;
	bool busy = n->active || n->flushing || n->state == NVME_STOPPING;

	(void)opaque;
	for (unsigned i = 0; i <= NVME_NAMESPACES; i++)
		busy |= n->ns[i].active || n->ns[i].budget.charged || n->ns[i].leaving ||
			n->ns[i].stopping || n->ns[i].stopped;
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
	guest_script(data, size);
	start();
	guest_play(step);
	storage_stall_set(guest.stall, 0);
	if (!in_process_run(guest.p, is_idle, NULL, 5000))
		abort();
	in_process_free(guest.p);
	return 0;
}
