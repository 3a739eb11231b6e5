/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trim.c - DATA SET MANAGEMENT with TRIM: a list of ranges, which read as zeros afterwards. */
#include <stdlib.h>

#include "ata/private.h"
#include "bytes.h"
#include "checked.h"
#include "core/dma.h"

#define ENTRIES (ATA_TRIM_BLOCKS * ATA_SECTOR / 8)

struct range {
	uint64_t first, sectors;
};

struct ata_trim {
	unsigned next, ranges;
	struct range range[ENTRIES];
	uint8_t list[ATA_TRIM_BLOCKS * ATA_SECTOR];
};

bool ata_prepare_trim(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;

	if (cmd->in.features != 1 || !device_can_discard(a->device) || !cmd->in.count ||
	    cmd->in.count > ATA_TRIM_BLOCKS)
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	if (!a->trim)
		a->trim = malloc(sizeof(*a->trim));
	if (!a->trim)
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	cmd->length = cmd->in.count * ATA_SECTOR;
	return true;
}

/* Neighbours become one range. */
static void add(struct ata_trim *t, uint64_t first, uint64_t sectors)
{
	struct range *last = t->ranges ? &t->range[t->ranges - 1] : NULL;

	if (last && last->first + last->sectors == first)
		last->sectors += sectors;
	else
		t->range[t->ranges++] = (struct range){ first, sectors };
}

/* All ranges are checked before the first is trimmed. */
static bool parse(struct ata_command *cmd)
{
	struct ata_trim *t = cmd->drive->trim;
	uint64_t end = ata_sectors(cmd->drive);

	t->next = t->ranges = 0;
	for (unsigned at = 0; at < cmd->length; at += 8) {
		uint64_t entry = le64(t->list + at);
		uint64_t first = entry & 0xffffffffffff, sectors = entry >> 48;

		if (!sectors)
			continue;
		if (!range_in(first, sectors, end))
			return ata_fail(cmd, ATA_IDNF, first);
		add(t, first, sectors);
	}
	return true;
}

static void next(struct ata_command *cmd);

static void trimmed(struct device_request *rq)
{
	struct ata_command *cmd = rq->opaque;

	if (rq->status)
		ata_fail_status(cmd, rq->status);
	else
		next(cmd);
}

static void next(struct ata_command *cmd)
{
	struct ata_trim *t = cmd->drive->trim;
	const struct range *r = &t->range[t->next];

	if (t->next == t->ranges) {
		ata_succeed(cmd);
		return;
	}
	t->next++;
	cmd->rq = (struct device_request){
		.op = DEVICE_DISCARD, .offset = r->first * ATA_SECTOR,
		.length = r->sectors * ATA_SECTOR, .done = trimmed, .opaque = cmd,
	};
	device_submit(cmd->drive->device, &cmd->rq);
}

void ata_run_trim(struct ata_command *cmd)
{
	dma_fetch(cmd->iov, cmd->iovcnt, 0, cmd->drive->trim->list, cmd->length);
	if (parse(cmd))
		next(cmd);
}
