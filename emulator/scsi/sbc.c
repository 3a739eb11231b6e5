/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sbc.c - disks (SBC-3): the table of their commands, their pages, capacity, reading and writing,
 * the cache, start and stop.
 *
 * The write cache of the device server is the host's: with WCE off each write is durable when it
 * ends. PRE-FETCH and the DPO bit are hints that nothing is done with. Immediate commands end when
 * they are done, as nobody is better off before.
 */
#include "scsi/unit.h"

#include <stdlib.h>

#define FUA 0x08

/* -------------------------------------------------------------------------- LBAs and lengths */

/* Where 6, 10, 12 and 16-byte commands have them. A length of 0 in 6 bytes means 256. */
static void decode_range(struct scsi_command *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	switch (cdb_length(cdb[0])) {
	case 6:
		cmd->work.lba = be32(cdb) & 0x1fffff;
		cmd->work.blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 10:
		cmd->work.lba = be32(cdb + 2);
		cmd->work.blocks = be16(cdb + 7);
		break;
	case 12:
		cmd->work.lba = be32(cdb + 2);
		cmd->work.blocks = be32(cdb + 6);
		break;
	default:
		cmd->work.lba = be64(cdb + 2);
		cmd->work.blocks = be32(cdb + 10);
		break;
	}
}

bool prepare_range(struct scsi_command *cmd)
{
	uint64_t end = unit_blocks(cmd->unit);

	decode_range(cmd);
	if (!range_in(cmd->work.lba, cmd->work.blocks, end))
		return refuse_at(cmd, ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE,
			       max_u64(cmd->work.lba, end));
	return true;
}

static unsigned length_byte(const struct scsi_command *cmd)
{
	switch (cdb_length(cmd->cdb[0])) {
	case 6:
		return 4;
	case 10:
		return 7;
	case 12:
		return 6;
	default:
		return 10;
	}
}

bool prepare_transfer(struct scsi_command *cmd, enum scsi_direction direction)
{
	uint64_t length;

	if (!prepare_range(cmd))
		return false;
	length = cmd->work.blocks * unit_block_size(cmd->unit);
	if (length > cmd->bus->options.max_transfer)
		return refuse_cdb(cmd, length_byte(cmd), -1);
	return direction == SCSI_DATA_IN ? want_in(cmd, length) : want_out(cmd, length);
}

/* ------------------------------------------------------------------------- reading and writing */

static bool prepare_read(struct scsi_command *cmd)
{
	return prepare_transfer(cmd, SCSI_DATA_IN);
}

static bool prepare_write(struct scsi_command *cmd)
{
	return prepare_transfer(cmd, SCSI_DATA_OUT);
}

static void transferred(struct scsi_command *cmd)
{
	cmd->transferred = cmd->rq.length;
	scsi_end(cmd);
}

/* The iovec is longer than whole blocks: its part is. Rare: a guest that gave too little room. */
static bool cut(struct scsi_command *cmd, uint64_t length)
{
	struct iovec *part = malloc((size_t)cmd->iovcnt * sizeof(*part));
	int n = 0;

	if (!part)
		return false;
	for (; length; n++) {
		part[n] = cmd->iov[n];
		if (part[n].iov_len > length)
			part[n].iov_len = length;
		length -= part[n].iov_len;
	}
	cmd->work.buf = part;
	cmd->iov = part;
	cmd->iovcnt = n;
	return true;
}

static void do_read(struct scsi_command *cmd)
{
	uint32_t block = unit_block_size(cmd->unit);
	uint64_t length = min_u64(cmd->length, cmd->room - cmd->room % block);

	if (!length) {
		scsi_end(cmd);
		return;
	}
	if (length < cmd->room && !cut(cmd, length)) {
		cmd->status = SCSI_BUSY;
		scsi_end(cmd);
		return;
	}
	cmd->rq.op = DEVICE_READ;
	cmd->rq.flags = 0;
	cmd->rq.offset = cmd->work.lba * block;
	cmd->rq.length = length;
	cmd->rq.iov = cmd->iov;
	cmd->rq.iovcnt = cmd->iovcnt;
	scsi_io(cmd, transferred);
}

void scsi_flush(struct scsi_command *cmd, void (*next)(struct scsi_command *cmd))
{
	cmd->rq.op = DEVICE_FLUSH;
	cmd->rq.flags = 0;
	cmd->rq.offset = cmd->rq.length = 0;
	scsi_io(cmd, next);
}

/* With FUA what is read has to be on the medium (SBC-3, 5.8). */
static void run_read(struct scsi_command *cmd)
{
	if (!cmd->length)
		scsi_end(cmd);
	else if (cmd->opcode->length > 6 && (cmd->cdb[1] & FUA))
		scsi_flush(cmd, do_read);
	else
		do_read(cmd);
}

unsigned sbc_write_flags(const struct scsi_command *cmd)
{
	return cmd->unit->write_cache ? 0 : VD_FUA;
}

static void run_write(struct scsi_command *cmd)
{
	if (!cmd->length) {
		scsi_end(cmd);
		return;
	}
	cmd->rq.op = DEVICE_WRITE;
	cmd->rq.flags = sbc_write_flags(cmd);
	if (cmd->opcode->length > 6 && (cmd->cdb[1] & FUA))
		cmd->rq.flags |= VD_FUA;
	cmd->rq.offset = cmd->work.lba * unit_block_size(cmd->unit);
	cmd->rq.length = cmd->length;
	cmd->rq.iov = cmd->iov;
	cmd->rq.iovcnt = cmd->iovcnt;
	scsi_io(cmd, transferred);
}

/* --------------------------------------------------------------- the cache, start and stop */

static void run_synchronize(struct scsi_command *cmd)
{
	scsi_flush(cmd, scsi_end);
}

#define START 0x01
#define LOEJ 0x02
#define NO_FLUSH 0x04

/* Power conditions: 1 to 3 (active, idle, standby) are as good as started here. */
static bool prepare_start_stop(struct scsi_command *cmd)
{
	if (cmd->cdb[4] >> 4 > 3)
		return refuse_cdb(cmd, 4, 7);
	if (!(cmd->cdb[4] >> 4) && (cmd->cdb[4] & LOEJ) && !cmd->unit->type->removable)
		return refuse_cdb(cmd, 4, 1);
	return true;
}

static void stop(struct scsi_command *cmd)
{
	cmd->unit->stopped = true;
	scsi_end(cmd);
}

static void run_start_stop(struct scsi_command *cmd)
{
	bool power_condition = cmd->cdb[4] >> 4;

	if (!power_condition && !(cmd->cdb[4] & (START | NO_FLUSH))) {
		scsi_flush(cmd, stop);
		return;
	}
	if (!power_condition)
		cmd->unit->stopped = !(cmd->cdb[4] & START);
	scsi_end(cmd);
}

/* ------------------------------------------------------------------------------------- capacity */

/* Without PMI an LBA has no meaning (SBC-2); PMI itself is obsolete. */
static bool prepare_capacity_10(struct scsi_command *cmd)
{
	if (!(cmd->cdb[8] & 1) && be32(cmd->cdb + 2))
		return refuse_cdb(cmd, 2, -1);
	return want_in(cmd, 8);
}

static void run_capacity_10(struct scsi_command *cmd)
{
	uint64_t blocks = unit_blocks(cmd->unit);
	uint8_t out[8];

	/* All ones: ask READ CAPACITY (16). */
	put_be32(out, (uint32_t)min_u64(blocks ? blocks - 1 : 0, UINT32_MAX));
	put_be32(out + 4, unit_block_size(cmd->unit));
	scsi_answer(cmd, out, sizeof(out));
}

static bool prepare_capacity_16(struct scsi_command *cmd)
{
	if (!(cmd->cdb[14] & 1) && be64(cmd->cdb + 2))
		return refuse_cdb(cmd, 2, -1);
	return want_in(cmd, be32(cmd->cdb + 10));
}

static unsigned physical_blocks(const struct scsi_unit *u)
{
	uint32_t n = device_physical_block_size(u->device) / unit_block_size(u);

	return n ? n : 1;
}

static void run_capacity_16(struct scsi_command *cmd)
{
	const struct scsi_unit *u = cmd->unit;
	uint64_t blocks = unit_blocks(u);
	uint8_t out[32] = {0};

	put_be64(out, blocks ? blocks - 1 : 0);
	put_be32(out + 8, unit_block_size(u));
	out[13] = (uint8_t)__builtin_ctz(physical_blocks(u));
	if (device_can_discard(u->device))
		out[14] = 0x80 | 0x40;	/* LBPME, LBPRZ */
	scsi_answer(cmd, out, sizeof(out));
}

/* ------------------------------------------------------------------------------------ VPD pages */

/* SBC-3, 6.5.3 */
static unsigned vpd_block_limits(const struct scsi_unit *u, uint8_t *out)
{
	uint32_t most = u->bus->options.max_transfer / unit_block_size(u);

	out[0] = 0x01;			/* WSNZ: WRITE SAME of 0 blocks is refused */
	out[1] = unit_is_shared(u) ? 0 : SBC_MAX_COMPARE_BLOCKS;
	put_be16(out + 2, (uint16_t)physical_blocks(u));
	put_be32(out + 4, most);
	put_be32(out + 8, (uint32_t)min_u64(most, 2048));
	if (device_can_discard(u->device)) {
		put_be32(out + 16, SBC_MAX_UNMAP_BLOCKS);
		put_be32(out + 20, SBC_MAX_UNMAP_DESCRIPTORS);
		put_be32(out + 24, physical_blocks(u));
		put_be32(out + 28, 0x80000000);	/* alignment 0, valid */
	}
	put_be64(out + 32, SBC_MAX_SAME_BLOCKS);
	return 60;
}

static unsigned vpd_characteristics(const struct scsi_unit *u, uint8_t *out)
{
	put_be16(out, device_is_rotational(u->device) ? 7200 : 1);
	return 60;
}

static unsigned vpd_provisioning(const struct scsi_unit *u, uint8_t *out)
{
	if (device_can_discard(u->device)) {
		out[1] = 0x80 | 0x40 | 0x20 | 0x04;	/* LBPU, LBPWS, LBPWS10, LBPRZ */
		out[2] = 2;				/* thin */
	}
	return 4;
}

static const struct vpd_page vpd_pages[] = {
	{0x80, vpd_serial}, {0x83, vpd_identification}, {0xb0, vpd_block_limits},
	{0xb1, vpd_characteristics}, {0xb2, vpd_provisioning},
};

/* ----------------------------------------------------------------------------------- mode pages */

#define WCE 0x04

static void mode_recovery(const struct scsi_unit *u, uint8_t *out, unsigned which)
{
	(void)u;
	if (which != MODE_CHANGEABLE)
		out[0] = 0x80 | 0x40;	/* AWRE, ARRE */
}

static void mode_caching(const struct scsi_unit *u, uint8_t *out, unsigned which)
{
	if (which != MODE_CURRENT || u->write_cache)
		out[0] = WCE;
}

static void mode_caching_apply(struct scsi_unit *u, const uint8_t *in)
{
	u->write_cache = in[0] & WCE;
}

static void mode_nothing(const struct scsi_unit *u, uint8_t *out, unsigned which)
{
	(void)u;
	(void)out;
	(void)which;
}

static const struct mode_page mode_pages[] = {
	{0x01, 0, 10, mode_recovery, NULL},
	{0x08, 0, 18, mode_caching, mode_caching_apply},
	{0x0a, 0, 10, mode_control, mode_control_apply},
	{0x0a, 1, 28, mode_nothing, NULL},		/* control extension */
	{0x1c, 0, 10, mode_exceptions, NULL},
};

static uint8_t mode_flags(const struct scsi_unit *u)
{
	return (unit_is_write_protected(u) ? 0x80 : 0) | 0x10;	/* WP, DPOFUA */
}

/* ----------------------------------------------------------------------------------- the table */

#define ANY 0xff
#define LBA4 ANY, ANY, ANY, ANY
#define LBA8 LBA4, LBA4
#define LEN2 ANY, ANY
#define LEN4 ANY, ANY, ANY, ANY
#define GROUP 0x1f
/* Byte 1: DPO, FUA, and FUA_NV, which is obsolete and ignored. */
#define CACHING 0x1a
#define BYTCHK 0x16			/* DPO, BYTCHK */
#define ALWAYS (EVEN_ATTENTION | EVEN_RESERVED)
#define READY NEEDS_READY
#define WRITE (NEEDS_READY | WRITES)
#define T 30				/* seconds: what a slow host disk may take */
#define T_LONG 240

static const struct scsi_opcode opcodes[] = {
	{0x00, 6, -1, T, READY, {0}, NULL, run_good},
	{0x03, 6, -1, T, ALWAYS, {0, 0x01, 0, 0, ANY}, prepare_request_sense, run_request_sense},
	{0x08, 6, -1, T, READY, {0, 0x1f, ANY, ANY, ANY}, prepare_read, run_read},
	{0x0a, 6, -1, T, WRITE, {0, 0x1f, ANY, ANY, ANY}, prepare_write, run_write},
	{0x12, 6, -1, T, ALWAYS, {0, 0x01, ANY, ANY, ANY}, prepare_inquiry, run_inquiry},
	{0x15, 6, -1, T, 0, {0, 0x11, 0, 0, ANY}, prepare_mode_select, run_mode_select},
	{0x16, 6, -1, T, IF_PRIVATE, {0}, NULL, run_reserve},
	{0x17, 6, -1, T, IF_PRIVATE | EVEN_RESERVED, {0}, NULL, run_release},
	{0x1a, 6, -1, T, 0, {0, 0x08, ANY, ANY, ANY}, prepare_mode_sense, run_mode_sense},
	{0x1b, 6, -1, T_LONG, 0, {0, 0x01, 0, 0x0f, 0xf7}, prepare_start_stop, run_start_stop},
	{0x1d, 6, -1, T, 0, {0, 0x04, 0, ANY, ANY}, prepare_send_diagnostic, run_good},
	{0x1e, 6, -1, T, 0, {0, 0, 0, 0, 0x03}, NULL, run_prevent_removal},
	{0x25, 10, -1, T, READY, {0, 0, LBA4, 0, 0, 0x01}, prepare_capacity_10, run_capacity_10},
	{0x28, 10, -1, T, READY, {0, CACHING, LBA4, GROUP, LEN2}, prepare_read, run_read},
	{0x2a, 10, -1, T, WRITE, {0, CACHING, LBA4, GROUP, LEN2}, prepare_write, run_write},
	{0x2e, 10, -1, T, WRITE, {0, BYTCHK, LBA4, GROUP, LEN2}, prepare_write_verify,
	 run_write_verify},
	{0x2f, 10, -1, T_LONG, READY, {0, BYTCHK, LBA4, GROUP, LEN2}, prepare_verify, run_verify},
	{0x34, 10, -1, T, READY, {0, 0x02, LBA4, GROUP, LEN2}, prepare_range, run_good},
	{0x35, 10, -1, T_LONG, READY, {0, 0x06, LBA4, GROUP, LEN2}, prepare_range,
	 run_synchronize},
	{0x41, 10, -1, T_LONG, WRITE, {0, 0x08, LBA4, GROUP, LEN2}, prepare_write_same,
	 run_write_same},
	{0x42, 10, -1, T_LONG, WRITE | IF_DISCARD, {0, 0, 0, 0, 0, 0, GROUP, LEN2}, prepare_unmap,
	 run_unmap},
	{0x4d, 10, -1, T, 0, {0, 0, ANY, ANY, 0, ANY, ANY, LEN2}, prepare_log_sense,
	 run_log_sense},
	{0x55, 10, -1, T, 0, {0, 0x11, 0, 0, 0, 0, 0, LEN2}, prepare_mode_select,
	 run_mode_select},
	{0x56, 10, -1, T, IF_PRIVATE, {0}, NULL, run_reserve},
	{0x57, 10, -1, T, IF_PRIVATE | EVEN_RESERVED, {0}, NULL, run_release},
	{0x5a, 10, -1, T, 0, {0, 0x18, ANY, ANY, 0, 0, 0, LEN2}, prepare_mode_sense,
	 run_mode_sense},
	{0x88, 16, -1, T, READY, {0, CACHING, LBA8, LEN4, GROUP}, prepare_read, run_read},
	{0x89, 16, -1, T, WRITE | EXCLUSIVE | IF_PRIVATE,
	 {0, CACHING, LBA8, 0, 0, 0, ANY, GROUP}, prepare_compare_write, run_compare_write},
	{0x8a, 16, -1, T, WRITE, {0, CACHING, LBA8, LEN4, GROUP}, prepare_write, run_write},
	{0x8e, 16, -1, T, WRITE, {0, BYTCHK, LBA8, LEN4, GROUP}, prepare_write_verify,
	 run_write_verify},
	{0x8f, 16, -1, T_LONG, READY, {0, BYTCHK, LBA8, LEN4, GROUP}, prepare_verify, run_verify},
	{0x90, 16, -1, T, READY, {0, 0x02, LBA8, LEN4, GROUP}, prepare_range, run_good},
	{0x91, 16, -1, T_LONG, READY, {0, 0x06, LBA8, LEN4, GROUP}, prepare_range,
	 run_synchronize},
	{0x93, 16, -1, T_LONG, WRITE, {0, 0x09, LBA8, LEN4, GROUP}, prepare_write_same,
	 run_write_same},
	{0x9e, 16, 0x10, T, READY, {0, 0x1f, LBA8, LEN4, 0x01}, prepare_capacity_16,
	 run_capacity_16},
	{0x9e, 16, 0x12, T, READY, {0, 0x1f, LBA8, LEN4}, prepare_lba_status, run_lba_status},
	{0xa0, 12, -1, T, ALWAYS, {0, 0, ANY, 0, 0, 0, LEN4}, prepare_report_luns,
	 run_report_luns},
	{0xa3, 12, 0x0c, T, 0, {0, 0x1f, 0x87, ANY, ANY, ANY, LEN4}, prepare_report_opcodes,
	 run_report_opcodes},
	{0xa3, 12, 0x0d, T, 0, {0, 0x1f, 0x80, 0, 0, 0, LEN4}, prepare_report_functions,
	 run_report_functions},
	{0xa8, 12, -1, T, READY, {0, CACHING, LBA4, LEN4, GROUP}, prepare_read, run_read},
	{0xaa, 12, -1, T, WRITE, {0, CACHING, LBA4, LEN4, GROUP}, prepare_write, run_write},
	{0xae, 12, -1, T, WRITE, {0, BYTCHK, LBA4, LEN4, GROUP}, prepare_write_verify,
	 run_write_verify},
	{0xaf, 12, -1, T_LONG, READY, {0, BYTCHK, LBA4, LEN4, GROUP}, prepare_verify, run_verify},
};

const struct scsi_type scsi_disk = {
	.peripheral = 0x00,
	.versions = {0x00a0 /* SAM-5 */, 0x0460 /* SPC-4 */, 0x04c0 /* SBC-3 */},
	.opcodes = opcodes, .opcode_count = ARRAY_SIZE(opcodes),
	.vpd = vpd_pages, .vpd_count = ARRAY_SIZE(vpd_pages),
	.mode = mode_pages, .mode_count = ARRAY_SIZE(mode_pages),
	.mode_flags = mode_flags,
};
