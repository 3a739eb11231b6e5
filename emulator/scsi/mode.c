/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mode.c - MODE SENSE and MODE SELECT, 6 and 10 (SPC-4, 6.11 to 6.14 and 7.5), and the pages that
 * all types have. Values are kept until power-off; none can be saved. */
#include "scsi/unit.h"

#define ALL_PAGES 0x3f
#define ALL_SUBPAGES 0xff
#define LIST_MAX 512
#define PAGE_MAX 64

static bool is_10(const struct scsi_command *cmd)
{
	return cmd->cdb[0] & 0x40;	/* 55, 5a */
}

static uint64_t list_length(const struct scsi_command *cmd)
{
	return is_10(cmd) ? be16(cmd->cdb + 7) : cmd->cdb[4];
}

/* ----------------------------------------------------------------------------------- MODE SENSE */

static bool is_asked_for(const struct mode_page *p, uint8_t code, uint8_t subcode)
{
	if (code != ALL_PAGES && code != p->code)
		return false;
	return subcode == p->subcode || subcode == ALL_SUBPAGES;
}

bool prepare_mode_sense(struct scsi_command *cmd)
{
	const struct scsi_type *type = cmd->unit->type;
	uint8_t code = cmd->cdb[2] & 0x3f, subcode = cmd->cdb[3];

	if (cmd->cdb[2] >> 6 == MODE_SAVED)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_NO_SAVING);
	if (code == ALL_PAGES && subcode && subcode != ALL_SUBPAGES)
		return refuse_cdb(cmd, 3, -1);
	for (unsigned i = 0; i < type->mode_count; i++)
		if (is_asked_for(&type->mode[i], code, subcode))
			return want_in(cmd, list_length(cmd));
	return refuse_cdb(cmd, 2, 5);
}

/* SBC-3, 6.4.2: the short one has no room for more than 2^32 - 2 blocks. */
static unsigned put_block_descriptor(const struct scsi_unit *u, bool is_long, uint8_t *out)
{
	uint64_t blocks = unit_blocks(u);

	if (is_long) {
		put_be64(out, blocks);
		put_be32(out + 12, unit_block_size(u));
		return 16;
	}
	put_be32(out, (uint32_t)min_u64(blocks, UINT32_MAX));
	put_be32(out + 4, unit_block_size(u));
	return 8;
}

static unsigned put_page(const struct scsi_unit *u, const struct mode_page *p, unsigned which,
			 uint8_t *out)
{
	unsigned header = p->subcode ? 4 : 2;

	out[0] = p->code;
	if (p->subcode) {
		out[0] |= 0x40;
		out[1] = p->subcode;
		put_be16(out + 2, p->length);
	} else {
		out[1] = p->length;
	}
	p->build(u, out + header, which);
	return header + p->length;
}

void run_mode_sense(struct scsi_command *cmd)
{
	const struct scsi_unit *u = cmd->unit;
	uint8_t out[LIST_MAX] = {0};
	bool is_long = is_10(cmd) && (cmd->cdb[1] & 0x10);
	unsigned n = is_10(cmd) ? 8 : 4, descriptor = 0;

	if (!(cmd->cdb[1] & 0x08))
		descriptor = put_block_descriptor(u, is_long, out + n);
	n += descriptor;
	for (unsigned i = 0; i < u->type->mode_count; i++)
		if (is_asked_for(&u->type->mode[i], cmd->cdb[2] & 0x3f, cmd->cdb[3]))
			n += put_page(u, &u->type->mode[i], cmd->cdb[2] >> 6, out + n);
	if (is_10(cmd)) {
		put_be16(out, (uint16_t)(n - 2));
		out[3] = u->type->mode_flags(u);
		out[4] = is_long && descriptor;
		put_be16(out + 6, (uint16_t)descriptor);
	} else {
		out[0] = (uint8_t)(n - 1);
		out[2] = u->type->mode_flags(u);
		out[3] = (uint8_t)descriptor;
	}
	scsi_answer(cmd, out, n);
}

/* ---------------------------------------------------------------------------------- MODE SELECT */

bool prepare_mode_select(struct scsi_command *cmd)
{
	if (cmd->cdb[1] & 0x01)
		return refuse_cdb(cmd, 1, 0);	/* save pages */
	if (list_length(cmd) && !(cmd->cdb[1] & 0x10))
		return refuse_cdb(cmd, 1, 4);	/* page format is the only one */
	if (list_length(cmd) > LIST_MAX)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
	return want_out(cmd, list_length(cmd));
}

static const struct mode_page *find_page(const struct scsi_unit *u, uint8_t code, uint8_t subcode)
{
	for (unsigned i = 0; i < u->type->mode_count; i++)
		if (u->type->mode[i].code == code && u->type->mode[i].subcode == subcode)
			return &u->type->mode[i];
	return NULL;
}

/* The size of blocks and of the medium may be named, not changed. */
static bool check_block_descriptor(struct scsi_command *cmd, const uint8_t *list, unsigned at,
				   unsigned length)
{
	const uint8_t *d = list + at;
	bool is_long = length == 16;
	uint64_t blocks = is_long ? be64(d) : be32(d), all = is_long ? UINT64_MAX : UINT32_MAX;
	uint32_t size = is_long ? be32(d + 12) : be32(d + 4) & 0xffffff;

	if (blocks && blocks != all && blocks != unit_blocks(cmd->unit))
		return refuse_list(cmd, at, -1);
	if (size != unit_block_size(cmd->unit))
		return refuse_list(cmd, at + (is_long ? 12 : 5), -1);
	return true;
}

/* What the list has before its pages; *pages: where they begin. */
static bool check_header(struct scsi_command *cmd, const uint8_t *list, unsigned n,
			 unsigned *pages)
{
	bool is_long = is_10(cmd) && n >= 8 && (list[4] & 1);
	unsigned header = is_10(cmd) ? 8 : 4, descriptor;

	if (n < header)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
	if (list[is_10(cmd) ? 2 : 1])
		return refuse_list(cmd, is_10(cmd) ? 2 : 1, -1);	/* medium type */
	descriptor = is_10(cmd) ? be16(list + 6) : list[3];
	if (descriptor && descriptor != (is_long ? 16 : 8))
		return refuse_list(cmd, is_10(cmd) ? 6 : 3, -1);
	if (n - header < descriptor)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
	*pages = header + descriptor;
	return !descriptor || check_block_descriptor(cmd, list, header, descriptor);
}

static bool check_page(struct scsi_command *cmd, const struct mode_page *p, const uint8_t *list,
		       unsigned at)
{
	uint8_t current[PAGE_MAX] = {0}, changeable[PAGE_MAX] = {0};

	p->build(cmd->unit, current, MODE_CURRENT);
	p->build(cmd->unit, changeable, MODE_CHANGEABLE);
	for (unsigned i = 0; i < p->length; i++) {
		uint8_t wrong = (list[at + i] ^ current[i]) & (uint8_t)~changeable[i];

		if (wrong)
			return refuse_list(cmd, at + i, 31 - __builtin_clz(wrong));
	}
	return true;
}

/* Checks the pages, or takes their values over when all were found good. */
static bool each_page(struct scsi_command *cmd, const uint8_t *list, unsigned n, unsigned at,
		      bool apply)
{
	while (at < n) {
		bool sub = list[at] & 0x40;
		unsigned header = sub ? 4 : 2, length;
		const struct mode_page *p;

		if (n - at < header)
			return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
		p = find_page(cmd->unit, list[at] & 0x3f, sub ? list[at + 1] : 0);
		length = sub ? be16(list + at + 2) : list[at + 1];
		if (!p || !sub != !p->subcode)
			return refuse_list(cmd, at, 5);
		if (length != p->length)
			return refuse_list(cmd, at + header - 1 - sub, -1);
		if (n - at - header < length)
			return refuse(cmd, ILLEGAL_REQUEST, ASC_PARAMETER_LIST_LENGTH);
		if (!apply && !check_page(cmd, p, list, at + header))
			return false;
		if (apply && p->apply)
			p->apply(cmd->unit, list + at + header);
		at += header + length;
	}
	return true;
}

void run_mode_select(struct scsi_command *cmd)
{
	uint8_t list[LIST_MAX];
	unsigned n = (unsigned)dma_fetch(cmd->iov, cmd->iovcnt, 0, list, cmd->length), pages = 0;

	bool cached = cmd->unit->write_cache;

	cmd->transferred = n;
	if (n && check_header(cmd, list, n, &pages) && each_page(cmd, list, n, pages, false) &&
	    pages < n) {
		each_page(cmd, list, n, pages, true);
		unit_attention(cmd->unit, ATTENTION_MODE, (int)cmd->initiator);
	}
	/* Who writes through from now on will not synchronize what came before. */
	if (cached && !cmd->unit->write_cache)
		scsi_flush(cmd, scsi_end);
	else
		scsi_end(cmd);
}

/* ---------------------------------------------------------------------------------------- pages */

#define D_SENSE 0x04
#define SWP 0x08

void mode_control(const struct scsi_unit *u, uint8_t *out, unsigned which)
{
	bool changeable = which == MODE_CHANGEABLE, current = which == MODE_CURRENT;

	if (!changeable)
		out[1] = 0x10;		/* commands may be reordered at will */
	if (changeable || (current && u->descriptor_sense))
		out[0] |= D_SENSE;
	if (changeable || (current && u->write_protect))
		out[2] |= SWP;
}

void mode_control_apply(struct scsi_unit *u, const uint8_t *in)
{
	u->descriptor_sense = in[0] & D_SENSE;
	u->write_protect = in[2] & SWP;
}

/* Exceptions are not looked for: DEXCPT. */
void mode_exceptions(const struct scsi_unit *u, uint8_t *out, unsigned which)
{
	(void)u;
	if (which != MODE_CHANGEABLE)
		out[0] = 0x08;
}
