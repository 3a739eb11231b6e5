/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - logs (ACS-3, annex A): READ LOG EXT, READ LOG DMA EXT, SMART READ LOG.
 *
 *	00	directory
 *	01, 03	errors: none (the second for READ LOG EXT)
 *	04	device statistics
 *	06, 07	self-tests (the second for READ LOG EXT)
 *	10	error of a queued command
 *	11	counters of the link
 *	30	IDENTIFY DEVICE data
 */
#include <string.h>

#include "ata/private.h"
#include "bytes.h"
#include "core/dma.h"
#include "device/medium.h"

enum { DIRECTORY = 0x00, ERRORS = 0x01, ERRORS_EXT = 0x03, STATISTICS = 0x04, SELF_TESTS = 0x06,
       SELF_TESTS_EXT = 0x07, QUEUE_ERROR = 0x10, LINK = 0x11, IDENTIFY = 0x30 };

/* A field of 64 bits that is there, and one that is there and has a value. */
#define THERE (1ull << 63)
#define VALID (3ull << 62)

unsigned ata_log_pages(const struct ata_drive *a, uint8_t address, bool smart)
{
	switch (address) {
	case DIRECTORY:
		return 1;
	case ERRORS: case SELF_TESTS:
		return smart;
	case ERRORS_EXT: case SELF_TESTS_EXT:
		return !smart;
	case STATISTICS:
		return 2;
	case QUEUE_ERROR:
		return !smart && a->queue_depth;
	case LINK:
		return !smart && a->serial;
	case IDENTIFY:
		return 6;
	}
	return 0;
}

static void directory_page(const struct ata_drive *a, bool smart, uint8_t *page)
{
	put_le16(page, 1);
	for (unsigned address = 1; address < 256; address++)
		put_le16(page + 2 * address,
			 (uint16_t)ata_log_pages(a, (uint8_t)address, smart));
}

/* No error was logged yet. */
static void errors_page(uint8_t *page)
{
	page[0] = 1;
	ata_checksum(page);
}

/* ACS-3, A.15 and A.16: a ring in the log; what is older was dropped before it came round. */
static void self_tests_page(const struct ata_drive *a, bool smart, uint8_t *page)
{
	const struct ata_self_tests *t = &a->self_tests;
	unsigned first = smart ? 2 : 4, stride = smart ? 24 : 26;

	page[0] = 1;
	page[smart ? 508 : 2] = (uint8_t)t->count;	/* the newest; 0: there is none */
	for (unsigned i = 0; i < t->count; i++) {
		uint8_t *at = page + first + i * stride;

		at[0] = t->done[i].function;
		put_le16(at + 2, t->done[i].hours);	/* its status, 0: no error */
	}
	ata_checksum(page);
}

/* SATA 3.x, 13.7.3: each with its number, whose bits 14:12 are its length in words. */
static void link_page(const struct ata_drive *a, uint8_t *page)
{
	put_le16(page + 4, 0x1001);		/* commands that ended with ICRC: none */
	put_le16(page + 8, 0x100a);		/* signatures after a COMRESET */
	put_le16(page + 10, a->resets);
	ata_checksum(page);
}

static void statistics_page(const struct ata_drive *a, unsigned number, uint8_t *page)
{
	struct device_statistics s;

	put_le64(page, (uint64_t)number << 16 | 1);
	if (!number) {
		page[8] = 2;		/* pages that there are */
		page[9] = 0;
		page[10] = 1;
		return;
	}
	device_get_statistics(a->device, &s);
	put_le64(page + 8, VALID | 1);					/* power-on resets */
	put_le64(page + 16, VALID | ata_power_on_hours(a));
	put_le64(page + 24, VALID | s.bytes[DEVICE_WRITE] / ATA_SECTOR);
	put_le64(page + 32, VALID | s.requests[DEVICE_WRITE]);
	put_le64(page + 40, VALID | s.bytes[DEVICE_READ] / ATA_SECTOR);
	put_le64(page + 48, VALID | s.requests[DEVICE_READ]);
}

/* SATA 3.x, 13.7.2: which tag it was, and the registers as they were. */
static void queue_error_page(const struct ata_drive *a, uint8_t *page)
{
	const struct ata_queue_error *e = &a->queue_error;

	page[0] = e->there ? (uint8_t)(e->tag | (e->not_queued ? 0x80 : 0)) : 0x80;
	if (e->there) {
		page[2] = e->out.status;
		page[3] = e->out.error;
		page[4] = (uint8_t)e->out.lba;
		page[5] = (uint8_t)(e->out.lba >> 8);
		page[6] = (uint8_t)(e->out.lba >> 16);
		page[7] = e->out.device;
		page[8] = (uint8_t)(e->out.lba >> 24);
		page[9] = (uint8_t)(e->out.lba >> 32);
		page[10] = (uint8_t)(e->out.lba >> 40);
		put_le16(page + 12, e->out.count);
	}
	ata_checksum(page);
}

/* Words of IDENTIFY as they are. */
static void put_text(uint8_t *to, const uint8_t *identify, unsigned word, unsigned words)
{
	memcpy(to, identify + 2 * word, 2 * words);
}

static void identify_page(const struct ata_drive *a, unsigned number, uint8_t *page)
{
	uint8_t identify[ATA_SECTOR];

	ata_identify(a, identify);
	if (number == 1) {
		memcpy(page, identify, ATA_SECTOR);
		return;
	}
	put_le64(page, THERE | (uint64_t)number << 16 | 1);
	switch (number) {
	case 0:
		page[8] = 4;
		page[10] = 1;
		page[11] = 2;
		page[12] = 5;
		break;
	case 2:
		put_le64(page + 8, THERE | ata_sectors(a));
		put_le64(page + 16, THERE | 1ull << 62 |
			 (uint64_t)(identify[2 * 106] & 0xf) << 16);
		put_le64(page + 24, THERE | ATA_SECTOR / 2);
		break;
	case 5:
		put_text(page + 8, identify, 10, 10);
		put_text(page + 32, identify, 23, 4);
		put_text(page + 48, identify, 27, 20);
		break;
	default:
		memset(page, 0, ATA_SECTOR);	/* none of these */
	}
}

void ata_log_page(const struct ata_drive *a, uint8_t address, unsigned number, bool smart,
		  uint8_t page[ATA_SECTOR])
{
	memset(page, 0, ATA_SECTOR);
	switch (address) {
	case DIRECTORY:
		directory_page(a, smart, page);
		break;
	case ERRORS: case ERRORS_EXT:
		errors_page(page);
		break;
	case STATISTICS:
		statistics_page(a, number, page);
		break;
	case SELF_TESTS: case SELF_TESTS_EXT:
		self_tests_page(a, smart, page);
		break;
	case LINK:
		link_page(a, page);
		break;
	case QUEUE_ERROR:
		queue_error_page(a, page);
		break;
	case IDENTIFY:
		identify_page(a, number, page);
		break;
	}
}

/* The first page's number in the registers of READ LOG EXT. */
static unsigned first_page(const struct ata_command *cmd)
{
	return (unsigned)((cmd->in.lba >> 8 & 0xff) | (cmd->in.lba >> 24 & 0xff00));
}

bool ata_prepare_log(struct ata_command *cmd)
{
	unsigned pages = ata_log_pages(cmd->drive, cmd->in.lba & 0xff, false);
	unsigned first = first_page(cmd);

	if (!cmd->in.count || first >= pages || cmd->in.count > pages - first)
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	cmd->length = cmd->in.count * ATA_SECTOR;
	return true;
}

void ata_run_log(struct ata_command *cmd)
{
	bool smart = cmd->in.command == 0xb0;
	uint8_t address = cmd->in.lba & 0xff, page[ATA_SECTOR];
	unsigned first = smart ? 0 : first_page(cmd);

	for (unsigned i = 0; i < cmd->in.count; i++) {
		ata_log_page(cmd->drive, address, first + i, smart, page);
		dma_fill(cmd->iov, cmd->iovcnt, (uint64_t)i * ATA_SECTOR, page, sizeof(page));
	}
	if (address == LINK && cmd->in.features & 1)
		cmd->drive->resets = 0;
	if (address == QUEUE_ERROR)
		cmd->drive->queue_error.there = false;
	ata_succeed(cmd);
}
