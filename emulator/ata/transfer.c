/* SPDX-License-Identifier: GPL-2.0-or-later */
/* transfer.c - ATA commands that read, write, verify and flush; addresses by LBA and by CHS. */
#include <stdlib.h>

#include "ata/private.h"

#define END_28 (1ull << 28)

/* ------------------------------------------------------------------------------------- addresses */

/* Sectors count from 1. */
static bool chs(const struct ata_command *cmd, uint64_t *lba)
{
	const struct ata_drive *a = cmd->drive;
	uint64_t sector = cmd->in.lba & 0xff, cylinder = cmd->in.lba >> 8 & 0xffff;
	unsigned head = cmd->in.device & 0xf;

	if (!sector || sector > a->per_track || head >= a->heads)
		return false;
	*lba = (cylinder * a->heads + head) * a->per_track + sector - 1;
	return true;
}

/* The first sector after the last that this kind of address reaches. */
static uint64_t reach(const struct ata_command *cmd)
{
	uint64_t sectors = ata_sectors(cmd->drive);

	return cmd->flags & OP_EXT || sectors < END_28 ? sectors : END_28;
}

static bool check_range(struct ata_command *cmd)
{
	uint64_t end = reach(cmd);

	if (cmd->first >= end || cmd->sectors > end - cmd->first)
		return ata_fail(cmd, ATA_IDNF, cmd->first > end ? cmd->first : end);
	return true;
}

bool ata_prepare_address(struct ata_command *cmd)
{
	bool ext = cmd->flags & OP_EXT;

	cmd->sectors = cmd->in.count ? cmd->in.count : ext ? 65536 : 256;
	cmd->first = cmd->in.lba;
	if (cmd->in.command == 0x70)
		cmd->sectors = 1;
	if (ext && !(cmd->in.device & ATA_DEVICE_LBA))
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	if (cmd->in.device & ATA_DEVICE_LBA) {
		if (!ext)
			cmd->first |= (uint64_t)(cmd->in.device & 0xf) << 24;
	} else if (!chs(cmd, &cmd->first)) {
		return ata_fail(cmd, ATA_IDNF, cmd->in.lba);
	}
	return check_range(cmd);
}

static bool check_write(struct ata_command *cmd)
{
	if (cmd->direction == ATA_OUT && device_is_readonly(cmd->drive->device))
		return ata_fail(cmd, ATA_WP | ATA_ABRT, cmd->first);
	return true;
}

bool ata_prepare_transfer(struct ata_command *cmd)
{
	if (cmd->flags & OP_MULTIPLE && !cmd->drive->multiple)
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	if (!ata_prepare_address(cmd) || !check_write(cmd))
		return false;
	cmd->length = cmd->sectors * ATA_SECTOR;
	if (cmd->flags & OP_MULTIPLE)
		cmd->block = cmd->drive->multiple * ATA_SECTOR;
	return true;
}

/* The count is in the features, the tag in the count. */
bool ata_prepare_queued(struct ata_command *cmd)
{
	cmd->first = cmd->in.lba;
	cmd->sectors = cmd->in.features ? cmd->in.features : 65536;
	if (!(cmd->in.device & ATA_DEVICE_LBA))
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	if (!check_range(cmd) || !check_write(cmd))
		return false;
	cmd->length = cmd->sectors * ATA_SECTOR;
	if (cmd->in.device & 0x80)
		cmd->flags |= OP_FUA;
	return true;
}

bool ata_prepare_verify(struct ata_command *cmd)
{
	return ata_prepare_address(cmd);
}

/* ------------------------------------------------------------------------------- read, write, flush */

static void transferred(struct device_request *rq)
{
	struct ata_command *cmd = rq->opaque;

	if (rq->status)
		ata_fail_status(cmd, rq->status);
	else
		ata_succeed(cmd);
}

void ata_run_transfer(struct ata_command *cmd)
{
	bool write = cmd->direction == ATA_OUT;
	bool through = write && (cmd->flags & OP_FUA || !cmd->drive->write_cache);

	cmd->rq.op = write ? DEVICE_WRITE : DEVICE_READ;
	cmd->rq.flags = through ? VD_FUA : 0;
	cmd->rq.offset = cmd->first * ATA_SECTOR;
	cmd->rq.length = cmd->length;
	cmd->rq.iov = cmd->iov;
	cmd->rq.iovcnt = cmd->iovcnt;
	cmd->rq.done = transferred;
	cmd->rq.opaque = cmd;
	device_submit(cmd->drive->device, &cmd->rq);
}

void ata_run_flush(struct ata_command *cmd)
{
	cmd->rq = (struct device_request){
		.op = DEVICE_FLUSH, .done = transferred, .opaque = cmd,
	};
	device_submit(cmd->drive->device, &cmd->rq);
}

/* --------------------------------------------------------------------------------------- verify */

#define VERIFY_SECTORS 512u

/* Reads into a buffer that nobody looks at, piece by piece. */
struct ata_verify {
	struct iovec iov;
	uint8_t buf[VERIFY_SECTORS * ATA_SECTOR];
};

static void verify_next(struct ata_command *cmd);

static void verified(struct device_request *rq)
{
	struct ata_command *cmd = rq->opaque;

	if (rq->status) {
		ata_fail_status(cmd, rq->status);
		return;
	}
	cmd->first += rq->length / ATA_SECTOR;
	cmd->sectors -= rq->length / ATA_SECTOR;
	verify_next(cmd);
}

static void verify_next(struct ata_command *cmd)
{
	struct ata_verify *v = cmd->drive->verify;
	uint64_t n = cmd->sectors < VERIFY_SECTORS ? cmd->sectors : VERIFY_SECTORS;

	if (!n) {
		ata_succeed(cmd);
		return;
	}
	v->iov = (struct iovec){ .iov_base = v->buf, .iov_len = n * ATA_SECTOR };
	cmd->rq = (struct device_request){
		.op = DEVICE_READ, .offset = cmd->first * ATA_SECTOR, .length = n * ATA_SECTOR,
		.iov = &v->iov, .iovcnt = 1, .done = verified, .opaque = cmd,
	};
	device_submit(cmd->drive->device, &cmd->rq);
}

void ata_run_verify(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;

	if (!a->verify)
		a->verify = malloc(sizeof(*a->verify));
	if (a->verify)
		verify_next(cmd);
	else
		ata_fail(cmd, ATA_ABRT, cmd->first);
}
