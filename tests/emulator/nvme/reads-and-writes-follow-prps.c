/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data goes where the PRPs say, in one page, two pages, by a list, by a list of several pages; bad
 * ones are errors of the command, and change nothing. */
#include "lib-nvme.h"

static struct ring io;

static void fill(uint8_t *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 7 + i / 512 + seed);
}

static uint64_t write_then_read(struct guest *g, struct command *c, uint64_t lba, uint32_t blocks)
{
	c->nsid = 1;
	c->d10 = lba;
	c->d12 = blocks - 1;
	c->opcode = NVME_IO_WRITE;
	CHECK_EQ(status_of(g, &io, c), 0);
	memset(at(g, g->data), 0, 2 << 20);
	c->opcode = NVME_IO_READ;
	CHECK_EQ(status_of(g, &io, c), 0);
	return g->data;
}

static void test_one_page(struct guest *g)
{
	struct command c = { .prp1 = g->data + 512 };
	uint8_t want[3072];

	fill(want, sizeof(want), 1);
	memcpy(at(g, g->data + 512), want, sizeof(want));
	write_then_read(g, &c, 5, 6);
	CHECK(!memcmp(at(g, g->data + 512), want, sizeof(want)));
	CHECK_EQ(*(uint8_t *)at(g, g->data + 511), 0);
	CHECK_EQ(*(uint8_t *)at(g, g->data + 512 + 3072), 0);
}

static void test_two_pages(struct guest *g)
{
	struct command c = { .prp1 = g->data + PAGE - 4, .prp2 = g->data + 8 * PAGE };
	uint8_t want[1024];

	fill(want, sizeof(want), 2);
	memcpy(at(g, c.prp1), want, 4);
	memcpy(at(g, c.prp2), want + 4, 1020);
	write_then_read(g, &c, 100, 2);
	CHECK(!memcmp(at(g, c.prp1), want, 4));
	CHECK(!memcmp(at(g, c.prp2), want + 4, 1020));
	CHECK_EQ(*(uint8_t *)at(g, c.prp2 + 1020), 0);
}

/* 1 MiB of scattered pages, first one in the middle; the list begins near the end of its page and
 * goes on in others. */
static void test_list(struct guest *g, unsigned entries_in_first)
{
	enum { LENGTH = 1 << 20 };
	uint64_t list = pages(g, 1), more = pages(g, 1), entry = list + PAGE - 8 * entries_in_first;
	struct command c = { .prp1 = g->data + 300 * PAGE + 1024, .prp2 = entry };
	static uint8_t want[LENGTH];
	unsigned first = PAGE - 1024, page;

	fill(want, LENGTH, 3);
	memcpy(at(g, c.prp1), want, first);
	for (page = 0; first + page * PAGE < LENGTH; page++) {
		uint64_t address = g->data + (page * 5 % 257) * PAGE;

		if (page + 1 == entries_in_first) {
			put_le64(at(g, entry), more);
			entry = more;
		}
		put_le64(at(g, entry), address);
		entry += 8;
		memcpy(at(g, address), want + first + page * PAGE,
		       LENGTH - first - page * PAGE < PAGE ? LENGTH - first - page * PAGE : PAGE);
	}
	write_then_read(g, &c, 1000, LENGTH / 512);
	CHECK(!memcmp(at(g, c.prp1), want, first));
	for (page = 0; first + page * PAGE < LENGTH - PAGE; page++)
		CHECK(!memcmp(at(g, g->data + (page * 5 % 257) * PAGE), want + first + page * PAGE,
			      PAGE));
}

static void refused(struct guest *g, uint64_t prp1, uint64_t prp2, uint32_t blocks, uint16_t why)
{
	struct command c = rw(NVME_IO_READ, prp1, 0, blocks);

	c.prp2 = prp2;
	CHECK_EQ(status_of(g, &io, &c), why | DNR);
	c.opcode = NVME_IO_WRITE;
	CHECK_EQ(status_of(g, &io, &c), why | DNR);
}

static void test_bad(struct guest *g)
{
	uint64_t list = pages(g, 1), outside = 1ull << 40;

	refused(g, g->data + 2, 0, 1, NVME_PRP_BAD_OFFSET);
	refused(g, g->data, g->data + 512, 16, NVME_PRP_BAD_OFFSET);
	refused(g, g->data, list + 4, 32, NVME_PRP_BAD_OFFSET);
	put_le64(at(g, list), g->data);
	put_le64(at(g, list + 8), g->data + 8);
	refused(g, g->data, list, 32, NVME_PRP_BAD_OFFSET);
	put_le64(at(g, list + PAGE - 8), g->data + 8);	/* leads to a list off its page */
	refused(g, g->data, list + PAGE - 8, 32, NVME_PRP_BAD_OFFSET);
	refused(g, outside, 0, 1, NVME_DATA_TRANSFER_ERROR);
	refused(g, g->data, outside, 16, NVME_DATA_TRANSFER_ERROR);
	refused(g, g->data, outside, 32, NVME_DATA_TRANSFER_ERROR);
	refused(g, -PAGE, 0, 8, NVME_DATA_TRANSFER_ERROR);
	refused(g, g->p->memory_size - 512, g->p->memory_size, 2, NVME_DATA_TRANSFER_ERROR);
}

int main(void)
{
	struct guest g;

	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	ring_create(&g, &io, 1, 8);
	test_one_page(&g);
	test_two_pages(&g);
	test_list(&g, 512);
	test_list(&g, 3);
	test_list(&g, 1);
	test_bad(&g);
	guest_free(&g);
	return 0;
}
