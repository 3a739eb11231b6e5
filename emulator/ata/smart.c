/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smart.c - SMART (ACS-3, 7.48): a disk that is well. Attributes are what VirtualBox's disks would
 * count. Self-tests find nothing, and so are over at once.
 */
#include <string.h>

#include "ata/private.h"
#include "bytes.h"
#include "core/loop.h"
#include "device/medium.h"

enum {
	READ_DATA = 0xd0, READ_THRESHOLDS = 0xd1, AUTOSAVE = 0xd2, EXECUTE = 0xd4, READ_LOG = 0xd5,
	ENABLE = 0xd8, DISABLE = 0xd9, RETURN_STATUS = 0xda,
};

#define KEY 0xc24f		/* in LBA mid and high */
#define REVISION 0x0010
#define COUNTED 0x0032		/* flags of an attribute: event count, online, kept */

/* Of EXECUTE OFF-LINE IMMEDIATE, in LBA low. */
enum {
	COLLECT = 0x00, SHORT = 0x01, EXTENDED = 0x02, ABORT = 0x7f, CAPTIVE = 0x80,
};

static bool is_self_test(uint8_t function)
{
	function &= (uint8_t)~CAPTIVE;
	return function == SHORT || function == EXTENDED;
}

static void execute(struct ata_drive *a, uint8_t function)
{
	struct ata_self_tests *t = &a->self_tests;

	if (function == COLLECT)
		a->collected = true;
	if (!is_self_test(function))
		return;
	if (t->count == ATA_SELF_TESTS)
		memmove(t->done, t->done + 1, --t->count * sizeof(*t->done));
	t->done[t->count].function = function;
	t->done[t->count++].hours = (uint16_t)ata_power_on_hours(a);
}

bool ata_prepare_smart(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;
	unsigned pages;

	if (cmd->in.lba >> 8 != KEY || (!a->smart && cmd->in.features != ENABLE))
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	switch (cmd->in.features) {
	case READ_DATA: case READ_THRESHOLDS:
		cmd->length = ATA_SECTOR;
		break;
	case READ_LOG:
		pages = ata_log_pages(a, cmd->in.lba & 0xff, true);
		if (!cmd->in.count || cmd->in.count > pages)
			return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
		cmd->length = cmd->in.count * ATA_SECTOR;
		break;
	case EXECUTE:
		if (is_self_test(cmd->in.lba & 0xff) || (cmd->in.lba & 0xff) == COLLECT ||
		    (cmd->in.lba & 0xff) == ABORT)
			return true;
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	case AUTOSAVE: case ENABLE: case DISABLE: case RETURN_STATUS:
		return true;
	default:
		return ata_fail(cmd, ATA_ABRT, cmd->in.lba);
	}
	cmd->protocol = ATA_PIO;
	cmd->direction = ATA_IN;
	return true;
}

uint32_t ata_power_on_hours(const struct ata_drive *a)
{
	return (uint32_t)((loop_now() - a->powered) / (3600ull * 1000000000));
}

struct attribute {
	uint8_t id;
	uint64_t raw;
};

static unsigned attributes(const struct ata_drive *a, struct attribute *out)
{
	struct device_statistics s;
	unsigned n = 0;

	device_get_statistics(a->device, &s);
	out[n++] = (struct attribute){ 5, 0 };		/* reallocated sectors */
	out[n++] = (struct attribute){ 9, ata_power_on_hours(a) };
	out[n++] = (struct attribute){ 12, 1 };		/* power cycles */
	out[n++] = (struct attribute){ 197, 0 };	/* pending sectors */
	out[n++] = (struct attribute){ 198, 0 };	/* uncorrectable, offline */
	out[n++] = (struct attribute){ 199, 0 };	/* CRC errors */
	out[n++] = (struct attribute){ 241, s.bytes[DEVICE_WRITE] / ATA_SECTOR };
	out[n++] = (struct attribute){ 242, s.bytes[DEVICE_READ] / ATA_SECTOR };
	return n;
}

static void data_page(const struct ata_drive *a, uint8_t page[ATA_SECTOR])
{
	struct attribute list[30];
	unsigned n = attributes(a, list);

	memset(page, 0, ATA_SECTOR);
	put_le16(page, REVISION);
	for (unsigned i = 0; i < n; i++) {
		uint8_t *at = page + 2 + 12 * i;
		uint8_t raw[8];

		at[0] = list[i].id;
		put_le16(at + 1, COUNTED);
		at[3] = at[4] = 100;
		put_le64(raw, list[i].raw);
		memcpy(at + 5, raw, 6);
	}
	page[362] = a->collected ? 2 : 0;	/* offline data: completed, or never started */
	page[367] = 0x11;		/* which can be asked for; self-tests */
	put_le16(page + 368, 3);	/* attributes are saved before and without power saving */
	page[370] = 1;			/* error log */
	page[372] = page[373] = 1;	/* minutes to wait for a self-test; there are no fewer */
	ata_checksum(page);
}

static void thresholds_page(const struct ata_drive *a, uint8_t page[ATA_SECTOR])
{
	struct attribute list[30];
	unsigned n = attributes(a, list);

	memset(page, 0, ATA_SECTOR);
	put_le16(page, REVISION);
	for (unsigned i = 0; i < n; i++)
		page[2 + 12 * i] = list[i].id;
	ata_checksum(page);
}

void ata_run_smart(struct ata_command *cmd)
{
	struct ata_drive *a = cmd->drive;
	uint8_t page[ATA_SECTOR];

	switch (cmd->in.features) {
	case READ_DATA:
		data_page(a, page);
		ata_answer(cmd, page, sizeof(page));
		return;
	case READ_THRESHOLDS:
		thresholds_page(a, page);
		ata_answer(cmd, page, sizeof(page));
		return;
	case READ_LOG:
		ata_run_log(cmd);
		return;
	case EXECUTE:
		execute(a, cmd->in.lba & 0xff);
		break;
	case ENABLE: case DISABLE:
		a->smart = cmd->in.features == ENABLE;
		break;
	}
	/* RETURN STATUS: the key as it was says that no threshold is exceeded. */
	ata_succeed(cmd);
}
