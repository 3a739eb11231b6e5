/* SPDX-License-Identifier: GPL-2.0-or-later */
/* lib-nvme.c - see lib-nvme.h. */
#include "lib-nvme.h"

#define ADMIN_SIZE 16

void guest_new(struct guest *g, const struct in_process_options *options)
{
	struct in_process_options o = options ? *options : (struct in_process_options){ 0 };
	struct vd_error err = { "" };

	memset(g, 0, sizeof(*g));
	o.controller = "nvme";
	if (!options) {
		o.irq = PCI_IRQ_MSIX;
		o.vectors = 65;
	}
	if (in_process_new(&o, &g->p, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	g->next_page = 1u << 20;
	g->data = pages(g, 512);
}

void guest_free(struct guest *g)
{
	in_process_free(g->p);
}

uint32_t reg(struct guest *g, uint32_t offset)
{
	return in_process_read(g->p, 0, offset, 4);
}

void set_reg(struct guest *g, uint32_t offset, uint32_t value)
{
	in_process_write(g->p, 0, offset, value, 4);
}

bool wait_csts(struct guest *g, uint32_t mask, uint32_t value)
{
	for (unsigned i = 0; i < 500; i++) {
		if ((reg(g, NVME_REG_CSTS) & mask) == value)
			return true;
		loop_once(g->p->loop, 10);
	}
	return false;
}

void guest_enable(struct guest *g)
{
	struct ring *r = &g->admin;

	*r = (struct ring){ .sq_size = ADMIN_SIZE, .cq_size = ADMIN_SIZE, .phase = 1 };
	r->sq_base = pages(g, 1);
	r->cq_base = pages(g, 1);
	set_reg(g, NVME_REG_AQA, (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
	in_process_write(g->p, 0, NVME_REG_ASQ, r->sq_base, 8);
	in_process_write(g->p, 0, NVME_REG_ACQ, r->cq_base, 8);
	set_reg(g, NVME_REG_CC, 4 << 20 | 6 << 16 | NVME_CC_EN);
	CHECK(wait_csts(g, NVME_CSTS_RDY | NVME_CSTS_CFS, NVME_CSTS_RDY));
}

void guest_start(struct guest *g)
{
	guest_new(g, NULL);
	guest_enable(g);
}

uint64_t pages(struct guest *g, unsigned n)
{
	uint64_t address = g->next_page;

	g->next_page += n * PAGE;
	CHECK(g->next_page <= g->p->memory_size);
	memset(at(g, address), 0, n * PAGE);
	return address;
}

void *at(struct guest *g, uint64_t address)
{
	return g->p->memory + address;
}

uint16_t put(struct guest *g, struct ring *r, const struct command *c)
{
	uint8_t *to = at(g, r->sq_base + r->tail * NVME_SQE);
	uint16_t cid = g->next_cid++;

	memset(to, 0, NVME_SQE);
	to[0] = c->opcode;
	to[1] = c->flags;
	put_le16(to + 2, cid);
	put_le32(to + 4, c->nsid);
	put_le64(to + 24, c->prp1);
	put_le64(to + 32, c->prp2);
	put_le32(to + 40, c->d10);
	put_le32(to + 44, c->d11);
	put_le32(to + 48, c->d12);
	put_le32(to + 52, c->d13);
	r->tail = (r->tail + 1) % r->sq_size;
	return cid;
}

void ring_doorbell(struct guest *g, struct ring *r)
{
	set_reg(g, NVME_DOORBELLS + 8 * r->sq, r->tail);
}

uint16_t submit(struct guest *g, struct ring *r, const struct command *c)
{
	uint16_t cid = put(g, r, c);

	ring_doorbell(g, r);
	return cid;
}

bool take(struct guest *g, struct ring *r, struct completion *out)
{
	const uint8_t *from = at(g, r->cq_base + r->head * NVME_CQE);
	uint32_t last = le32(from + 12);

	if ((last >> 16 & 1) != r->phase)
		return false;
	*out = (struct completion){ .result = le32(from), .sq = le16(from + 10), .cid = last,
				    .status = last >> 17 };
	if (++r->head == r->cq_size) {
		r->head = 0;
		r->phase ^= 1;
	}
	if (!r->silent)
		set_reg(g, NVME_DOORBELLS + 8 * r->cq + 4, r->head);
	return true;
}

struct completion await(struct guest *g, struct ring *r)
{
	struct completion c;

	for (unsigned i = 0; i < 500; i++) {
		if (take(g, r, &c))
			return c;
		loop_once(g->p->loop, 10);
	}
	test_fail(__FILE__, __LINE__, "no completion");
}

struct completion complete(struct guest *g, struct ring *r, const struct command *c)
{
	uint16_t cid = submit(g, r, c);
	struct completion done = await(g, r);

	CHECK_EQ(done.cid, cid);
	CHECK_EQ(done.sq, r->sq);
	return done;
}

/* Without the bit that tells of the error log. */
uint16_t status_of(struct guest *g, struct ring *r, const struct command *c)
{
	return complete(g, r, c).status & ~NVME_MORE;
}

uint16_t admin(struct guest *g, const struct command *c)
{
	return status_of(g, &g->admin, c);
}

void turn(struct guest *g, unsigned rounds)
{
	while (rounds--)
		loop_once(g->p->loop, 0);
}

uint16_t create_cq(struct guest *g, uint16_t id, uint64_t base, uint32_t size, uint32_t d11)
{
	return admin(g, &(struct command){ .opcode = NVME_ADMIN_CREATE_CQ, .prp1 = base,
					   .d10 = id | (size - 1) << 16, .d11 = d11 });
}

uint16_t create_sq(struct guest *g, uint16_t id, uint64_t base, uint32_t size, uint32_t d11)
{
	return admin(g, &(struct command){ .opcode = NVME_ADMIN_CREATE_SQ, .prp1 = base,
					   .d10 = id | (size - 1) << 16, .d11 = d11 });
}

uint16_t delete_queue(struct guest *g, uint8_t opcode, uint16_t id)
{
	return admin(g, &(struct command){ .opcode = opcode, .d10 = id });
}

void ring_create(struct guest *g, struct ring *r, uint16_t id, uint32_t size)
{
	*r = (struct ring){ .sq = id, .cq = id, .sq_size = size, .cq_size = size, .phase = 1 };
	r->sq_base = pages(g, (size * NVME_SQE + PAGE - 1) / PAGE);
	r->cq_base = pages(g, (size * NVME_CQE + PAGE - 1) / PAGE);
	CHECK_EQ(create_cq(g, id, r->cq_base, size, id << 16 | 3), 0);
	CHECK_EQ(create_sq(g, id, r->sq_base, size, id << 16 | 1), 0);
}

struct command rw(uint8_t opcode, uint64_t address, uint64_t lba, uint32_t blocks)
{
	return (struct command){ .opcode = opcode, .nsid = 1, .prp1 = address, .d10 = lba,
				 .d11 = lba >> 32, .d12 = blocks - 1 };
}

uint16_t set_feature(struct guest *g, uint8_t id, uint32_t value, uint32_t *result)
{
	struct completion c = complete(g, &g->admin, &(struct command){
		.opcode = NVME_ADMIN_SET_FEATURES, .d10 = id, .d11 = value });

	if (result)
		*result = c.result;
	return c.status;
}

uint16_t get_feature(struct guest *g, uint8_t id, uint32_t *result)
{
	struct completion c = complete(g, &g->admin, &(struct command){
		.opcode = NVME_ADMIN_GET_FEATURES, .d10 = id });

	*result = c.result;
	return c.status;
}

uint16_t get_log(struct guest *g, uint8_t id)
{
	return admin(g, &(struct command){ .opcode = NVME_ADMIN_GET_LOG, .nsid = NVME_ALL,
					   .prp1 = g->data, .d10 = id | 1023 << 16 });
}
