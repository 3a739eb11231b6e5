/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-io.c - the NVM command set (NVMe 1.4, chapter 6): read, write, flush, compare, verify, write
 * zeroes, dataset management.
 *
 * With the volatile write cache switched off every write is durable before it completes. Reads that
 * force unit access flush first. Compare, verify and reads with bit buckets go through c->buffer.
 */
#include "controllers/nvme.h"

#include <errno.h>
#include <string.h>

#define VERIFY_CHUNK (256u << 10)
#define DATASET_RANGE 16		/* bytes */

/* ------------------------------------------------------------------------------------ helpers */

static uint64_t first_block(const struct nvme_command *c)
{
	return le64(c->sqe + 40);
}

static uint32_t block_count(const struct nvme_command *c)
{
	return (nvme_dword(c, 12) & 0xffff) + 1;
}

static bool blocks_exist(const struct nvme_namespace *ns, uint64_t first, uint64_t count)
{
	return range_in(first, count, device_size(ns->device) / device_block_size(ns->device));
}

/* Into the error log, too. */
static uint16_t failed(struct nvme_command *c, uint16_t status)
{
	struct nvme_error e = {
		.lba = first_block(c), .nsid = nvme_nsid(c), .sq = c->sq->id, .cid = c->cid,
		.status = status | NVME_MORE,
	};

	nvme_log_error(c->n, &e);
	return e.status;
}

static uint16_t cancelled(const struct nvme_command *c)
{
	if (c->sq->deletion)
		return NVME_ABORTED_BY_DELETION;
	if (c->ns && c->ns->leaving)
		return NVME_INVALID_NAMESPACE | NVME_DNR;
	return NVME_ABORT_REQUESTED;
}

static uint16_t device_status(struct nvme_command *c)
{
	switch (c->rq.status) {
	case 0:
		return NVME_OK;
	case -ECANCELED:
		return cancelled(c);
	case -EINVAL:
		return failed(c, NVME_LBA_OUT_OF_RANGE | NVME_DNR);
	case -EROFS:
		return failed(c, NVME_WRITE_PROTECTED | NVME_DNR);
	case -ENOSPC:
		return failed(c, NVME_CAPACITY_EXCEEDED | NVME_DNR);
	case -ENOMEM:
	case -EAGAIN:
		return failed(c, NVME_INTERNAL_ERROR);
	default:
		c->n->count.media_errors++;
		return failed(c, c->rq.op == DEVICE_READ ? NVME_READ_ERROR : NVME_WRITE_FAULT);
	}
}

static void submit(struct nvme_command *c, enum device_op op, uint64_t offset, uint64_t length,
		   void (*done)(struct device_request *rq))
{
	c->rq.op = op;
	c->rq.offset = offset;
	c->rq.length = length;
	c->rq.done = done;
	c->rq.opaque = c;
	c->at_device = true;
	device_submit(c->ns->device, &c->rq);
}

/* The command of a request that ended. */
static struct nvme_command *ended(struct device_request *rq)
{
	struct nvme_command *c = rq->opaque;

	c->at_device = false;
	return c;
}

static uint64_t offset_of(const struct nvme_command *c)
{
	return first_block(c) * device_block_size(c->ns->device);
}

static uint32_t length_of(const struct nvme_command *c)
{
	return block_count(c) * device_block_size(c->ns->device);
}

/* VD_FUA where a write has to be durable. */
static unsigned durability(const struct nvme_command *c)
{
	return nvme_dword(c, 12) & NVME_RW_FUA || !c->n->set.cache ? VD_FUA : 0;
}

static void simple_done(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);

	nvme_finish(c, device_status(c));
}

static void finish_transferred(struct dma *d, int status)
{
	nvme_finish(d->opaque, nvme_dma_status(status));
}

/* Nothing goes to the guest: a buffer of ours may not have been filled. */
static void fail_transfer(struct nvme_command *c)
{
	dma_drop(&c->dma);
	nvme_finish(c, device_status(c));
}

/* ----------------------------------------------------------------------------- read and write */

/* What the guest wants of a read with bit buckets. */
static void scatter(struct nvme_command *c)
{
	uint32_t from = 0, to = 0;

	for (unsigned i = 0; i <= c->skips; i++) {
		uint32_t end = i < c->skips ? c->skip[i].offset : c->buffer_length;

		to += dma_fill(c->dma.iov, c->dma.iovcnt, to, c->buffer + from, end - from);
		if (i < c->skips)
			from = end + c->skip[i].length;
	}
}

static void count(struct nvme_command *c)
{
	struct nvme_counters *count = &c->n->count;
	uint64_t blocks = c->rq.length / 512;

	if (c->rq.op == DEVICE_READ) {
		count->reads++;
		count->blocks_read += blocks;
	} else {
		count->writes++;
		count->blocks_written += blocks;
	}
}

static void transferred(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);

	if (rq->status) {
		fail_transfer(c);
		return;
	}
	count(c);
	if (c->skips)
		scatter(c);
	dma_finish(&c->dma, finish_transferred);
}

static void transfer(struct nvme_command *c)
{
	bool read = c->sqe[0] == NVME_IO_READ;

	c->rq.iov = c->skips ? &c->bounce : c->dma.iov;
	c->rq.iovcnt = c->skips ? 1 : c->dma.iovcnt;
	c->rq.flags = read ? 0 : durability(c);
	submit(c, read ? DEVICE_READ : DEVICE_WRITE, offset_of(c), length_of(c), transferred);
}

static void flushed_before(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);

	if (rq->status)
		fail_transfer(c);
	else
		transfer(c);
}

static void transfer_ready(struct dma *d, int status)
{
	struct nvme_command *c = d->opaque;

	if (status) {
		nvme_finish(c, nvme_dma_status(status));
		return;
	}
	c->rq.flags = 0;
	if (c->sqe[0] == NVME_IO_READ && nvme_dword(c, 12) & NVME_RW_FUA)
		submit(c, DEVICE_FLUSH, 0, 0, flushed_before);
	else
		transfer(c);
}

/* Checks what reads, writes and compares have in common. */
static uint16_t check_transfer(struct nvme_command *c)
{
	if (length_of(c) > NVME_TRANSFER)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (!blocks_exist(c->ns, first_block(c), block_count(c)))
		return failed(c, NVME_LBA_OUT_OF_RANGE | NVME_DNR);
	return NVME_OK;
}

static uint16_t read_or_write(struct nvme_command *c)
{
	bool read = c->sqe[0] == NVME_IO_READ;
	uint16_t status = check_transfer(c);

	if (!status && !read && nvme_dword(c, 12) >> 20 & 0xf)	/* directives */
		status = NVME_INVALID_FIELD | NVME_DNR;
	if (!status && !read && device_is_readonly(c->ns->device))
		status = NVME_WRITE_PROTECTED | NVME_DNR;
	if (!status)
		status = nvme_map(c, length_of(c), read);
	if (status)
		return status;
	if (c->skips && !nvme_buffer(c, length_of(c)))
		return NVME_INTERNAL_ERROR;
	dma_start(&c->dma, read ? DMA_FROM_DEVICE : DMA_TO_DEVICE, transfer_ready);
	return NVME_PENDING;
}

/* ------------------------------------------------------------------------- compare and verify */

static bool is_same(const struct nvme_command *c)
{
	const uint8_t *at = c->buffer;

	for (int i = 0; i < c->dma.iovcnt; i++) {
		if (memcmp(at, c->dma.iov[i].iov_base, c->dma.iov[i].iov_len))
			return false;
		at += c->dma.iov[i].iov_len;
	}
	return true;
}

static void compared(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);
	bool same = !rq->status && is_same(c);

	dma_drop(&c->dma);
	if (rq->status)
		nvme_finish(c, device_status(c));
	else
		nvme_finish(c, same ? NVME_OK : NVME_COMPARE_FAILED | NVME_DNR);
}

static void compare_ready(struct dma *d, int status)
{
	struct nvme_command *c = d->opaque;

	if (status) {
		nvme_finish(c, nvme_dma_status(status));
		return;
	}
	c->rq.flags = 0;
	c->rq.iov = &c->bounce;
	c->rq.iovcnt = 1;
	submit(c, DEVICE_READ, offset_of(c), c->buffer_length, compared);
}

static uint16_t compare(struct nvme_command *c)
{
	uint16_t status = check_transfer(c);

	if (!status)
		status = nvme_map(c, length_of(c), false);
	if (status)
		return status;
	if (!nvme_buffer(c, length_of(c)))
		return NVME_INTERNAL_ERROR;
	dma_start(&c->dma, DMA_TO_DEVICE, compare_ready);
	return NVME_PENDING;
}

static void verified(struct device_request *rq);

static void verify_next(struct nvme_command *c)
{
	uint32_t part = min_u64(length_of(c) - c->position, c->buffer_length);

	c->bounce.iov_len = part;
	submit(c, DEVICE_READ, offset_of(c) + c->position, part, verified);
	c->position += part;
}

static void verified(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);

	if (rq->status || c->position == length_of(c))
		nvme_finish(c, device_status(c));
	else
		verify_next(c);
}

static uint16_t verify(struct nvme_command *c)
{
	if (!blocks_exist(c->ns, first_block(c), block_count(c)))
		return failed(c, NVME_LBA_OUT_OF_RANGE | NVME_DNR);
	if (!nvme_buffer(c, min_u64(length_of(c), VERIFY_CHUNK)))
		return NVME_INTERNAL_ERROR;
	nvme_charge(c, c->buffer_length);
	c->position = 0;
	c->rq.flags = 0;
	c->rq.iov = &c->bounce;
	c->rq.iovcnt = 1;
	verify_next(c);
	return NVME_PENDING;
}

/* ---------------------------------------------------------------------------------- no data */

static uint16_t write_zeroes(struct nvme_command *c)
{
	bool deallocate = nvme_dword(c, 12) & NVME_ZEROES_DEAC;

	if (!blocks_exist(c->ns, first_block(c), block_count(c)))
		return failed(c, NVME_LBA_OUT_OF_RANGE | NVME_DNR);
	if (device_is_readonly(c->ns->device))
		return NVME_WRITE_PROTECTED | NVME_DNR;
	c->rq.flags = durability(c);
	if (deallocate && device_can_discard(c->ns->device))
		c->rq.flags |= VD_MAY_UNMAP;
	c->rq.iovcnt = 0;
	submit(c, DEVICE_WRITE_ZEROES, offset_of(c), length_of(c), simple_done);
	return NVME_PENDING;
}

/* One after the other: they are 256 at most. */
static void deallocate_next(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);
	uint32_t block = device_block_size(c->ns->device);

	while (!rq->status && c->position < c->buffer_length) {
		const uint8_t *range = c->buffer + c->position;

		c->position += DATASET_RANGE;
		if (le32(range + 4)) {
			submit(c, DEVICE_DISCARD, le64(range + 8) * block,
			       (uint64_t)le32(range + 4) * block, deallocate_next);
			return;
		}
	}
	nvme_finish(c, device_status(c));
}

/* All ranges are checked before the first is touched. */
static void dataset(struct nvme_command *c)
{
	for (uint32_t at = 0; at < c->buffer_length; at += DATASET_RANGE)
		if (!blocks_exist(c->ns, le64(c->buffer + at + 8), le32(c->buffer + at + 4))) {
			nvme_finish(c, failed(c, NVME_LBA_OUT_OF_RANGE | NVME_DNR));
			return;
		}
	if (!(nvme_dword(c, 11) & NVME_DATASET_DEALLOCATE) || !device_can_discard(c->ns->device)) {
		nvme_finish(c, NVME_OK);	/* a hint that we do not use */
		return;
	}
	c->position = 0;
	c->rq.flags = 0;
	c->rq.iovcnt = 0;
	c->rq.status = 0;
	c->rq.opaque = c;
	deallocate_next(&c->rq);
}

static uint16_t dataset_management(struct nvme_command *c)
{
	uint32_t ranges = (nvme_dword(c, 10) & 0xff) + 1;

	if (nvme_dword(c, 11) & NVME_DATASET_DEALLOCATE && device_is_readonly(c->ns->device))
		return NVME_WRITE_PROTECTED | NVME_DNR;
	return nvme_fetch(c, ranges * DATASET_RANGE, dataset);
}

static uint16_t flush(struct nvme_command *c)
{
	c->rq.flags = 0;
	c->rq.iovcnt = 0;
	submit(c, DEVICE_FLUSH, 0, 0, simple_done);
	return NVME_PENDING;
}

/* The namespace that was flushed is not c->ns, so that each can leave when it is through. */
static void flushed_one(struct device_request *rq)
{
	struct nvme_command *c = ended(rq);
	struct nvme_namespace *ns = &c->n->ns[c->position];
	bool stop = c->n->state == NVME_STOPPING || c->sq->deletion || c->aborted;

	if (rq->status && (rq->status != -ECANCELED || stop))
		c->status = device_status(c);
	c->at_device = !stop && nvme_flush_next(c->n, rq, &c->position);
	ns->active--;
	nvme_namespace_idle(ns);
	if (!c->at_device)
		nvme_finish(c, c->status);
}

uint16_t nvme_flush_all(struct nvme_command *c)
{
	c->position = 0;
	c->status = NVME_OK;
	c->rq.done = flushed_one;
	c->rq.opaque = c;
	c->at_device = nvme_flush_next(c->n, &c->rq, &c->position);
	return c->at_device ? NVME_PENDING : NVME_OK;
}

/* ----------------------------------------------------------------------------------- dispatch */

static uint16_t execute(struct nvme_command *c)
{
	switch (c->sqe[0]) {
	case NVME_IO_READ:
	case NVME_IO_WRITE:
		return read_or_write(c);
	case NVME_IO_FLUSH:
		return flush(c);
	case NVME_IO_COMPARE:
		return compare(c);
	case NVME_IO_VERIFY:
		return verify(c);
	case NVME_IO_WRITE_ZEROES:
		return write_zeroes(c);
	case NVME_IO_DATASET:
		return dataset_management(c);
	default:
		return NVME_INVALID_OPCODE | NVME_DNR;
	}
}

uint16_t nvme_io(struct nvme_command *c)
{
	uint16_t status;

	if (c->sqe[1] & 3)		/* fused */
		return NVME_INVALID_FIELD | NVME_DNR;
	if (c->sqe[0] == NVME_IO_FLUSH && nvme_nsid(c) == NVME_ALL)
		return nvme_flush_all(c);
	c->ns = nvme_namespace(c->n, nvme_nsid(c), &status);
	if (!c->ns)
		return status;
	c->ns->active++;
	return execute(c);
}
