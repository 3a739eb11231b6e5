/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sbc-ranges.c - what changes ranges without their data: UNMAP, WRITE SAME; GET LBA STATUS (SBC-3,
 * 5.4, 5.28, 5.41, 5.43).
 */
#include "scsi/unit.h"

#include <stdlib.h>

#define PIECE (1u << 20)		/* of a pattern */
#define ZERO_PIECE (64u << 20)		/* so that a reset need not wait for all of it */
#define MOST_EXTENTS 256		/* that one GET LBA STATUS looks at */

static void out_of_memory(struct scsi_command *cmd)
{
	cmd->status = SCSI_BUSY;
	scsi_end(cmd);
}

/* -------------------------------------------------------------------------------------- UNMAP */

#define UNMAP_HEADER 8u
#define UNMAP_DESCRIPTOR 16u

bool prepare_unmap(struct scsi_command *cmd)
{
	uint64_t length = be16(cmd->cdb + 7);

	if (length && length < UNMAP_HEADER)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
	return want_out(cmd, length);
}

static const uint8_t *descriptor(const struct scsi_command *cmd, uint32_t index)
{
	return (uint8_t *)cmd->work.buf + UNMAP_HEADER + UNMAP_DESCRIPTOR * index;
}

/* All of the copied list, before anything is done. An incomplete last descriptor does not count. */
static bool check_unmap(struct scsi_command *cmd)
{
	unsigned length = be16((uint8_t *)cmd->work.buf + 2), count = length / UNMAP_DESCRIPTOR;
	uint64_t total = 0, end = unit_blocks(cmd->unit);

	if (length > cmd->length - UNMAP_HEADER)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
	if (count > SBC_MAX_UNMAP_DESCRIPTORS)
		return refuse_list(cmd, 2, -1);
	for (unsigned i = 0; i < count; i++) {
		uint64_t lba = be64(descriptor(cmd, i)), blocks = be32(descriptor(cmd, i) + 8);

		if (!range_in(lba, blocks, end))
			return refuse_at(cmd, ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE,
				       max_u64(lba, end));
		total += blocks;
		if (total > SBC_MAX_UNMAP_BLOCKS)
			return refuse_list(cmd, UNMAP_HEADER + UNMAP_DESCRIPTOR * i + 8, -1);
	}
	cmd->work.blocks = count;
	return true;
}

static void unmap_next(struct scsi_command *cmd)
{
	uint32_t block = unit_block_size(cmd->unit);

	while (cmd->work.index < cmd->work.blocks) {
		const uint8_t *d = descriptor(cmd, cmd->work.index++);

		if (!be32(d + 8))
			continue;
		cmd->rq.op = DEVICE_DISCARD;
		cmd->rq.flags = 0;
		cmd->rq.offset = be64(d) * block;
		cmd->rq.length = (uint64_t)be32(d + 8) * block;
		cmd->rq.iovcnt = 0;
		scsi_io(cmd, unmap_next);
		return;
	}
	cmd->transferred = cmd->length;
	scsi_end(cmd);
}

void run_unmap(struct scsi_command *cmd)
{
	if (!cmd->length) {
		scsi_end(cmd);
		return;
	}
	cmd->work.index = 0;
	cmd->work.buf = malloc(cmd->length);
	if (!cmd->work.buf) {
		out_of_memory(cmd);
		return;
	}
	dma_fetch(cmd->iov, cmd->iovcnt, 0, cmd->work.buf, cmd->length);
	if (check_unmap(cmd))
		unmap_next(cmd);
	else
		scsi_end(cmd);
}

/* ---------------------------------------------------------------------------------- WRITE SAME */

#define UNMAP 0x08
#define NDOB 0x01			/* no data: zeros */

bool prepare_write_same(struct scsi_command *cmd)
{
	if ((cmd->cdb[1] & UNMAP) && !device_can_discard(cmd->unit->device))
		return refuse_cdb(cmd, 1, 3);
	if (!prepare_range(cmd))
		return false;
	if (!cmd->work.blocks || cmd->work.blocks > SBC_MAX_SAME_BLOCKS)
		return refuse_cdb(cmd, cmd->opcode->length == 10 ? 7 : 10, -1);
	return want_out(cmd, cmd->cdb[1] & NDOB ? 0 : unit_block_size(cmd->unit));
}

static void same_next(struct scsi_command *cmd)
{
	uint32_t block = unit_block_size(cmd->unit);
	uint64_t n = min_u64(cmd->work.blocks * block, cmd->work.buf ? PIECE : ZERO_PIECE);

	if (!n) {
		cmd->transferred = cmd->length;
		scsi_end(cmd);
		return;
	}
	cmd->work.iov = (struct iovec){.iov_base = cmd->work.buf, .iov_len = n};
	cmd->rq.op = cmd->work.buf ? DEVICE_WRITE : DEVICE_WRITE_ZEROES;
	cmd->rq.flags = sbc_write_flags(cmd);
	if (!cmd->work.buf && (cmd->cdb[1] & UNMAP))
		cmd->rq.flags |= VD_MAY_UNMAP;
	cmd->rq.offset = cmd->work.lba * block;
	cmd->rq.length = n;
	cmd->rq.iov = &cmd->work.iov;
	cmd->rq.iovcnt = cmd->work.buf ? 1 : 0;
	cmd->work.lba += n / block;
	cmd->work.blocks -= n / block;
	scsi_io(cmd, same_next);
}

static bool is_zero(const uint8_t *buf, size_t n)
{
	return !buf[0] && !memcmp(buf, buf + 1, n - 1);
}

/* A piece full of copies of the block; none where that is zero. */
static bool make_pattern(struct scsi_command *cmd)
{
	uint32_t block = unit_block_size(cmd->unit);
	uint64_t n = min_u64(cmd->work.blocks * block, PIECE);
	uint8_t *buf = malloc(n);

	if (!buf)
		return false;
	dma_fetch(cmd->iov, cmd->iovcnt, 0, buf, block);
	if (is_zero(buf, block)) {
		free(buf);
		return true;
	}
	for (uint64_t at = block; at < n; at += block)
		memcpy(buf + at, buf, block);
	cmd->work.buf = buf;
	return true;
}

void run_write_same(struct scsi_command *cmd)
{
	if (!cmd->length || make_pattern(cmd))
		same_next(cmd);
	else
		out_of_memory(cmd);
}

/* ------------------------------------------------------------------------------- GET LBA STATUS */

bool prepare_lba_status(struct scsi_command *cmd)
{
	if (be64(cmd->cdb + 2) >= unit_blocks(cmd->unit))
		return refuse_at(cmd, ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, be64(cmd->cdb + 2));
	return want_in(cmd, be32(cmd->cdb + 10));
}

/* Of the whole range, where nothing is known of holes. */
static void all_mapped(struct scsi_command *cmd)
{
	uint64_t lba = be64(cmd->cdb + 2);
	uint8_t out[24] = {0};

	put_be32(out, sizeof(out) - 4);
	put_be64(out + 8, lba);
	put_be32(out + 16, (uint32_t)min_u64(unit_blocks(cmd->unit) - lba, UINT32_MAX));
	scsi_answer(cmd, out, sizeof(out));
}

#define DEALLOCATED 1

/* A run of blocks up to `end`; joined with the one before if it is of the same kind. Returns how
 * many descriptors there are. */
static unsigned put_run(uint8_t *list, unsigned n, uint64_t lba, uint64_t end, uint8_t kind)
{
	uint8_t *last = n ? list + 16 * (n - 1) : NULL;

	if (end <= lba)
		return n;
	if (last && last[12] == kind) {
		put_be32(last + 8, (uint32_t)(end - be64(last)));
		return n;
	}
	put_be64(list + 16 * n, lba);
	put_be32(list + 16 * n + 8, (uint32_t)(end - lba));
	list[16 * n + 12] = kind;
	return n + 1;
}

/* A block of which a part is stored is mapped. */
static void tell_extents(struct scsi_command *cmd)
{
	const struct vd_extent *extent = cmd->work.buf;
	uint32_t block = unit_block_size(cmd->unit);
	uint64_t lba = be64(cmd->cdb + 2);
	uint8_t out[8 + 16 * MOST_EXTENTS] = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < MOST_EXTENTS && extent[i].length; i++) {
		bool hole = extent[i].kind == VD_EXTENT_ZERO;
		uint64_t end = extent[i].offset + extent[i].length;

		end = hole ? end / block : (end + block - 1) / block;
		n = put_run(out + 8, n, lba, end, hole ? DEALLOCATED : 0);
		lba = max_u64(lba, end);
	}
	put_be32(out, 4 + 16 * n);
	scsi_answer(cmd, out, 8 + 16 * n);
}

/* Tells no more than so many extents of the image say; the initiator asks again from there on. */
void run_lba_status(struct scsi_command *cmd)
{
	uint64_t lba = be64(cmd->cdb + 2), blocks = min_u64(unit_blocks(cmd->unit) - lba, UINT32_MAX);
	uint32_t block = unit_block_size(cmd->unit);

	if (!device_can_discard(cmd->unit->device)) {
		all_mapped(cmd);
		return;
	}
	cmd->work.buf = malloc(MOST_EXTENTS * sizeof(struct vd_extent));
	if (!cmd->work.buf) {
		out_of_memory(cmd);
		return;
	}
	cmd->work.iov = (struct iovec){cmd->work.buf, MOST_EXTENTS * sizeof(struct vd_extent)};
	cmd->rq.op = DEVICE_MAP;
	cmd->rq.flags = 0;
	cmd->rq.offset = lba * block;
	cmd->rq.length = blocks * block;
	cmd->rq.iov = &cmd->work.iov;
	cmd->rq.iovcnt = 1;
	scsi_io(cmd, tell_extents);
}
