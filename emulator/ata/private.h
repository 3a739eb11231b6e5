/* SPDX-License-Identifier: GPL-2.0-or-later */
/* private.h - between the files of the ATA command set. */
#ifndef VIMG_ATA_PRIVATE_H
#define VIMG_ATA_PRIVATE_H

#include "ata/ata.h"

/* One command. prepare() may be NULL; it fills in length, or fails the command (false). */
struct ata_operation {
	enum ata_protocol protocol;
	enum ata_direction direction;
	unsigned flags;
	bool (*prepare)(struct ata_command *cmd);
	void (*run)(struct ata_command *cmd);
};

/* Flags. */
#define OP_EXT 1u		/* 48 bits */
#define OP_MEDIUM 2u		/* leaves standby */
#define OP_FUA 4u
#define OP_MULTIPLE 8u

/* The two ends of a command; both call done() unless it was not submitted yet. */
void ata_succeed(struct ata_command *cmd);
/* Always false, for prepare functions. */
bool ata_fail(struct ata_command *cmd, uint8_t error, uint64_t lba);
/* With error bits after a status of the device layer. */
void ata_fail_status(struct ata_command *cmd, int status);
/* Succeeds with a page of data. */
void ata_answer(struct ata_command *cmd, const void *data, size_t length);

static inline uint64_t ata_sectors(const struct ata_drive *a)
{
	return a->sectors;
}

/* transfer.c: first and sectors of the registers, in any addressing; fails those beyond the end. */
bool ata_prepare_address(struct ata_command *cmd);
bool ata_prepare_transfer(struct ata_command *cmd);
bool ata_prepare_queued(struct ata_command *cmd);
bool ata_prepare_verify(struct ata_command *cmd);
void ata_run_transfer(struct ata_command *cmd);
void ata_run_verify(struct ata_command *cmd);
void ata_run_flush(struct ata_command *cmd);
/* trim.c: one payload has at most that many blocks. */
#define ATA_TRIM_BLOCKS 8u
bool ata_prepare_trim(struct ata_command *cmd);
void ata_run_trim(struct ata_command *cmd);
/* settings.c */
bool ata_prepare_multiple(struct ata_command *cmd);
bool ata_prepare_features(struct ata_command *cmd);
void ata_run_features(struct ata_command *cmd);
void ata_run_multiple(struct ata_command *cmd);
void ata_run_parameters(struct ata_command *cmd);
void ata_run_check_power(struct ata_command *cmd);
void ata_run_standby(struct ata_command *cmd);
void ata_run_idle(struct ata_command *cmd);
void ata_run_sleep(struct ata_command *cmd);
void ata_run_diagnostic(struct ata_command *cmd);
void ata_run_native_max(struct ata_command *cmd);
/* identify.c */
void ata_identify(const struct ata_drive *a, uint8_t page[ATA_SECTOR]);
void ata_run_identify(struct ata_command *cmd);
bool ata_prepare_identify(struct ata_command *cmd);
/* smart.c */
bool ata_prepare_smart(struct ata_command *cmd);
void ata_run_smart(struct ata_command *cmd);
/* log.c */
bool ata_prepare_log(struct ata_command *cmd);
void ata_run_log(struct ata_command *cmd);
/* Pages of log `address`; 0: there is none. smart: as SMART READ LOG has it. */
unsigned ata_log_pages(const struct ata_drive *a, uint8_t address, bool smart);
void ata_log_page(const struct ata_drive *a, uint8_t address, unsigned number, bool smart,
		  uint8_t page[ATA_SECTOR]);
/* The last byte makes the sum of all zero. */
void ata_checksum(uint8_t page[ATA_SECTOR]);
uint32_t ata_power_on_hours(const struct ata_drive *a);

#endif
