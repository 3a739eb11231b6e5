/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * controllers-ahci.c - see controllers.h: port 0 with queued commands. A completion costs what it
 * costs a driver: reading the interrupt registers, clearing them, asking which tags are left.
 */
#include "controllers.h"

#include "controllers/ahci.h"

#define BAR 5
#define HEADERS 32u
#define TABLE 256u
#define READ_QUEUED 0x60

enum {
	GHC = 0x04, IS = 0x08,
	P_CLB = 0x100, P_FB = 0x108, P_IS = 0x110, P_IE = 0x114, P_CMD = 0x118, P_SERR = 0x130,
	P_SACT = 0x134, P_CI = 0x138,
};

static uint64_t headers, tables;
static uint32_t prepared, out;

static uint32_t get(struct guest *g, unsigned offset)
{
	return (uint32_t)in_process_read(g->p, BAR, offset, 4);
}

static void set(struct guest *g, unsigned offset, uint32_t value)
{
	in_process_write(g->p, BAR, offset, value, 4);
}

static void put(struct guest *g, unsigned slot, uint64_t offset)
{
	uint8_t *header = g->p->memory + headers + HEADERS * slot;
	uint8_t *fis = g->p->memory + tables + TABLE * slot, *range = fis + 0x80;

	memset(fis, 0, 20);
	fis[0] = 0x27;
	fis[1] = 0x80;
	fis[2] = READ_QUEUED;
	fis[3] = PAGE / 512;		/* how many, low; the tag is where others have that */
	put_le32(fis + 4, (uint32_t)(offset / 512) & 0xffffff);
	fis[7] = 0x40;
	fis[8] = (uint8_t)(offset / 512 >> 24);
	fis[12] = (uint8_t)(slot << 3);
	put_le64(range, g->data + slot * PAGE);
	put_le32(range + 12, PAGE - 1);
	put_le32(header, 1 << 16 | 5);
	put_le32(header + 4, 0);
	put_le64(header + 8, tables + TABLE * slot);
	prepared |= 1u << slot;
}

/* A driver issues one by one. */
static void ring(struct guest *g)
{
	for (; prepared; prepared &= prepared - 1) {
		uint32_t slot = prepared & -prepared;

		set(g, P_SACT, slot);
		set(g, P_CI, slot);
		out |= slot;
	}
}

static unsigned take(struct guest *g, unsigned *slot)
{
	uint32_t status, done;
	unsigned n = 0;

	if (!get(g, IS))
		return 0;
	status = get(g, P_IS);
	set(g, P_IS, status);
	if (status & (IS_TFES | IS_HBFS | IS_IFS))
		die("ahci: port status %#x", status);
	done = out & ~get(g, P_SACT);
	out &= ~done;
	set(g, IS, 1);
	for (; done; done &= done - 1)
		slot[n++] = (unsigned)__builtin_ctz(done);
	return n;
}

static void start(struct guest *g)
{
	headers = guest_pages(g, 1);
	tables = guest_pages(g, DEPTH * TABLE / PAGE);
	set(g, P_CLB, (uint32_t)headers);
	set(g, P_FB, (uint32_t)guest_pages(g, 1));
	set(g, P_CMD, CMD_FRE | CMD_SUD);
	for (unsigned i = 0; i < 10; i++)	/* the link comes up, the drive sends its signature */
		loop_once(g->p->loop, 10);
	set(g, P_SERR, 0xffffffff);
	set(g, P_IS, 0xffffffff);
	set(g, P_IE, IS_ALL);
	set(g, IS, 0xffffffff);
	set(g, GHC, 2);			/* interrupts */
	set(g, P_CMD, CMD_FRE | CMD_SUD | CMD_ST);
}

const struct driver ahci_driver = {"ahci", 0, start, put, ring, take};
