/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sense.c - sense data in fixed and descriptor format (SPC-4, 4.5), and what errors become. */
#include "scsi/unit.h"

static unsigned build_fixed(const struct sense *s, uint8_t *out)
{
	memset(out, 0, 18);
	out[0] = 0x70;
	out[2] = s->key;
	if (s->has_information && s->information <= UINT32_MAX) {
		out[0] |= 0x80;
		put_be32(out + 3, (uint32_t)s->information);
	}
	out[7] = 10;
	put_be16(out + 12, s->asc);
	if (s->has_field)
		memcpy(out + 15, s->field, 3);
	return 18;
}

static unsigned build_descriptors(const struct sense *s, uint8_t *out)
{
	unsigned n = 8;

	memset(out, 0, SENSE_ROOM);
	out[0] = 0x72;
	out[1] = s->key;
	put_be16(out + 2, s->asc);
	if (s->has_information) {
		out[n + 1] = 10;
		out[n + 2] = 0x80;
		put_be64(out + n + 4, s->information);
		n += 12;
	}
	if (s->has_field) {
		out[n] = 2;
		out[n + 1] = 6;
		memcpy(out + n + 4, s->field, 3);
		n += 8;
	}
	out[7] = (uint8_t)(n - 8);
	return n;
}

unsigned sense_build(const struct sense *s, bool descriptor, uint8_t *out)
{
	return descriptor ? build_descriptors(s, out) : build_fixed(s, out);
}

static bool report(struct scsi_command *cmd, const struct sense *s)
{
	struct scsi_unit *u = cmd->unit;

	cmd->status = SCSI_CHECK_CONDITION;
	cmd->sense_length = sense_build(s, u && u->descriptor_sense, cmd->sense);
	if (u && !u->bus->options.autosense && cmd->initiator < SCSI_INITIATORS_MAX)
		u->initiator[cmd->initiator].sense = *s;
	return false;
}

bool refuse(struct scsi_command *cmd, uint8_t key, uint16_t asc)
{
	return report(cmd, &(struct sense){.key = key, .asc = asc});
}

bool refuse_at(struct scsi_command *cmd, uint8_t key, uint16_t asc, uint64_t information)
{
	return report(cmd, &(struct sense){.key = key, .asc = asc, .has_information = true,
					   .information = information});
}

/* SPC-4, 4.5.2.4.2: the field pointer. */
static bool refuse_field(struct scsi_command *cmd, uint16_t asc, bool in_cdb, unsigned byte,
			 int bit)
{
	struct sense s = {.key = ILLEGAL_REQUEST, .asc = asc, .has_field = true};

	s.field[0] = 0x80 | (in_cdb ? 0x40 : 0);
	if (bit >= 0)
		s.field[0] |= (uint8_t)(0x08 | bit);
	put_be16(s.field + 1, (uint16_t)byte);
	return report(cmd, &s);
}

bool refuse_cdb(struct scsi_command *cmd, unsigned byte, int bit)
{
	return refuse_field(cmd, ASC_INVALID_FIELD_IN_CDB, true, byte, bit);
}

bool refuse_list(struct scsi_command *cmd, unsigned byte, int bit)
{
	return refuse_field(cmd, ASC_INVALID_FIELD_IN_LIST, false, byte, bit);
}

void scsi_set_sense(struct scsi_command *cmd, uint8_t key, uint8_t asc, uint8_t ascq)
{
	refuse(cmd, key, (uint16_t)(asc << 8 | ascq));
}

bool refuse_io(struct scsi_command *cmd, enum device_op op, int error, uint64_t lba)
{
	switch (error) {
	case -ECANCELED:
		/* Somebody else quiesced the device, for a snapshot say: to be tried again. */
	case -ENOMEM:
	case -EAGAIN:
		cmd->status = SCSI_BUSY;
		return false;
	case -EINVAL:
		return refuse_at(cmd, ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, lba);
	case -EROFS:
		return refuse(cmd, DATA_PROTECT, ASC_WRITE_PROTECTED);
	case -ENOSPC:
		return refuse(cmd, DATA_PROTECT, ASC_NO_SPACE);
	default:
		if (op == DEVICE_READ || op == DEVICE_MAP)
			return refuse_at(cmd, MEDIUM_ERROR, ASC_READ_ERROR, lba);
		if (op == DEVICE_FLUSH)
			return refuse(cmd, MEDIUM_ERROR, ASC_WRITE_ERROR);
		return refuse_at(cmd, MEDIUM_ERROR, ASC_WRITE_ERROR, lba);
	}
}
