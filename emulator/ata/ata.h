/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ata.h - the ATA command set of a disk (ACS-3, and what older drivers need of ATA-4 to ATA-7), as
 * VirtualBox's disks have it, with NCQ, SMART and the general purpose logs added.
 *
 * It knows no registers of controllers and no frames of a wire: a controller brings the shadow
 * registers of a command, and data as an iovec.
 *
 *	ata_prepare(cmd)	checks the registers; says protocol, direction and length, or that the
 *				command is over (cmd->out has the error)
 *	ata_submit(cmd, iov)	moves the data; cmd->done(cmd) when cmd->out is filled
 *
 * Limits: no ATAPI, no security, no host protected area, no selective self-tests; logical
 * sectors of 512 bytes.
 *
 * Threads     The controller's thread alone.
 */
#ifndef VIMG_ATA_H
#define VIMG_ATA_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "device/device.h"

#define ATA_SECTOR 512u
#define ATA_QUEUE 32u

/* Status. */
#define ATA_BSY 0x80u
#define ATA_DRDY 0x40u
#define ATA_DF 0x20u
#define ATA_SEEK 0x10u
#define ATA_DRQ 0x08u
#define ATA_ERR 0x01u
/* Error. */
#define ATA_ABRT 0x04u
#define ATA_IDNF 0x10u
#define ATA_UNC 0x40u		/* of reads */
#define ATA_WP 0x40u		/* of writes */
#define ATA_ICRC 0x80u

/* Device. */
#define ATA_DEVICE_LBA 0x40u

/*
 * What the host wrote. The registers of 48-bit commands: lba and count with their "previous"
 * content on top. Of a 28-bit command only the low 24 and 8 bits count, and device has the rest.
 */
struct ata_taskfile {
	uint8_t command, device;
	uint16_t features, count;
	uint64_t lba;
};

/* What the host may read afterwards. */
struct ata_result {
	uint8_t status, error, device;
	uint16_t count;
	uint64_t lba;
};

enum ata_protocol {
	ATA_NON_DATA,
	ATA_PIO,
	ATA_DMA,
	ATA_NCQ,
};

enum ata_direction { ATA_NONE, ATA_IN, ATA_OUT };

struct ata_drive;

struct ata_command {
	/* The controller's, before prepare. */
	struct ata_drive *drive;
	struct ata_taskfile in;
	void (*done)(struct ata_command *cmd);
	void *opaque;

	/* After prepare. */
	enum ata_protocol protocol;
	enum ata_direction direction;
	uint64_t length;		/* bytes of data */
	uint32_t block;			/* PIO: bytes between two interrupts, the last may be shorter */
	unsigned tag;			/* NCQ */

	/* At the end. moved: 0 or length; nothing is promised of data of a command that failed. */
	struct ata_result out;
	uint64_t moved;

	/* private */
	struct device_request rq;
	const struct iovec *iov;
	int iovcnt;
	uint64_t first, sectors;
	unsigned flags;
	bool begun, running;		/* has the drive or its tag; was submitted */
};

/* An error of a queued command, kept for log 10h. While it is there the drive takes nothing else. */
struct ata_queue_error {
	bool there;
	uint8_t tag;
	bool not_queued;
	struct ata_result out;
};

/* Self-tests that were run since power-on: the last ones, the oldest first. */
#define ATA_SELF_TESTS 19u
struct ata_self_tests {
	unsigned count;
	struct {
		uint8_t function;
		uint16_t hours;
	} done[ATA_SELF_TESTS];
};

struct ata_verify;
struct ata_trim;

struct ata_drive {
	struct device *device;
	bool serial;			/* SATA */
	unsigned queue_depth;		/* of NCQ; 0: none */

	/* Settings of the guest. */
	uint8_t multiple;		/* sectors; 0: off */
	uint8_t transfer_mode;		/* as SET FEATURES has it */
	uint16_t heads, per_track;	/* current translation */
	bool write_cache, look_ahead, smart, revert;
	bool standby, asleep;

	/* What it does. */
	struct ata_command *current;	/* not queued */
	uint32_t queued;		/* tags */
	struct ata_queue_error queue_error;
	struct ata_verify *verify;
	struct ata_trim *trim;
	uint64_t powered;		/* loop_now() */
	uint64_t sectors;		/* what a guest was told; 0: it was told nothing yet */
	uint16_t resets;		/* by COMRESET */
	bool collected;			/* offline data */
	struct ata_self_tests self_tests;
};

struct ata_options {
	bool serial;
	unsigned queue_depth;
};

/* Powered on. The device must outlive it. */
void ata_drive_init(struct ata_drive *a, struct device *d, const struct ata_options *o);
void ata_drive_free(struct ata_drive *a);	/* nothing is running; zeroed memory is allowed */
/*
 * The machine was switched on or reset: what was resized has its new size from the next command on.
 * Until then it keeps the old one, since guests throw out a disk whose size has changed.
 */
void ata_drive_power_on(struct ata_drive *a);

enum ata_reset { ATA_RESET_HARD, ATA_RESET_SOFT };

/* No command is running: a controller quiesces the device first. */
void ata_drive_reset(struct ata_drive *a, enum ata_reset kind);
/* The registers after a reset: what tells a disk from other drives. */
void ata_signature(struct ata_result *out);

/* True: submit it, with an iovec of cmd->length bytes (none for 0). False: it is over, done() is
 * not called. */
bool ata_prepare(struct ata_command *cmd);
/* done() is called exactly once, perhaps before this returns. */
void ata_submit(struct ata_command *cmd, const struct iovec *iov, int iovcnt);
/* A prepared command that will not be submitted. */
void ata_forget(struct ata_command *cmd);
/* Asks a submitted one to end soon. */
void ata_cancel(struct ata_command *cmd);

#endif
