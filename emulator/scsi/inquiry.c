/* SPDX-License-Identifier: GPL-2.0-or-later */
/* inquiry.c - INQUIRY and the vital product data that all types have (SPC-4, 6.6 and 7.8). */
#include "scsi/unit.h"

#define STANDARD_LENGTH 74		/* to the end of the version descriptors */
#define QUALIFIER_ABSENT 0x7f		/* 3: not capable of a unit here; type 1f: none */
#define CODE_SET_BINARY 1
#define CODE_SET_ASCII 2
#define DESIGNATOR_T10 1
#define DESIGNATOR_NAA 3

/* ASCII, left-aligned, padded with blanks. */
static void put_text(uint8_t *out, size_t room, const char *text)
{
	size_t n = strnlen(text, room);

	memset(out, ' ', room);
	memcpy(out, text, n);
}

static uint8_t peripheral(const struct scsi_unit *u)
{
	return u->device ? u->type->peripheral : QUALIFIER_ABSENT;
}

static unsigned build_standard(const struct scsi_unit *u, uint8_t *out)
{
	out[0] = peripheral(u);
	out[1] = u->type->removable ? 0x80 : 0;
	out[2] = 0x06;			/* SPC-4 */
	out[3] = 0x10 | 0x02;		/* HISUP, response data format */
	out[4] = STANDARD_LENGTH - 5;
	out[7] = 0x02;			/* CMDQUE */
	put_text(out + 8, 8, u->device ? device_identity(u->device)->vendor : "VBOX");
	put_text(out + 16, 16, u->device ? device_identity(u->device)->product : "");
	put_text(out + 32, 4, u->device ? device_identity(u->device)->firmware : "");
	for (unsigned i = 0; i < ARRAY_SIZE(u->type->versions); i++)
		put_be16(out + 58 + 2 * i, u->type->versions[i]);
	return STANDARD_LENGTH;
}

/* ------------------------------------------------------------------------------------------ VPD */

static const struct vpd_page *find_page(const struct scsi_unit *u, uint8_t code)
{
	for (unsigned i = 0; i < u->type->vpd_count; i++)
		if (u->type->vpd[i].code == code)
			return &u->type->vpd[i];
	return NULL;
}

static unsigned build_vpd(const struct scsi_unit *u, uint8_t code, uint8_t *out)
{
	unsigned n = 0;

	out[0] = peripheral(u);
	out[1] = code;
	if (code) {
		n = find_page(u, code)->build(u, out + 4);
	} else {
		out[4 + n++] = 0;
		for (unsigned i = 0; i < u->type->vpd_count; i++)
			out[4 + n++] = u->type->vpd[i].code;
	}
	put_be16(out + 2, (uint16_t)n);
	return 4 + n;
}

unsigned vpd_serial(const struct scsi_unit *u, uint8_t *out)
{
	put_text(out, 20, device_identity(u->device)->serial);
	return 20;
}

static unsigned put_designator(uint8_t *out, uint8_t code_set, uint8_t type, unsigned length)
{
	out[0] = code_set;
	out[1] = type;			/* of the logical unit */
	out[3] = (uint8_t)length;
	return 4 + length;
}

unsigned vpd_identification(const struct scsi_unit *u, uint8_t *out)
{
	const struct device_identity *id = device_identity(u->device);
	unsigned n;

	put_text(out + 4, 8, id->vendor);
	put_text(out + 12, 16, id->product);
	put_text(out + 28, 20, id->serial);
	n = put_designator(out, CODE_SET_ASCII, DESIGNATOR_T10, 44);
	put_be64(out + n + 4, id->wwn);
	return n + put_designator(out + n, CODE_SET_BINARY, DESIGNATOR_NAA, 8);
}

/* -------------------------------------------------------------------------------------- INQUIRY */

bool prepare_inquiry(struct scsi_command *cmd)
{
	const uint8_t *cdb = cmd->cdb;

	if (!(cdb[1] & 1) && cdb[2])
		return refuse_cdb(cmd, 2, -1);
	if ((cdb[1] & 1) && (!cmd->unit->device || (cdb[2] && !find_page(cmd->unit, cdb[2]))))
		return refuse_cdb(cmd, 2, -1);
	return want_in(cmd, be16(cdb + 3));
}

void run_inquiry(struct scsi_command *cmd)
{
	uint8_t out[256] = {0};

	if (cmd->cdb[1] & 1)
		scsi_answer(cmd, out, build_vpd(cmd->unit, cmd->cdb[2], out));
	else
		scsi_answer(cmd, out, build_standard(cmd->unit, out));
}
