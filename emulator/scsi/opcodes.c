/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opcodes.c - REPORT SUPPORTED OPERATION CODES and TASK MANAGEMENT FUNCTIONS (SPC-4, 6.35, 6.36),
 * out of the table that the commands run from. */
#include "scsi/unit.h"

enum { ALL, ONE_OPCODE, ONE_WITH_SERVICE, ONE_EITHER };

#define RCTD 0x80			/* return command timeouts descriptors */
#define TIMEOUTS_LENGTH 12

static unsigned put_timeouts(const struct scsi_opcode *o, uint8_t *out)
{
	memset(out, 0, TIMEOUTS_LENGTH);
	put_be16(out, TIMEOUTS_LENGTH - 2);
	put_be32(out + 8, o->timeout);
	return TIMEOUTS_LENGTH;
}

bool prepare_report_opcodes(struct scsi_command *cmd)
{
	const struct scsi_type *type = cmd->unit->type;
	bool has_service = false, known = false;

	for (unsigned i = 0; i < type->opcode_count; i++)
		if (type->opcodes[i].opcode == cmd->cdb[3]) {
			known = true;
			has_service = type->opcodes[i].service >= 0;
		}
	switch (cmd->cdb[2] & 0x07) {
	case ALL:
	case ONE_EITHER:
		break;
	case ONE_OPCODE:
		if (has_service)
			return refuse_cdb(cmd, 2, 2);
		break;
	case ONE_WITH_SERVICE:
		if (known && !has_service)
			return refuse_cdb(cmd, 2, 2);
		break;
	default:
		return refuse_cdb(cmd, 2, 2);
	}
	return want_in(cmd, be32(cmd->cdb + 6));
}

/* Entry by entry, as the list may be longer than what is asked for. */
static void report_all(struct scsi_command *cmd)
{
	const struct scsi_unit *u = cmd->unit;
	bool rctd = cmd->cdb[2] & RCTD;
	uint64_t room = min_u64(cmd->length, cmd->room), at = 4;
	uint8_t header[4];

	for (unsigned i = 0; i < u->type->opcode_count; i++) {
		const struct scsi_opcode *o = &u->type->opcodes[i];
		uint8_t entry[8 + TIMEOUTS_LENGTH] = {0};
		unsigned n = 8;

		if (!opcode_is_there(u, o))
			continue;
		entry[0] = o->opcode;
		if (o->service >= 0) {
			put_be16(entry + 2, (uint16_t)o->service);
			entry[5] = 0x01;	/* SERVACTV */
		}
		put_be16(entry + 6, o->length);
		if (rctd) {
			entry[5] |= 0x02;	/* CTDP */
			n += put_timeouts(o, entry + 8);
		}
		if (at < room)
			dma_fill(cmd->iov, cmd->iovcnt, at, entry, min_u64(n, room - at));
		at += n;
	}
	put_be32(header, (uint32_t)(at - 4));
	dma_fill(cmd->iov, cmd->iovcnt, 0, header, min_u64(4, room));
	cmd->transferred = min_u64(at, room);
	scsi_end(cmd);
}

static const struct scsi_opcode *find_one(const struct scsi_command *cmd)
{
	uint8_t cdb[2] = {cmd->cdb[3], cmd->cdb[5] & 0x1f};
	const struct scsi_opcode *o;
	bool known;

	if (cmd->cdb[4] || cmd->cdb[5] > 0x1f)
		return NULL;
	o = opcode_find(cmd->unit, cdb, &known);
	/* Reporting option 3 wants a service action of 0 where there are none. */
	if (o && o->service < 0 && (cmd->cdb[2] & 7) == ONE_EITHER && cmd->cdb[5])
		return NULL;
	return o;
}

static void report_one(struct scsi_command *cmd)
{
	const struct scsi_opcode *o = find_one(cmd);
	uint8_t out[4 + SCSI_CDB_MAX + TIMEOUTS_LENGTH] = {0};
	unsigned n = 4;

	if (!o) {
		out[1] = 0x01;		/* not supported */
		scsi_answer(cmd, out, n);
		return;
	}
	out[1] = 0x03;			/* as the standard has it */
	put_be16(out + 2, o->length);
	memcpy(out + n, o->usage, o->length);
	out[n] = o->opcode;
	if (o->service >= 0)
		out[n + 1] = (uint8_t)((out[n + 1] & 0xe0) | o->service);
	n += o->length;
	if (cmd->cdb[2] & RCTD) {
		out[1] |= 0x80;		/* CTDP */
		n += put_timeouts(o, out + n);
	}
	scsi_answer(cmd, out, n);
}

void run_report_opcodes(struct scsi_command *cmd)
{
	if ((cmd->cdb[2] & 0x07) == ALL)
		report_all(cmd);
	else
		report_one(cmd);
}

/* ----------------------------------------------------------------------------------- functions */

bool prepare_report_functions(struct scsi_command *cmd)
{
	uint32_t length = be32(cmd->cdb + 6);

	if (length < 4)
		return refuse_cdb(cmd, 6, -1);
	return want_in(cmd, length);
}

void run_report_functions(struct scsi_command *cmd)
{
	/* Abort task, abort task set, clear task set, unit reset, query task, target reset; then
	 * query task set, I_T nexus reset. */
	uint8_t out[16] = {0x80 | 0x40 | 0x10 | 0x08 | 0x04 | 0x02, 0x02 | 0x01};
	bool extended = cmd->cdb[2] & 0x80;

	if (extended)
		out[3] = sizeof(out) - 4;
	scsi_answer(cmd, out, extended ? sizeof(out) : 4);
}
