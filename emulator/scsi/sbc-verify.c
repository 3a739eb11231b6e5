/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sbc-verify.c - what reads the medium to look at it itself: VERIFY, WRITE AND VERIFY, COMPARE AND
 * WRITE (SBC-3, 5.2, 5.22 to 5.32). It goes through a buffer, piece by piece.
 *
 * Nothing else of the unit runs beside a COMPARE AND WRITE (the table says so), so it is atomic for
 * one controller; media that several controllers show do not have it.
 */
#include "scsi/unit.h"

#include <stdlib.h>

#define PIECE (256u << 10)

/* ------------------------------------------------------------------------------------ comparing */

/* `a` is the guest's memory, which may change between two looks: n then, at most. */
static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
	size_t i = 0;

	if (!memcmp(a, b, n))
		return n;
	while (i < n && a[i] == b[i])
		i++;
	return i;
}

/* How many of n bytes are the same as the iovec's from an offset on. The guest may change them
 * while we look: all the same to us. */
static uint64_t same_bytes(const struct scsi_command *cmd, uint64_t offset, const uint8_t *buf,
			   uint64_t n)
{
	uint64_t done = 0;

	for (int i = 0; i < cmd->iovcnt && done < n; i++) {
		uint64_t length = cmd->iov[i].iov_len, part, same;

		if (offset >= length) {
			offset -= length;
			continue;
		}
		part = min_u64(length - offset, n - done);
		same = first_difference((uint8_t *)cmd->iov[i].iov_base + offset, buf + done, part);
		done += same;
		if (same < part)
			return done;
		offset = 0;
	}
	return done;
}

/* Against one block of data over and over, or the data as it goes on. */
static bool compare(struct scsi_command *cmd, uint64_t n)
{
	const uint8_t *buf = cmd->work.buf;
	uint64_t at = cmd->work.repeat ? 0 : cmd->work.offset, same;
	uint32_t block = unit_block_size(cmd->unit);

	if (!cmd->work.repeat) {
		same = same_bytes(cmd, at, buf, n);
		return same == n || refuse_at(cmd, MISCOMPARE, ASC_MISCOMPARE, at + same);
	}
	for (; n; n -= block, buf += block) {
		same = same_bytes(cmd, 0, buf, block);
		if (same < block)
			return refuse_at(cmd, MISCOMPARE, ASC_MISCOMPARE, same);
	}
	return true;
}

/* -------------------------------------------------------------------------------------- VERIFY */

static void verify_next(struct scsi_command *cmd);

static void out_of_memory(struct scsi_command *cmd)
{
	cmd->status = SCSI_BUSY;
	scsi_end(cmd);
}

static void verified(struct scsi_command *cmd)
{
	uint64_t n = cmd->work.iov.iov_len;

	if (cmd->work.compare && !compare(cmd, n)) {
		scsi_end(cmd);
		return;
	}
	cmd->work.offset += n;
	cmd->work.lba += n / unit_block_size(cmd->unit);
	cmd->work.blocks -= n / unit_block_size(cmd->unit);
	verify_next(cmd);
}

static void verify_next(struct scsi_command *cmd)
{
	uint32_t block = unit_block_size(cmd->unit);

	if (!cmd->work.blocks) {
		cmd->transferred = cmd->length;
		scsi_end(cmd);
		return;
	}
	cmd->work.iov.iov_base = cmd->work.buf;
	cmd->work.iov.iov_len = min_u64(cmd->work.blocks * block, PIECE);
	cmd->rq.op = DEVICE_READ;
	cmd->rq.flags = 0;
	cmd->rq.offset = cmd->work.lba * block;
	cmd->rq.length = cmd->work.iov.iov_len;
	cmd->rq.iov = &cmd->work.iov;
	cmd->rq.iovcnt = 1;
	scsi_io(cmd, verified);
}

static void verify(struct scsi_command *cmd)
{
	uint64_t length = cmd->work.blocks * unit_block_size(cmd->unit);

	cmd->work.offset = 0;
	cmd->work.buf = malloc(min_u64(length, PIECE));
	if (cmd->work.buf)
		verify_next(cmd);
	else
		out_of_memory(cmd);
}

static unsigned bytchk(const struct scsi_command *cmd)
{
	return cmd->cdb[1] >> 1 & 3;
}

bool prepare_verify(struct scsi_command *cmd)
{
	if (bytchk(cmd) == 2)
		return refuse_cdb(cmd, 1, 2);
	cmd->work.compare = bytchk(cmd);
	cmd->work.repeat = bytchk(cmd) == 3;
	if (bytchk(cmd) == 1)
		return prepare_transfer(cmd, SCSI_DATA_OUT);
	if (!prepare_range(cmd))
		return false;
	return want_out(cmd, cmd->work.repeat && cmd->work.blocks ? unit_block_size(cmd->unit) : 0);
}

void run_verify(struct scsi_command *cmd)
{
	if (cmd->work.blocks)
		verify(cmd);
	else
		scsi_end(cmd);
}

/* ----------------------------------------------------------------------------- WRITE AND VERIFY */

bool prepare_write_verify(struct scsi_command *cmd)
{
	if (bytchk(cmd) > 1)
		return refuse_cdb(cmd, 1, 2);
	cmd->work.compare = bytchk(cmd);
	cmd->work.repeat = false;
	return prepare_transfer(cmd, SCSI_DATA_OUT);
}

void run_write_verify(struct scsi_command *cmd)
{
	if (!cmd->length) {
		scsi_end(cmd);
		return;
	}
	cmd->rq.op = DEVICE_WRITE;
	cmd->rq.flags = VD_FUA;		/* it is the medium that is verified */
	cmd->rq.offset = cmd->work.lba * unit_block_size(cmd->unit);
	cmd->rq.length = cmd->length;
	cmd->rq.iov = cmd->iov;
	cmd->rq.iovcnt = cmd->iovcnt;
	scsi_io(cmd, verify);
}

/* ---------------------------------------------------------------------------- COMPARE AND WRITE */

#define FUA 0x08

bool prepare_compare_write(struct scsi_command *cmd)
{
	if (cmd->cdb[13] > SBC_MAX_COMPARE_BLOCKS)
		return refuse_cdb(cmd, 13, -1);
	if (!prepare_range(cmd))
		return false;
	cmd->work.repeat = false;
	return want_out(cmd, 2 * cmd->work.blocks * unit_block_size(cmd->unit));
}

static void written(struct scsi_command *cmd)
{
	cmd->transferred = cmd->length;
	scsi_end(cmd);
}

static void compared(struct scsi_command *cmd)
{
	uint64_t half = cmd->length / 2;

	if (!compare(cmd, half)) {
		scsi_end(cmd);
		return;
	}
	dma_fetch(cmd->iov, cmd->iovcnt, half, cmd->work.buf, half);
	cmd->rq.op = DEVICE_WRITE;
	cmd->rq.flags = sbc_write_flags(cmd) | (cmd->cdb[1] & FUA ? VD_FUA : 0);
	scsi_io(cmd, written);
}

void run_compare_write(struct scsi_command *cmd)
{
	uint64_t half = cmd->length / 2;

	if (!half) {
		scsi_end(cmd);
		return;
	}
	cmd->work.offset = 0;
	cmd->work.buf = malloc(half);
	if (!cmd->work.buf) {
		out_of_memory(cmd);
		return;
	}
	cmd->work.iov = (struct iovec){.iov_base = cmd->work.buf, .iov_len = half};
	cmd->rq.op = DEVICE_READ;
	cmd->rq.flags = 0;
	cmd->rq.offset = cmd->work.lba * unit_block_size(cmd->unit);
	cmd->rq.length = half;
	cmd->rq.iov = &cmd->work.iov;
	cmd->rq.iovcnt = 1;
	scsi_io(cmd, compared);
}
