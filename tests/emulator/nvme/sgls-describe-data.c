/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SGLs: data blocks, bit buckets, segments, last segments, and what is wrong with them. */
#include "lib-nvme.h"

#define SGL 0x40			/* PSDT 1 */

enum { BLOCK = 0x00, BUCKET = 0x10, SEGMENT = 0x20, LAST = 0x30, KEYED = 0x40 };

static struct ring io;

static void put_descriptor(uint8_t *to, uint64_t address, uint32_t length, uint8_t type)
{
	put_le64(to, address);
	put_le32(to + 8, length);
	memset(to + 12, 0, 3);
	to[15] = type;
}

/* A command whose first descriptor is that. */
static struct command with(uint8_t opcode, uint32_t blocks, uint64_t address, uint32_t length,
			   uint8_t type)
{
	struct command c = rw(opcode, 0, 0, blocks);
	uint8_t raw[16];

	put_descriptor(raw, address, length, type);
	c.flags = SGL;
	c.prp1 = le64(raw);
	c.prp2 = le64(raw + 8);
	return c;
}

static void test_block(struct guest *g)
{
	struct command c = with(NVME_IO_WRITE, 4, g->data + 3, 2048, BLOCK);
	uint8_t *p = at(g, g->data);

	for (unsigned i = 0; i < 4096; i++)
		p[i] = i * 13;
	CHECK_EQ(status_of(g, &io, &c), 0);
	c = with(NVME_IO_READ, 4, g->data + 0x10001, 4000, BLOCK);	/* longer than the data */
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(!memcmp(p + 0x10001, p + 3, 2048));
	CHECK_EQ(p[0x10001 + 2048], 0);
	c.flags = 0x80;			/* PSDT 2 is the same without metadata */
	CHECK_EQ(status_of(g, &io, &c), 0);
	c.flags = 0xc0;
	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	c = with(NVME_IO_READ, 4, g->data, 2047, BLOCK);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_LENGTH | DNR);
	c = with(NVME_IO_READ, 4, 1ull << 40, 2048, BLOCK);
	CHECK_EQ(status_of(g, &io, &c), NVME_DATA_TRANSFER_ERROR | DNR);
	c = with(NVME_IO_READ, 4, g->data, 2048, KEYED);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_TYPE | DNR);
	c = with(NVME_IO_READ, 4, g->data, 2048, BLOCK | 1);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_TYPE | DNR);
}

/* Blocks 0 to 3 hold what test_block wrote; a read takes bytes 100 to 599 and the last 100. */
static void test_bucket(struct guest *g)
{
	uint64_t list = pages(g, 1);
	uint8_t *p = at(g, g->data), *s = at(g, list);
	struct command c = with(NVME_IO_READ, 4, list, 5 * 16, LAST);

	put_descriptor(s, 0, 100, BUCKET);
	put_descriptor(s + 16, g->data + 0x20000, 300, BLOCK);
	put_descriptor(s + 32, g->data + 0x30000, 200, BLOCK);
	put_descriptor(s + 48, 0, 2048 - 700, BUCKET);
	put_descriptor(s + 64, g->data + 0x40000, 100, BLOCK);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(!memcmp(p + 0x20000, p + 3 + 100, 300));
	CHECK(!memcmp(p + 0x30000, p + 3 + 400, 200));
	CHECK(!memcmp(p + 0x40000, p + 3 + 1948, 100));
	CHECK_EQ(p[0x20000 + 300] | p[0x30000 + 200] | p[0x40000 + 100], 0);
	c.opcode = NVME_IO_WRITE;	/* where buckets hold nothing */
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_LENGTH | DNR);
	c = with(NVME_IO_READ, 4, 0, 5000, BUCKET);	/* nothing is wanted */
	CHECK_EQ(status_of(g, &io, &c), 0);
}

static void test_segments(struct guest *g)
{
	uint64_t list = pages(g, 2), next = list + PAGE + 48;
	uint8_t *p = at(g, g->data), *s = at(g, list), *t = at(g, next);
	struct command c = with(NVME_IO_READ, 4, list, 32, SEGMENT);

	memset(p + 0x50000, 0, 4096);
	put_descriptor(s, g->data + 0x50000, 1000, BLOCK);
	put_descriptor(s + 16, next, 48, LAST);
	put_descriptor(t, g->data + 0x50000 + 1000, 24, BLOCK);
	put_descriptor(t + 16, 0, 0, BLOCK);
	put_descriptor(t + 32, g->data + 0x50000 + 1024, 1024, BLOCK);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(!memcmp(p + 0x50000, p + 3, 2048));

	put_descriptor(t + 32, list, 32, SEGMENT);	/* in a last segment */
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_SEGMENT | DNR);
	put_descriptor(s, next, 48, LAST);		/* not at the end */
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_COUNT | DNR);
	c = with(NVME_IO_READ, 4, list, 40, SEGMENT);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_SEGMENT | DNR);
	c = with(NVME_IO_READ, 4, list, 0, LAST);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_SEGMENT | DNR);
	c = with(NVME_IO_READ, 4, 1ull << 40, 32, LAST);
	CHECK_EQ(status_of(g, &io, &c), NVME_DATA_TRANSFER_ERROR | DNR);
	c = with(NVME_IO_READ, 4, list, 0xfffffff0, LAST);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_COUNT | DNR);

	/* A segment that leads to itself. */
	put_descriptor(s, g->data, 0, BLOCK);
	put_descriptor(s + 16, list, 32, SEGMENT);
	c = with(NVME_IO_READ, 4, list, 32, SEGMENT);
	CHECK_EQ(status_of(g, &io, &c), NVME_SGL_BAD_COUNT | DNR);
}

/* Other commands that have data; admin commands have no SGLs. */
static void test_other_commands(struct guest *g)
{
	struct command c = with(NVME_IO_COMPARE, 4, g->data + 3, 2048, BLOCK);
	uint8_t *range = at(g, g->data + 0x60000);

	CHECK_EQ(status_of(g, &io, &c), 0);
	put_le32(range + 4, 4);
	put_le64(range + 8, 0);
	c = with(NVME_IO_DATASET, 1, g->data + 0x60000, 16, BLOCK);
	c.d10 = 0;
	c.d11 = NVME_DATASET_DEALLOCATE;
	CHECK_EQ(status_of(g, &io, &c), 0);
	c = with(NVME_ADMIN_IDENTIFY, 1, g->data, 4096, BLOCK);
	CHECK_EQ(admin(g, &c), NVME_INVALID_FIELD | DNR);
}

int main(void)
{
	struct guest g;

	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	ring_create(&g, &io, 1, 8);
	test_block(&g);
	test_bucket(&g);
	test_segments(&g);
	test_other_commands(&g);
	guest_free(&g);
	return 0;
}
