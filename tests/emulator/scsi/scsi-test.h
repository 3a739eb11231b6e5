/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scsi-test.h - a bus with disks in memory, and commands on it that are waited for.
 *
 *	lab_open(&(struct lab_options){0});
 *	GOOD(run(buf, sizeof(buf), INQUIRY(0, 0, sizeof(buf))));
 *	SENSE(run(NULL, 0, 0x28, 0, ...), ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE);
 */
#ifndef SCSI_TEST_H
#define SCSI_TEST_H

#include "device/medium.h"
#include "emulator-test.h"
#include "scsi/unit.h"

#define LAB_UNITS 4
#define BLOCK 512u

struct lab_options {
	uint64_t size;			/* of disks; 0: 1 MiB */
	bool keep_attention;		/* power-on is not told yet */
	bool no_discard, readonly, nonrotational, wait_for_space, bounce;
	bool no_autosense;
	unsigned initiators;
	uint32_t max_transfer;
};

static struct lab {
	struct loop *loop;
	struct device_host *host;
	struct scsi_bus *bus;
	struct device *device[LAB_UNITS];
	struct vd_disk *disk[LAB_UNITS];
	struct vd_storage *stall[LAB_UNITS], *fault[LAB_UNITS];
	unsigned changes[3];		/* by enum scsi_change */
	unsigned dones;
	/* Where the next command goes. */
	unsigned target, initiator;
	uint64_t lun, tag;
	enum scsi_attribute attribute;
} lab;

/* What command waits for, or was last. */
static struct scsi_command command;

static void lab_changed(void *opaque, unsigned target, unsigned lun, enum scsi_change change)
{
	(void)opaque;
	(void)target;
	(void)lun;
	lab.changes[change]++;
}

/* A disk that is on no bus yet. */
__attribute__((unused))
static void lab_disk(unsigned i, const struct lab_options *o)
{
	struct vd_storage *s;
	struct medium *m;
	struct device_options d = {
		.discard = !o->no_discard, .nonrotational = o->nonrotational,
		.on_full = o->wait_for_space ? DEVICE_FULL_WAIT : DEVICE_FULL_ERROR,
		.physical_block_size = 4096, .may_stall = o->bounce,
	};

	CHECK_OK(storage_open_memory(o->size ? o->size : 1 << 20, 1, &s));
	CHECK_OK(storage_open_stall(s, &lab.stall[i]));
	CHECK_OK(storage_open_fault(lab.stall[i], &lab.fault[i]));
	lab.fault[i]->writable = !o->readonly;
	lab.disk[i] = disk_on(lab.fault[i]);
	CHECK_OK(medium_of_disk(lab.disk[i], &m));
	CHECK_OK(device_new(m, &d, &lab.device[i], NULL));
	medium_unref(m);
	device_join(lab.device[i], lab.host);
}

__attribute__((unused))
static void lab_settle(void)
{
	for (int i = 0; i < 3; i++)
		loop_once(lab.loop, 0);
}

static void lab_count(struct scsi_command *cmd)
{
	(*(unsigned *)cmd->opaque)++;
	lab.dones++;
}

/* Goes wherever lab.target and the rest say; waited for. Data out is taken from buf. */
__attribute__((unused))
static struct scsi_command *run_cdb(const uint8_t *cdb, unsigned length, void *buf, size_t n)
{
	struct iovec iov = {buf, n};
	unsigned done = 0;

	memset(&command, 0, sizeof(command));
	command.target = lab.target;
	command.lun = lab.lun;
	command.initiator = lab.initiator;
	command.tag = lab.tag;
	command.attribute = lab.attribute;
	memcpy(command.cdb, cdb, length);
	command.cdb_length = length;
	command.done = lab_count;
	command.opaque = &done;
	if (!scsi_prepare(lab.bus, &command)) {
		CHECK_EQ(command.state, STATE_IDLE);
		return &command;
	}
	CHECK_EQ(!command.length, command.direction == SCSI_NO_DATA);
	iov.iov_len = min_u64(n, command.length);
	scsi_submit(&command, &iov, iov.iov_len ? 1 : 0, iov.iov_len);
	while (!done)
		loop_once(lab.loop, 1000);
	CHECK_EQ(done, 1);
	CHECK_EQ(command.state, STATE_IDLE);
	CHECK(command.transferred <= iov.iov_len);
	return &command;
}

#define run(buf, n, ...)								\
	run_cdb((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), buf, n)

#define B2(v) (uint8_t)((v) >> 8), (uint8_t)(v)
#define B4(v) B2((uint32_t)(v) >> 16), B2((uint32_t)(v))
#define B8(v) B4((uint64_t)(v) >> 32), B4(v)

#define TEST_UNIT_READY 0x00, 0, 0, 0, 0, 0
#define REQUEST_SENSE(desc, n) 0x03, desc, 0, 0, n, 0
#define INQUIRY(evpd, page, n) 0x12, evpd, page, B2(n), 0
#define READ_10(lba, blocks) 0x28, 0, B4(lba), 0, B2(blocks), 0
#define WRITE_10(lba, blocks) 0x2a, 0, B4(lba), 0, B2(blocks), 0
#define READ_16(lba, blocks) 0x88, 0, B8(lba), B4(blocks), 0, 0
#define WRITE_16(lba, blocks) 0x8a, 0, B8(lba), B4(blocks), 0, 0
#define MODE_SENSE_6(page, sub, n) 0x1a, 0, page, sub, n, 0
#define MODE_SENSE_10(page, sub, n) 0x5a, 0, page, sub, 0, 0, 0, B2(n), 0
#define MODE_SELECT_6(n) 0x15, 0x10, 0, 0, n, 0
#define MODE_SELECT_10(n) 0x55, 0x10, 0, 0, 0, 0, 0, B2(n), 0
#define REPORT_LUNS(n) 0xa0, 0, 0, 0, 0, 0, B4(n), 0, 0

static void lab_add(unsigned i, unsigned target, unsigned lun, const struct lab_options *o)
{
	lab_disk(i, o);
	CHECK_OK(scsi_bus_attach(lab.bus, target, lun, lab.device[i]));
}

/* With a disk at target 0, LUN 0. */
__attribute__((unused))
static void lab_open(const struct lab_options *o)
{
	lab = (struct lab){0};
	CHECK_OK(loop_new(&lab.loop));
	CHECK_OK(device_host_new(lab.loop, &lab.host));
	CHECK_OK(scsi_bus_new(&(struct scsi_bus_options){
		.loop = lab.loop, .targets = 16, .luns = 1024, .initiators = o->initiators,
		.autosense = !o->no_autosense, .max_transfer = o->max_transfer,
		.changed = lab_changed}, &lab.bus));
	lab_add(0, 0, 0, o);
	for (unsigned i = 0; !o->keep_attention && i < (o->initiators ? o->initiators : 1); i++) {
		lab.initiator = i;
		run(NULL, 0, TEST_UNIT_READY);
		run(NULL, 0, TEST_UNIT_READY);	/* takes away sense that was kept */
	}
	lab.initiator = 0;
}

static void lab_gone(void *opaque, struct device *device)
{
	*(struct device **)opaque = device;
}

__attribute__((unused))
static void lab_remove(unsigned i)
{
	struct device *gone = NULL;

	scsi_bus_detach(lab.bus, lab.device[i], lab_gone, &gone);
	while (!gone)
		loop_once(lab.loop, 1000);
	CHECK(gone == lab.device[i]);
	device_leave(lab.device[i]);
	device_free(lab.device[i]);
	lab.device[i] = NULL;
}

__attribute__((unused))
static void lab_close(void)
{
	lab_settle();
	CHECK_EQ(scsi_bus_in_flight(lab.bus), 0);
	for (unsigned i = 0; i < LAB_UNITS; i++)
		if (lab.device[i])
			lab_remove(i);
	scsi_bus_free(lab.bus);
	device_host_free(lab.host);
	loop_free(lab.loop);
}

/* ------------------------------------------------------------------------------------ answers */

struct sense_read {
	unsigned key, asc;
	bool valid, field;
	uint64_t information;
	unsigned byte;
	int bit;
	bool in_cdb;
};

static void sense_field_of(struct sense_read *s, const uint8_t *p)
{
	s->field = p[0] & 0x80;
	s->in_cdb = p[0] & 0x40;
	s->bit = p[0] & 0x08 ? p[0] & 7 : -1;
	s->byte = be16(p + 1);
}

__attribute__((unused))
static struct sense_read sense_read(const uint8_t *p, unsigned n)
{
	struct sense_read s = {.key = p[2] & 15, .asc = be16(p + 12), .valid = p[0] & 0x80,
			       .information = be32(p + 3)};

	CHECK(n >= 8);
	if ((p[0] & 0x7f) == 0x70) {
		CHECK_EQ(n, 18);
		CHECK_EQ(p[7], n - 8);
		sense_field_of(&s, p + 15);
		return s;
	}
	CHECK_EQ(p[0], 0x72);
	CHECK_EQ(p[7], n - 8);
	s = (struct sense_read){.key = p[1], .asc = be16(p + 2)};
	for (unsigned at = 8; at + 2 <= n; at += 2u + p[at + 1]) {
		if (p[at] == 0) {
			s.valid = p[at + 2] & 0x80;
			s.information = be64(p + at + 4);
		} else if (p[at] == 2) {
			sense_field_of(&s, p + at + 4);
		}
	}
	return s;
}

#define GOOD(call)									\
	do {										\
		struct scsi_command *c_ = (call);					\
		if (c_->response || c_->status)						\
			test_fail(__FILE__, __LINE__,					\
				  "response %d, status %#x, sense %x/%02x%02x",		\
				  (int)c_->response, (unsigned)c_->status,		\
				  c_->sense[2], c_->sense[12], c_->sense[13]);		\
	} while (0)

#define SENSE(call, k, a)								\
	do {										\
		struct scsi_command *c_ = (call);					\
		struct sense_read s_;							\
		CHECK_EQ(c_->response, SCSI_COMPLETE);					\
		CHECK_EQ(c_->status, SCSI_CHECK_CONDITION);				\
		s_ = sense_read(c_->sense, c_->sense_length);				\
		CHECK_EQ(s_.key, k);							\
		CHECK_EQ(s_.asc, a);							\
	} while (0)

/* INVALID FIELD IN CDB, or in the parameter list, with a pointer there. */
#define FIELD(call, where, bytenr, bitnr)						\
	do {										\
		struct scsi_command *f_ = (call);					\
		struct sense_read p_;							\
		SENSE(f_, ILLEGAL_REQUEST, where);					\
		p_ = sense_read(f_->sense, f_->sense_length);				\
		CHECK(p_.field);							\
		CHECK_EQ(p_.in_cdb, (where) == ASC_INVALID_FIELD_IN_CDB);		\
		CHECK_EQ(p_.byte, bytenr);						\
		CHECK_EQ(p_.bit, bitnr);						\
	} while (0)
#define BAD_CDB(call, bytenr, bitnr) FIELD(call, ASC_INVALID_FIELD_IN_CDB, bytenr, bitnr)
#define BAD_LIST(call, bytenr, bitnr) FIELD(call, ASC_INVALID_FIELD_IN_LIST, bytenr, bitnr)

#define BEYOND(call) SENSE(call, ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE)

#endif
