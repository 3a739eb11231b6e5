/* SPDX-License-Identifier: GPL-2.0-or-later */
/* controllers-virtio-scsi.c - see controllers.h: one split ring, chains of three descriptors. */
#include "controllers.h"

#define ENTRIES 128			/* DEPTH chains */
#define HEADER 51u
#define RESPONSE 108u
#define QUEUE 2				/* the first one of requests */
#define BAR 4

enum {					/* registers as the device's transport lays them out */
	DRIVER_SELECT = 0x08, DRIVER_FEATURES = 0x0c, CONFIG_VECTOR = 0x10, STATUS = 0x14,
	QUEUE_SELECT = 0x16, QUEUE_SIZE = 0x18, QUEUE_VECTOR = 0x1a, QUEUE_ENABLE = 0x1c,
	QUEUE_DESC = 0x20, QUEUE_DRIVER = 0x28, QUEUE_DEVICE = 0x30, NOTIFY = 0x3000,
};

enum {NEXT = 1, WRITE = 2};

static uint64_t descriptors, available, used;
static uint16_t added, seen;

static void set(struct guest *g, unsigned offset, uint64_t value, unsigned n)
{
	in_process_write(g->p, BAR, offset, value, n);
}

static void descriptor(struct guest *g, unsigned i, uint64_t address, uint32_t length,
		       uint16_t flags)
{
	uint8_t *to = g->p->memory + descriptors + 16 * i;

	put_le64(to, address);
	put_le32(to + 8, length);
	put_le16(to + 12, flags);
	put_le16(to + 14, (uint16_t)(i + 1));
}

static uint64_t header_of(struct guest *g, unsigned slot)
{
	return g->data + DEPTH * PAGE + slot * 256;
}

static void start_slot(struct guest *g, unsigned slot)
{
	uint64_t header = header_of(g, slot);
	uint8_t *at = g->p->memory + header;

	memcpy(at, (const uint8_t[8]){1, 0, 0x40, 0}, 8);
	put_le64(at + 8, slot);
	at[19] = 0x28;			/* READ (10) */
	put_be16(at + 19 + 7, PAGE / 512);
	descriptor(g, slot * 3, header, HEADER, NEXT);
	descriptor(g, slot * 3 + 1, header + 64, RESPONSE, NEXT | WRITE);
	descriptor(g, slot * 3 + 2, g->data + slot * PAGE, PAGE, WRITE);
}

static void put(struct guest *g, unsigned slot, uint64_t offset)
{
	uint8_t *ring = g->p->memory + available + 4;

	put_be32(g->p->memory + header_of(g, slot) + 19 + 2, (uint32_t)(offset / 512));
	put_le16(ring + added % ENTRIES * 2, (uint16_t)(slot * 3));
	added++;
}

static void ring(struct guest *g)
{
	put_le16(g->p->memory + available + 2, added);
	if (!(le16(g->p->memory + used) & 1))
		set(g, NOTIFY + 4 * QUEUE, QUEUE, 2);
}

static unsigned take(struct guest *g, unsigned *slot)
{
	unsigned n = 0;

	while (seen != le16(g->p->memory + used + 2)) {
		unsigned s = le32(g->p->memory + used + 4 + seen % ENTRIES * 8) / 3;

		slot[n++] = s;
		seen++;
	}
	return n;
}

static void clear_attention(struct guest *g)
{
	for (unsigned slot, n = 0; n < 3; n++) {
		put(g, 0, 0);
		ring(g);
		while (!take(g, &slot))
			loop_once(g->p->loop, 100);
	}
	if (g->p->memory[header_of(g, 0) + 64 + 10] || g->p->memory[header_of(g, 0) + 64 + 11])
		die("virtio-scsi: the disk does not read");
}

static void start(struct guest *g)
{
	guest_pages(g, DEPTH * 256 / PAGE);
	descriptors = guest_pages(g, 1);
	available = guest_pages(g, 1);
	used = guest_pages(g, 1);
	for (unsigned i = 0; i < DEPTH; i++)
		start_slot(g, i);
	set(g, STATUS, 0, 1);
	set(g, STATUS, 3, 1);
	set(g, DRIVER_SELECT, 1, 4);
	set(g, DRIVER_FEATURES, 1, 4);	/* VERSION_1 */
	set(g, STATUS, 11, 1);
	set(g, QUEUE_SELECT, QUEUE, 2);
	set(g, QUEUE_SIZE, ENTRIES, 2);
	set(g, QUEUE_VECTOR, 1, 2);
	set(g, QUEUE_DESC, descriptors, 8);
	set(g, QUEUE_DRIVER, available, 8);
	set(g, QUEUE_DEVICE, used, 8);
	set(g, QUEUE_ENABLE, 1, 2);
	set(g, STATUS, 15, 1);
	clear_attention(g);
}

const struct driver virtio_scsi_driver = {"virtio-scsi", 6, start, put, ring, take};
