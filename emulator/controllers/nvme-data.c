/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-data.c - where a command's data lies: PRP entries and lists (NVMe 1.4, 4.3), SGLs (4.4), and
 * data that comes from or goes to a buffer of ours.
 *
 * Lists must lie in mapped memory; data need not. SGLs may be longer than the data. A bit bucket in
 * a read swallows its part of the data, in a write it is nothing; a command that has some goes
 * through c->buffer, and c->skip says what the guest does not want of it.
 */
#include "controllers/nvme.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DESCRIPTORS 4096		/* of one command's SGL; a guest could make a circle */
#define DESCRIPTOR 16

uint16_t nvme_dma_status(int status)
{
	switch (status) {
	case 0:
		return NVME_OK;
	case -EFAULT:
		return NVME_DATA_TRANSFER_ERROR | NVME_DNR;
	case -E2BIG:
		return NVME_INVALID_FIELD | NVME_DNR;
	case -ENOTCONN:
		return NVME_ABORT_REQUESTED;
	default:
		return NVME_INTERNAL_ERROR;
	}
}

static uint16_t add(struct nvme_command *c, uint64_t address, uint32_t length)
{
	return nvme_dma_status(dma_add(&c->dma, address, length));
}

/* -------------------------------------------------------------------------------------- PRPs */

/* Entries up to the end of the page; where they are too few the last one leads to the next. */
static uint16_t map_prp_list(struct nvme_command *c, uint64_t list, uint32_t length)
{
	uint32_t page = c->n->page;

	if (list % 8)
		return NVME_PRP_BAD_OFFSET | NVME_DNR;
	while (length) {
		uint32_t entries = (page - list % page) / 8, needed = div_up(length, page);
		bool more = needed > entries;
		const uint8_t *at;

		if (more)
			needed = entries - 1;
		at = memory_at(c->n->c.memory, list, 8 * (needed + more), MEMORY_READ);
		if (!at)
			return NVME_DATA_TRANSFER_ERROR | NVME_DNR;
		for (uint32_t i = 0; i < needed; i++) {
			uint64_t entry = le64(at + 8 * i);
			uint32_t part = min_u64(length, page);
			uint16_t status;

			if (entry % page)
				return NVME_PRP_BAD_OFFSET | NVME_DNR;
			status = add(c, entry, part);
			if (status)
				return status;
			length -= part;
		}
		if (more)
			list = le64(at + 8 * needed);
		if (more && list % page)
			return NVME_PRP_BAD_OFFSET | NVME_DNR;
	}
	return NVME_OK;
}

static uint16_t map_prp(struct nvme_command *c, uint32_t length)
{
	uint64_t first = le64(c->sqe + 24), second = le64(c->sqe + 32);
	uint32_t page = c->n->page, part = min_u64(length, page - first % page);
	uint16_t status;

	if (first % 4)
		return NVME_PRP_BAD_OFFSET | NVME_DNR;
	status = add(c, first, part);
	length -= part;
	if (status || !length)
		return status;
	if (length > page)
		return map_prp_list(c, second, length);
	if (second % page)
		return NVME_PRP_BAD_OFFSET | NVME_DNR;
	return add(c, second, length);
}

/* -------------------------------------------------------------------------------------- SGLs */

enum { DATA_BLOCK, BIT_BUCKET, SEGMENT, LAST_SEGMENT };

struct sgl {
	struct nvme_command *c;
	uint32_t length, left;		/* of the data */
	bool to_guest;
	unsigned descriptors;		/* seen */
};

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint8_t type;
};

static uint16_t parse_descriptor(const uint8_t *from, struct descriptor *d)
{
	uint8_t raw[DESCRIPTOR];

	memcpy(raw, from, sizeof(raw));
	d->address = le64(raw);
	d->length = le32(raw + 8);
	d->type = raw[15] >> 4;
	return d->type > LAST_SEGMENT || raw[15] & 0xf ? NVME_SGL_BAD_TYPE | NVME_DNR : NVME_OK;
}

static uint16_t skip(struct sgl *s, uint32_t length)
{
	struct nvme_command *c = s->c;
	struct nvme_skip *grown = reallocarray(c->skip, c->skips + 1, sizeof(*grown));

	if (!grown)
		return NVME_INTERNAL_ERROR;
	c->skip = grown;
	c->skip[c->skips++] = (struct nvme_skip){ s->length - s->left, length };
	return NVME_OK;
}

static uint16_t add_descriptor(struct sgl *s, const struct descriptor *d)
{
	uint32_t length = min_u64(d->length, s->left);
	uint16_t status = NVME_OK;

	if (d->type == BIT_BUCKET && !s->to_guest)
		return NVME_OK;
	if (d->type == BIT_BUCKET && length)
		status = skip(s, length);
	else if (d->type == DATA_BLOCK)
		status = add(s->c, d->address, length);
	if (!status)
		s->left -= length;
	return status;
}

static bool is_segment(const struct descriptor *d)
{
	return d->type == SEGMENT || d->type == LAST_SEGMENT;
}

/* All of a segment; *next becomes what follows it, a data block where nothing does. */
static uint16_t map_segment(struct sgl *s, struct descriptor *next)
{
	bool last = next->type == LAST_SEGMENT;
	unsigned count = next->length / DESCRIPTOR;
	const uint8_t *at;

	if (!count || next->length % DESCRIPTOR)
		return NVME_SGL_BAD_SEGMENT | NVME_DNR;
	if (count > MAX_DESCRIPTORS - s->descriptors)
		return NVME_SGL_BAD_COUNT | NVME_DNR;
	s->descriptors += count;
	at = memory_at(s->c->n->c.memory, next->address, next->length, MEMORY_READ);
	if (!at)
		return NVME_DATA_TRANSFER_ERROR | NVME_DNR;
	for (unsigned i = 0; i < count && s->left; i++) {
		uint16_t status = parse_descriptor(at + DESCRIPTOR * i, next);

		if (!status && is_segment(next) && last)
			status = NVME_SGL_BAD_SEGMENT | NVME_DNR;
		else if (!status && is_segment(next) && i + 1 < count)
			status = NVME_SGL_BAD_COUNT | NVME_DNR;
		else if (!status && !is_segment(next))
			status = add_descriptor(s, next);
		if (status)
			return status;
	}
	return NVME_OK;
}

static uint16_t map_sgl(struct nvme_command *c, uint32_t length, bool to_guest)
{
	struct sgl s = { .c = c, .length = length, .left = length, .to_guest = to_guest };
	struct descriptor d;
	uint16_t status = parse_descriptor(c->sqe + 24, &d);

	if (!status && !is_segment(&d))
		status = add_descriptor(&s, &d);
	while (!status && s.left && is_segment(&d))
		status = map_segment(&s, &d);
	if (status)
		return status;
	return s.left ? NVME_SGL_BAD_LENGTH | NVME_DNR : NVME_OK;
}

/* PSDT: 0 PRPs, 1 and 2 SGLs, which differ in the metadata that we do not have. Admin commands have
 * PRPs alone. */
uint16_t nvme_map(struct nvme_command *c, uint32_t length, bool to_guest)
{
	unsigned kind = c->sqe[1] >> 6;

	nvme_charge(c, length);
	if (kind == 0)
		return map_prp(c, length);
	if (kind == 3 || !c->sq->id)
		return NVME_INVALID_FIELD | NVME_DNR;
	return map_sgl(c, length, to_guest);
}

/* ------------------------------------------------------------------------------------ buffers */

bool nvme_buffer(struct nvme_command *c, uint32_t length)
{
	c->buffer = malloc(length ? length : 1);
	c->buffer_length = length;
	c->bounce = (struct iovec){ .iov_base = c->buffer, .iov_len = length };
	return c->buffer != NULL;
}

static void sent(struct dma *d, int status)
{
	nvme_finish(d->opaque, nvme_dma_status(status));
}

static void send_ready(struct dma *d, int status)
{
	struct nvme_command *c = d->opaque;

	if (status) {
		nvme_finish(c, nvme_dma_status(status));
		return;
	}
	dma_fill(d->iov, d->iovcnt, 0, c->buffer, c->buffer_length);
	if (d->length > c->buffer_length)
		dma_clear(d->iov, d->iovcnt, c->buffer_length, d->length - c->buffer_length);
	dma_finish(d, sent);
}

uint16_t nvme_send(struct nvme_command *c, const void *data, uint32_t have, uint32_t length)
{
	uint16_t status = nvme_map(c, length, true);

	if (status)
		return status;
	if (!nvme_buffer(c, min_u64(have, length)))
		return NVME_INTERNAL_ERROR;
	memcpy(c->buffer, data, c->buffer_length);
	dma_start(&c->dma, DMA_FROM_DEVICE, send_ready);
	return NVME_PENDING;
}

static void fetched(struct dma *d, int status)
{
	struct nvme_command *c = d->opaque;

	if (status)
		nvme_finish(c, nvme_dma_status(status));
	else
		c->then(c);
}

static void fetch_ready(struct dma *d, int status)
{
	struct nvme_command *c = d->opaque;

	if (status) {
		nvme_finish(c, nvme_dma_status(status));
		return;
	}
	dma_fetch(d->iov, d->iovcnt, 0, c->buffer, c->buffer_length);
	dma_finish(d, fetched);
}

uint16_t nvme_fetch(struct nvme_command *c, uint32_t length, void (*then)(struct nvme_command *c))
{
	uint16_t status = nvme_map(c, length, false);

	if (status)
		return status;
	if (!nvme_buffer(c, length))
		return NVME_INTERNAL_ERROR;
	c->then = then;
	dma_start(&c->dma, DMA_TO_DEVICE, fetch_ready);
	return NVME_PENDING;
}
