/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ata.c - see ata.h: which commands there are, their beginning and their end. */
#include "ata/ata.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ata/private.h"
#include "core/dma.h"
#include "core/loop.h"

#define READY (ATA_DRDY | ATA_SEEK)

static void run_nothing(struct ata_command *cmd)
{
	ata_succeed(cmd);
}

/* Commands by their code; what is not here is aborted. */
static const struct ata_operation operations[256] = {
#define NOTHING(flags, prepare) { ATA_NON_DATA, ATA_NONE, flags, prepare, run_nothing }
#define RUN(flags, prepare, run) { ATA_NON_DATA, ATA_NONE, flags, prepare, run }
#define MOVE(protocol, direction, flags) \
	{ protocol, direction, (flags) | OP_MEDIUM, ata_prepare_transfer, ata_run_transfer }
	[0x06] = { ATA_DMA, ATA_OUT, OP_EXT | OP_MEDIUM, ata_prepare_trim, ata_run_trim },
	[0x10] = NOTHING(OP_MEDIUM, NULL),				/* RECALIBRATE */
	[0x20] = MOVE(ATA_PIO, ATA_IN, 0),				/* READ SECTORS */
	[0x21] = MOVE(ATA_PIO, ATA_IN, 0),
	[0x24] = MOVE(ATA_PIO, ATA_IN, OP_EXT),
	[0x25] = MOVE(ATA_DMA, ATA_IN, OP_EXT),				/* READ DMA EXT */
	[0x27] = RUN(OP_EXT, NULL, ata_run_native_max),
	[0x29] = MOVE(ATA_PIO, ATA_IN, OP_EXT | OP_MULTIPLE),
	[0x2f] = { ATA_PIO, ATA_IN, OP_EXT, ata_prepare_log, ata_run_log },
	[0x30] = MOVE(ATA_PIO, ATA_OUT, 0),				/* WRITE SECTORS */
	[0x31] = MOVE(ATA_PIO, ATA_OUT, 0),
	[0x34] = MOVE(ATA_PIO, ATA_OUT, OP_EXT),
	[0x35] = MOVE(ATA_DMA, ATA_OUT, OP_EXT),			/* WRITE DMA EXT */
	[0x39] = MOVE(ATA_PIO, ATA_OUT, OP_EXT | OP_MULTIPLE),
	[0x3d] = MOVE(ATA_DMA, ATA_OUT, OP_EXT | OP_FUA),
	[0x40] = RUN(OP_MEDIUM, ata_prepare_verify, ata_run_verify),
	[0x41] = RUN(OP_MEDIUM, ata_prepare_verify, ata_run_verify),
	[0x42] = RUN(OP_MEDIUM | OP_EXT, ata_prepare_verify, ata_run_verify),
	[0x47] = { ATA_DMA, ATA_IN, OP_EXT, ata_prepare_log, ata_run_log },
	[0x60] = { ATA_NCQ, ATA_IN, OP_EXT | OP_MEDIUM, ata_prepare_queued, ata_run_transfer },
	[0x61] = { ATA_NCQ, ATA_OUT, OP_EXT | OP_MEDIUM, ata_prepare_queued, ata_run_transfer },
	[0x70] = NOTHING(OP_MEDIUM, ata_prepare_address),		/* SEEK */
	[0x90] = RUN(0, NULL, ata_run_diagnostic),
	[0x91] = RUN(0, NULL, ata_run_parameters),
	[0xb0] = { ATA_NON_DATA, ATA_NONE, 0, ata_prepare_smart, ata_run_smart },
	[0xc4] = MOVE(ATA_PIO, ATA_IN, OP_MULTIPLE),			/* READ MULTIPLE */
	[0xc5] = MOVE(ATA_PIO, ATA_OUT, OP_MULTIPLE),
	[0xc6] = RUN(0, ata_prepare_multiple, ata_run_multiple),
	[0xc8] = MOVE(ATA_DMA, ATA_IN, 0),				/* READ DMA */
	[0xc9] = MOVE(ATA_DMA, ATA_IN, 0),
	[0xca] = MOVE(ATA_DMA, ATA_OUT, 0),				/* WRITE DMA */
	[0xcb] = MOVE(ATA_DMA, ATA_OUT, 0),
	[0xce] = MOVE(ATA_PIO, ATA_OUT, OP_EXT | OP_MULTIPLE | OP_FUA),
	[0xe0] = RUN(0, NULL, ata_run_standby),
	[0xe1] = RUN(0, NULL, ata_run_idle),
	[0xe2] = RUN(0, NULL, ata_run_standby),
	[0xe3] = RUN(0, NULL, ata_run_idle),
	[0xe5] = RUN(0, NULL, ata_run_check_power),
	[0xe6] = RUN(0, NULL, ata_run_sleep),
	[0xe7] = RUN(OP_MEDIUM, NULL, ata_run_flush),
	[0xea] = RUN(OP_MEDIUM | OP_EXT, NULL, ata_run_flush),
	[0xec] = { ATA_PIO, ATA_IN, 0, ata_prepare_identify, ata_run_identify },
	[0xef] = RUN(0, ata_prepare_features, ata_run_features),
	[0xf8] = RUN(0, NULL, ata_run_native_max),
#undef NOTHING
#undef RUN
#undef MOVE
};

/* --------------------------------------------------------------------------------------- drives */

static void default_settings(struct ata_drive *a)
{
	a->multiple = 0;
	a->write_cache = a->look_ahead = true;
	a->heads = 16;
	a->per_track = 63;
	a->transfer_mode = 0x46;	/* Ultra DMA 6 */
}

void ata_drive_init(struct ata_drive *a, struct device *d, const struct ata_options *o)
{
	memset(a, 0, sizeof(*a));
	a->device = d;
	a->serial = o->serial;
	a->queue_depth = o->queue_depth < ATA_QUEUE ? o->queue_depth : ATA_QUEUE;
	a->smart = true;
	a->revert = true;
	a->powered = loop_now();
	default_settings(a);
}

void ata_drive_power_on(struct ata_drive *a)
{
	a->sectors = 0;
}

void ata_drive_free(struct ata_drive *a)
{
	free(a->verify);
	free(a->trim);
	memset(a, 0, sizeof(*a));
}

void ata_drive_reset(struct ata_drive *a, enum ata_reset kind)
{
	a->queue_error.there = false;
	a->standby = a->asleep = false;
	a->current = NULL;
	a->queued = 0;
	if (kind == ATA_RESET_HARD && a->resets < UINT16_MAX)
		a->resets++;
	if (kind == ATA_RESET_HARD || a->revert)
		default_settings(a);
}

void ata_signature(struct ata_result *out)
{
	*out = (struct ata_result){ .status = READY, .error = 1, .count = 1, .lba = 1 };
}

/* ------------------------------------------------------------------------------- ends of a command */

/* The drive is free for the next one. */
static void leave(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;

	if (!cmd->begun)
		return;
	cmd->begun = false;
	if (cmd->protocol == ATA_NCQ)
		a->queued &= ~(1u << cmd->tag);
	else
		a->current = NULL;
}

static void end(struct ata_command *cmd)
{
	bool was_running = cmd->running;

	leave(cmd);
	cmd->running = false;
	if (was_running)
		cmd->done(cmd);
}

void ata_succeed(struct ata_command *cmd)
{
	cmd->out.status = READY;
	cmd->moved = cmd->length;
	end(cmd);
}

/* What log 10h will tell. Only the first error counts: the ones after it are its consequence. */
static void keep_queue_error(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;
	bool queued = cmd->protocol == ATA_NCQ;

	if (a->queue_error.there || (!queued && !a->queued))
		return;
	a->queue_error = (struct ata_queue_error){
		.there = true, .tag = (uint8_t)cmd->tag, .not_queued = !queued, .out = cmd->out,
	};
}

static void fail(struct ata_command *cmd, uint8_t error, uint64_t lba, bool keep)
{
	cmd->out.status = READY | ATA_ERR;
	cmd->out.error = error;
	cmd->out.lba = lba;
	cmd->moved = 0;
	if (keep)
		keep_queue_error(cmd);
	end(cmd);
}

bool ata_fail(struct ata_command *cmd, uint8_t error, uint64_t lba)
{
	fail(cmd, error, lba, true);
	return false;
}

void ata_fail_status(struct ata_command *cmd, int status)
{
	uint8_t error = ATA_ABRT;

	if (status == -EINVAL)
		error = ATA_IDNF;	/* the disk shrank since it was checked */
	else if (status == -EROFS)
		error = ATA_WP | ATA_ABRT;
	else if (cmd->rq.op == DEVICE_READ && status != -ECANCELED && status != -ENOMEM)
		error = ATA_UNC;
	/* What the controller ended is no error of the drive. */
	fail(cmd, error, cmd->rq.offset / ATA_SECTOR, status != -ECANCELED);
}

void ata_answer(struct ata_command *cmd, const void *data, size_t length)
{
	dma_fill(cmd->iov, cmd->iovcnt, 0, data, length);
	ata_succeed(cmd);
}

/* -------------------------------------------------------------------------- beginning of a command */

/* After an error in its queue a drive wants log 10h read first. */
static bool is_error_log(const struct ata_taskfile *in)
{
	return (in->command == 0x2f || in->command == 0x47) && (in->lba & 0xff) == 0x10;
}

static bool may_begin(const struct ata_drive *a, const struct ata_command *cmd)
{
	if (a->asleep || a->current)
		return false;
	if (a->queue_error.there && !is_error_log(&cmd->in))
		return false;
	if (cmd->protocol == ATA_NCQ)
		return a->queue_depth && cmd->tag < a->queue_depth &&
		       !(a->queued & 1u << cmd->tag);
	return !a->queued;
}

/* 28-bit commands do not see what is in the "previous" registers. */
static void narrow(struct ata_taskfile *in)
{
	in->features &= 0xff;
	in->count &= 0xff;
	in->lba &= 0xffffff;
}

bool ata_prepare(struct ata_command *cmd)
{
	const struct ata_operation *op = &operations[cmd->in.command];
	struct ata_drive *a = cmd->drive;

	if (!a->sectors)
		a->sectors = device_size(a->device) / ATA_SECTOR;
	cmd->protocol = op->protocol;
	cmd->direction = op->direction;
	cmd->length = cmd->moved = 0;
	cmd->block = ATA_SECTOR;
	cmd->flags = op->flags;
	cmd->begun = cmd->running = false;
	cmd->rq.op = DEVICE_OPS;
	cmd->in.lba &= 0xffffffffffff;
	if (!(op->flags & OP_EXT))
		narrow(&cmd->in);
	cmd->tag = op->protocol == ATA_NCQ ? cmd->in.count >> 3 & 31 : 0;
	cmd->out = (struct ata_result){
		.device = cmd->in.device, .count = cmd->in.count, .lba = cmd->in.lba,
	};
	if (!op->run || !may_begin(a, cmd))
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	if (op->prepare && !op->prepare(cmd))
		return false;
	if (op->flags & OP_MEDIUM)
		a->standby = false;
	if (cmd->protocol == ATA_NCQ)
		a->queued |= 1u << cmd->tag;
	else
		a->current = cmd;
	cmd->begun = true;
	return true;
}

void ata_submit(struct ata_command *cmd, const struct iovec *iov, int iovcnt)
{
	cmd->iov = iov;
	cmd->iovcnt = iovcnt;
	cmd->running = true;
	operations[cmd->in.command].run(cmd);
}

void ata_forget(struct ata_command *cmd)
{
	leave(cmd);
}

void ata_cancel(struct ata_command *cmd)
{
	if (cmd->running && cmd->rq.op != DEVICE_OPS)
		device_cancel(&cmd->rq);
}
