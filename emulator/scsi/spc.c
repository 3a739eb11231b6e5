/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spc.c - the small commands of all device types (SPC-4), and the unit that answers where there is
 * none. */
#include "scsi/unit.h"

void run_good(struct scsi_command *cmd)
{
	scsi_end(cmd);
}

/* ------------------------------------------------------------------------------- REQUEST SENSE */

bool prepare_request_sense(struct scsi_command *cmd)
{
	return want_in(cmd, cmd->cdb[4]);
}

/* Sense of the command before, else a unit attention, else what the unit's state is. */
static struct sense current_sense(struct scsi_unit *u, unsigned initiator)
{
	struct sense s = u->initiator[initiator].sense;

	u->initiator[initiator].sense = (struct sense){0};
	if (s.key || s.asc)
		return s;
	if (!u->device)
		return (struct sense){.key = ILLEGAL_REQUEST, .asc = ASC_NO_UNIT};
	if (unit_take_attention(u, initiator, &s))
		return s;
	if (u->stopped)
		return (struct sense){.key = NOT_READY, .asc = ASC_NEED_START};
	return (struct sense){0};
}

void run_request_sense(struct scsi_command *cmd)
{
	struct sense s = current_sense(cmd->unit, cmd->initiator);
	uint8_t out[SENSE_ROOM];

	scsi_answer(cmd, out, sense_build(&s, cmd->cdb[1] & 1, out));
}

/* --------------------------------------------------------------------------------- REPORT LUNS */

#define SELECT_ADDRESSED 0		/* all but the well-known ones */
#define SELECT_WELL_KNOWN 1
#define SELECT_ALL 2

bool prepare_report_luns(struct scsi_command *cmd)
{
	if (cmd->cdb[2] > SELECT_ALL)
		return refuse_cdb(cmd, 2, -1);
	return want_in(cmd, be32(cmd->cdb + 6));
}

static bool is_listed(const struct scsi_command *cmd, const struct scsi_unit *u)
{
	return u->target == cmd->target && !u->gone && cmd->cdb[2] != SELECT_WELL_KNOWN;
}

/* In order, as the bus keeps them. */
void run_report_luns(struct scsi_command *cmd)
{
	struct scsi_unit *units = cmd->bus->units;
	uint64_t room = min_u64(cmd->length, cmd->room), at = 8;
	uint8_t entry[8] = {0};
	uint32_t count = 0;

	for (struct scsi_unit *u = units; u; u = u->next) {
		if (!is_listed(cmd, u))
			continue;
		u->initiator[cmd->initiator].attentions &= (uint16_t)~(1 << ATTENTION_LUNS);
		put_be64(entry, scsi_lun(u->lun));
		if (at < room)
			dma_fill(cmd->iov, cmd->iovcnt, at, entry, min_u64(8, room - at));
		at += 8;
		count++;
	}
	put_be64(entry, 0);
	put_be32(entry, 8 * count);
	dma_fill(cmd->iov, cmd->iovcnt, 0, entry, min_u64(8, room));
	cmd->transferred = min_u64(at, room);
	scsi_end(cmd);
}

/* ------------------------------------------------------------------------------ SEND DIAGNOSTIC */

/* The default self-test alone, which finds nothing. */
bool prepare_send_diagnostic(struct scsi_command *cmd)
{
	if (be16(cmd->cdb + 3))
		return refuse_cdb(cmd, 3, -1);
	return true;
}

/* ----------------------------------------------------------------------------------- LOG SENSE */

#define LOG_SUPPORTED 0x00
#define LOG_EXCEPTIONS 0x2f

static bool is_log_page(uint8_t page, uint8_t subpage)
{
	if (page == LOG_SUPPORTED)
		return subpage == 0 || subpage == 0xff;
	return page == LOG_EXCEPTIONS && subpage == 0;
}

bool prepare_log_sense(struct scsi_command *cmd)
{
	uint8_t page = cmd->cdb[2] & 0x3f, subpage = cmd->cdb[3];

	if (!is_log_page(page, subpage))
		return refuse_cdb(cmd, subpage && is_log_page(page, 0) ? 3 : 2,
				subpage && is_log_page(page, 0) ? -1 : 5);
	if (be16(cmd->cdb + 5))
		return refuse_cdb(cmd, 5, -1);	/* parameters: there is no other than 0 */
	return want_in(cmd, be16(cmd->cdb + 7));
}

void run_log_sense(struct scsi_command *cmd)
{
	static const uint8_t pages[] = {LOG_SUPPORTED, LOG_EXCEPTIONS};
	static const uint8_t subpages[] = {LOG_SUPPORTED, 0, LOG_SUPPORTED, 0xff, LOG_EXCEPTIONS, 0};
	/* Parameter 0, in binary list format: no exception, temperature not known. */
	static const uint8_t exceptions[] = {0, 0, 0x03, 4, 0, 0, 0xff, 0};
	uint8_t out[32] = {0}, page = cmd->cdb[2] & 0x3f, subpage = cmd->cdb[3];
	const uint8_t *from = page ? exceptions : subpage ? subpages : pages;
	unsigned n = page ? sizeof(exceptions) : subpage ? sizeof(subpages) : sizeof(pages);

	out[0] = page | (subpage ? 0x40 : 0);
	out[1] = subpage;
	put_be16(out + 2, (uint16_t)n);
	memcpy(out + 4, from, n);
	scsi_answer(cmd, out, 4 + n);
}

/* ----------------------------------------------------------------- reservations, locked removal */

/* SPC-2's; others were turned away before. */
void run_reserve(struct scsi_command *cmd)
{
	cmd->unit->reserved_by = (int)cmd->initiator;
	scsi_end(cmd);
}

void run_release(struct scsi_command *cmd)
{
	if (cmd->unit->reserved_by == (int)cmd->initiator)
		cmd->unit->reserved_by = -1;
	scsi_end(cmd);
}

void run_prevent_removal(struct scsi_command *cmd)
{
	cmd->unit->initiator[cmd->initiator].prevents_removal = cmd->cdb[4] & 1;
	scsi_end(cmd);
}

/* --------------------------------------------------------------------- where there is no unit */

#define ALWAYS (EVEN_ABSENT | EVEN_ATTENTION | EVEN_RESERVED)

static const struct scsi_opcode absent_opcodes[] = {
	{0x03, 6, -1, 0, ALWAYS, {0x03, 0x01, 0, 0, 0xff, 0}, prepare_request_sense,
	 run_request_sense},
	{0x12, 6, -1, 0, ALWAYS, {0x12, 0x01, 0xff, 0xff, 0xff, 0}, prepare_inquiry, run_inquiry},
	{0xa0, 12, -1, 0, ALWAYS, {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff},
	 prepare_report_luns, run_report_luns},
};

const struct scsi_type scsi_absent = {
	.peripheral = 0x1f, .versions = {0x0460 /* SPC-4 */},
	.opcodes = absent_opcodes, .opcode_count = ARRAY_SIZE(absent_opcodes),
};
