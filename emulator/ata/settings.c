/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings.c - ATA commands that change or tell how the drive works: features, power, geometry. */
#include "ata/private.h"

#define MOST_MULTIPLE 128u

/* ------------------------------------------------------------------------------------- features */

enum {
	WRITE_CACHE_ON = 0x02, TRANSFER_MODE = 0x03, LOOK_AHEAD_OFF = 0x55, REVERT_OFF = 0x66,
	WRITE_CACHE_OFF = 0x82, LOOK_AHEAD_ON = 0xaa, REVERT_ON = 0xcc,
};

/* PIO default, PIO 0-4, multi-word DMA 0-2, Ultra DMA 0-6. */
static bool is_mode(unsigned mode)
{
	return mode <= 1 || (mode >= 0x08 && mode <= 0x0c) || (mode >= 0x20 && mode <= 0x22) ||
	       (mode >= 0x40 && mode <= 0x46);
}

bool ata_prepare_features(struct ata_command *cmd)
{
	switch (cmd->in.features) {
	case TRANSFER_MODE:
		if (is_mode(cmd->in.count))
			return true;
		break;
	case WRITE_CACHE_ON: case WRITE_CACHE_OFF: case LOOK_AHEAD_ON: case LOOK_AHEAD_OFF:
	case REVERT_ON: case REVERT_OFF:
		return true;
	}
	return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
}

void ata_run_features(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;

	switch (cmd->in.features) {
	case TRANSFER_MODE:
		a->transfer_mode = (uint8_t)cmd->in.count;
		break;
	case WRITE_CACHE_ON: case WRITE_CACHE_OFF:
		a->write_cache = cmd->in.features == WRITE_CACHE_ON;
		break;
	case LOOK_AHEAD_ON: case LOOK_AHEAD_OFF:
		a->look_ahead = cmd->in.features == LOOK_AHEAD_ON;
		break;
	case REVERT_ON: case REVERT_OFF:
		a->revert = cmd->in.features == REVERT_ON;
		break;
	}
	if (cmd->in.features == WRITE_CACHE_OFF)
		ata_run_flush(cmd);	/* what is in the cache has to reach the disk first */
	else
		ata_succeed(cmd);
}

bool ata_prepare_multiple(struct ata_command *cmd)
{
	unsigned n = cmd->in.count;

	if (n > MOST_MULTIPLE || n & (n - 1))
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	return true;
}

void ata_run_multiple(struct ata_command *cmd)
{
	cmd->drive->multiple = (uint8_t)cmd->in.count;
	ata_succeed(cmd);
}

/* INITIALIZE DEVICE PARAMETERS: the translation of addresses by cylinder, head and sector. */
void ata_run_parameters(struct ata_command *cmd)
{
	if (!cmd->in.count) {
		ata_fail(cmd, ATA_ABRT, cmd->in.lba);
		return;
	}
	cmd->drive->heads = (cmd->in.device & 0xf) + 1;
	cmd->drive->per_track = cmd->in.count;
	ata_succeed(cmd);
}

/* ---------------------------------------------------------------------------------------- power */

void ata_run_check_power(struct ata_command *cmd)
{
	cmd->out.count = cmd->drive->standby ? 0x00 : 0xff;
	ata_succeed(cmd);
}

/* A drive that stops has written its cache. */
void ata_run_standby(struct ata_command *cmd)
{
	cmd->drive->standby = true;
	ata_run_flush(cmd);
}

void ata_run_idle(struct ata_command *cmd)
{
	cmd->drive->standby = false;
	ata_succeed(cmd);
}

/* Only a reset wakes it. */
void ata_run_sleep(struct ata_command *cmd)
{
	cmd->drive->asleep = true;
	ata_run_flush(cmd);
}

/* ---------------------------------------------------------------------------------------- others */

void ata_run_diagnostic(struct ata_command *cmd)
{
	ata_signature(&cmd->out);	/* with the code for "passed" in the error register */
	ata_succeed(cmd);
}

void ata_run_native_max(struct ata_command *cmd)
{
	uint64_t most = cmd->flags & OP_EXT ? ~0ull >> 16 : (1u << 28) - 1;
	uint64_t last = ata_sectors(cmd->drive);

	last = last ? last - 1 : 0;
	last = last < most ? last : most;
	cmd->out.lba = last;
	if (!(cmd->flags & OP_EXT)) {
		cmd->out.lba = last & 0xffffff;
		cmd->out.device = (uint8_t)((cmd->in.device & 0xf0) | last >> 24);
	}
	ata_succeed(cmd);
}
