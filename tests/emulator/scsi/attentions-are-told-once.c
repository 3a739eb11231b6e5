/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit attentions, sense data in both formats and both ways of delivery, states of the unit. */
#include "scsi-test.h"

static uint8_t in[512];

#define ATTENTION(asc) SENSE(run(NULL, 0, TEST_UNIT_READY), UNIT_ATTENTION, asc)
#define READY_NOW() GOOD(run(NULL, 0, TEST_UNIT_READY))

static void managed(struct scsi_task *t)
{
	*(bool *)t->opaque = true;
}

static void reset(enum scsi_function function)
{
	bool done = false;
	struct scsi_task t = {.function = function, .initiator = lab.initiator, .done = managed,
			      .opaque = &done};

	scsi_manage(lab.bus, &t);
	while (!done)
		loop_once(lab.loop, 1000);
	CHECK_EQ(t.response, SCSI_FUNCTION_COMPLETE);
}

/* The three commands that go before it do not take it away, but REQUEST SENSE tells it. */
static void test_power_on(void)
{
	lab_open(&(struct lab_options){.keep_attention = true, .initiators = 2});
	GOOD(run(in, 36, INQUIRY(0, 0, 36)));
	GOOD(run(in, 64, REPORT_LUNS(64)));
	ATTENTION(0x2901);
	READY_NOW();
	lab.initiator = 1;
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[2], UNIT_ATTENTION);
	CHECK_EQ(be16(in + 12), 0x2901);
	READY_NOW();
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[0], 0x70);
	CHECK_EQ(in[2], NO_SENSE);
	CHECK_EQ(be16(in + 12), 0);
	lab_close();
}

/* Before what is wrong with the command itself. */
static void test_attention_first(void)
{
	lab_open(&(struct lab_options){.keep_attention = true});
	SENSE(run(in, 512, 0xff, 0, 0, 0, 0, 0), UNIT_ATTENTION, 0x2901);
	SENSE(run(in, 512, 0xff, 0, 0, 0, 0, 0), ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	lab_close();
}

static void test_resize(void)
{
	lab_open(&(struct lab_options){.initiators = 2});
	scsi_bus_resized(lab.bus, lab.device[0]);
	CHECK_EQ(lab.changes[SCSI_UNIT_RESIZED], 1);
	scsi_bus_resized(lab.bus, lab.device[0]);	/* told once all the same */
	ATTENTION(0x2a09);
	READY_NOW();
	lab.initiator = 1;
	ATTENTION(0x2a09);
	READY_NOW();
	lab_close();
}

/* Initiators that did not change them are told. */
static void test_mode_changed(void)
{
	lab_open(&(struct lab_options){.initiators = 2});
	GOOD(run(in, 255, 0x1a, 0x08, 0x08, 0, 255, 0));
	memset(in, 0, 4);
	in[6] ^= 4;
	GOOD(run(in, 24, MODE_SELECT_6(24)));
	READY_NOW();
	lab.initiator = 1;
	ATTENTION(0x2a01);
	READY_NOW();
	lab_close();
}

static void test_luns_changed(void)
{
	lab_open(&(struct lab_options){0});
	lab_add(1, 0, 1, &(struct lab_options){0});
	CHECK_EQ(lab.changes[SCSI_UNIT_ADDED], 2);
	ATTENTION(0x3f0e);
	READY_NOW();
	lab_remove(1);
	CHECK_EQ(lab.changes[SCSI_UNIT_REMOVED], 1);
	GOOD(run(in, 64, REPORT_LUNS(64)));		/* which tells it, too */
	READY_NOW();
	lab_add(1, 1, 0, &(struct lab_options){0});	/* another target: not its business */
	READY_NOW();
	lab_close();
}

static void test_resets(void)
{
	static const struct { enum scsi_function function; uint16_t asc; } resets[] = {
		{SCSI_LUN_RESET, 0x2903}, {SCSI_TARGET_RESET, 0x2903}, {SCSI_BUS_RESET, 0x2902},
		{SCSI_POWER_ON, 0x2901},
	};

	lab_open(&(struct lab_options){.initiators = 2});
	for (unsigned i = 0; i < ARRAY_SIZE(resets); i++) {
		reset(resets[i].function);
		ATTENTION(resets[i].asc);
		READY_NOW();
		lab.initiator = 1;
		ATTENTION(resets[i].asc);
		READY_NOW();
		lab.initiator = 0;
	}
	reset(SCSI_I_T_NEXUS_RESET);
	ATTENTION(0x2907);
	lab.initiator = 1;
	READY_NOW();
	/* Several: in order, the most important first. */
	reset(SCSI_I_T_NEXUS_RESET);
	scsi_bus_resized(lab.bus, lab.device[0]);
	reset(SCSI_LUN_RESET);
	ATTENTION(0x2903);
	ATTENTION(0x2907);
	ATTENTION(0x2a09);
	READY_NOW();
	lab_close();
}

/* What the guest set is gone after a reset. */
static void test_resets_restore(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(in, 255, 0x1a, 0x08, 0x0a, 0, 255, 0));
	memset(in, 0, 4);
	in[6] |= 4;
	in[8] |= 8;
	GOOD(run(in, 16, MODE_SELECT_6(16)));
	GOOD(run(NULL, 0, 0x1b, 0, 0, 0, 0, 0));
	SENSE(run(NULL, 0, TEST_UNIT_READY), NOT_READY, ASC_NEED_START);
	CHECK_EQ(command.sense[0], 0x72);
	reset(SCSI_LUN_RESET);
	ATTENTION(0x2903);
	CHECK_EQ(command.sense[0], 0x70);
	GOOD(run(in, 512, WRITE_10(0, 1)));
	lab_close();
}

/* Without autosense it waits for REQUEST SENSE, or for the next command. */
static void test_kept_sense(void)
{
	lab_open(&(struct lab_options){.no_autosense = true, .initiators = 2});
	BEYOND(run(in, 512, READ_10(5000, 1)));
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[0], 0xf0);
	CHECK_EQ(in[2], ILLEGAL_REQUEST);
	CHECK_EQ(be32(in + 3), 5000);
	CHECK_EQ(be16(in + 12), 0x2100);
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[2], NO_SENSE);
	BEYOND(run(in, 512, READ_10(5000, 1)));
	READY_NOW();
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[2], NO_SENSE);
	BEYOND(run(in, 512, READ_10(5000, 1)));
	lab.initiator = 1;				/* not another one's */
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[2], NO_SENSE);
	lab.initiator = 0;
	GOOD(run(in, 252, REQUEST_SENSE(1, 252)));	/* DESC */
	CHECK_EQ(in[0], 0x72);
	CHECK_EQ(in[1], ILLEGAL_REQUEST);
	CHECK_EQ(sense_read(in, (unsigned)command.transferred).information, 5000);
	for (unsigned i = 0; i <= 20; i++) {
		GOOD(run(in, 252, REQUEST_SENSE(0, (uint8_t)i)));
		CHECK_EQ(command.transferred, i < 18 ? i : 18);
	}
	lab_close();
}

static void test_start_stop(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(NULL, 0, 0x1b, 0, 0, 0, 0, 0));
	SENSE(run(NULL, 0, TEST_UNIT_READY), NOT_READY, 0x0402);
	SENSE(run(in, 512, READ_10(0, 1)), NOT_READY, 0x0402);
	SENSE(run(in, 512, WRITE_16(0, 1)), NOT_READY, 0x0402);
	SENSE(run(NULL, 0, 0x35, 0, B4(0), 0, B2(0), 0), NOT_READY, 0x0402);
	GOOD(run(in, 36, INQUIRY(0, 0, 36)));
	GOOD(run(in, 255, MODE_SENSE_6(0x3f, 0, 255)));
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	CHECK_EQ(in[2], NOT_READY);
	GOOD(run(NULL, 0, 0x1b, 1, 0, 0, 1, 0));	/* IMMED */
	READY_NOW();
	GOOD(run(NULL, 0, 0x1b, 0, 0, 0, 4, 0));	/* NO_FLUSH */
	SENSE(run(NULL, 0, TEST_UNIT_READY), NOT_READY, 0x0402);
	GOOD(run(NULL, 0, 0x1b, 0, 0, 0, 1, 0));
	for (unsigned i = 1; i < 4; i++)		/* active, idle, standby */
		GOOD(run(NULL, 0, 0x1b, 0, 0, 0, (uint8_t)(i << 4), 0));
	READY_NOW();
	BAD_CDB(run(NULL, 0, 0x1b, 0, 0, 0, 0x40, 0), 4, 7);
	BAD_CDB(run(NULL, 0, 0x1b, 0, 0, 0, 2, 0), 4, 1);	/* nothing to eject */
	/* A flush that fails leaves it running. */
	GOOD(run(in, 512, WRITE_10(0, 1)));
	storage_fault_arm(lab.fault[0], FAULT_SYNC, 1, -EIO, false);
	SENSE(run(NULL, 0, 0x1b, 0, 0, 0, 0, 0), MEDIUM_ERROR, ASC_WRITE_ERROR);
	READY_NOW();
	lab_close();
}

static void test_reservations(void)
{
	lab_open(&(struct lab_options){.initiators = 3});
	GOOD(run(NULL, 0, 0x16, 0, 0, 0, 0, 0));
	GOOD(run(NULL, 0, 0x16, 0, 0, 0, 0, 0));
	READY_NOW();
	lab.initiator = 1;
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->status, SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(run(in, 512, READ_10(0, 1))->status, SCSI_RESERVATION_CONFLICT);
	CHECK_EQ(run(NULL, 0, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0)->status, SCSI_RESERVATION_CONFLICT);
	GOOD(run(in, 36, INQUIRY(0, 0, 36)));
	GOOD(run(in, 64, REPORT_LUNS(64)));
	GOOD(run(in, 18, REQUEST_SENSE(0, 18)));
	GOOD(run(NULL, 0, 0x17, 0, 0, 0, 0, 0));	/* not its own: nothing happens */
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->status, SCSI_RESERVATION_CONFLICT);
	lab.initiator = 0;
	GOOD(run(NULL, 0, 0x17, 0, 0, 0, 0, 0));
	lab.initiator = 1;
	READY_NOW();
	/* A reset, or the loss of the holder, ends it. */
	GOOD(run(NULL, 0, 0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0));
	reset(SCSI_I_T_NEXUS_RESET);
	lab.initiator = 2;
	READY_NOW();
	GOOD(run(NULL, 0, 0x16, 0, 0, 0, 0, 0));
	lab.initiator = 0;
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->status, SCSI_RESERVATION_CONFLICT);
	reset(SCSI_LUN_RESET);
	ATTENTION(0x2903);
	READY_NOW();
	lab_close();
}

static void test_small_commands(void)
{
	lab_open(&(struct lab_options){0});
	GOOD(run(NULL, 0, 0x1d, 0x04, 0, 0, 0, 0));
	BAD_CDB(run(NULL, 0, 0x1d, 0x10, 0, 0, 0, 0), 1, 4);
	BAD_CDB(run(in, 4, 0x1d, 0x04, 0, 0, 4, 0), 3, -1);
	GOOD(run(NULL, 0, 0x1e, 0, 0, 0, 1, 0));
	GOOD(run(NULL, 0, 0x1e, 0, 0, 0, 0, 0));
	SENSE(run(in, 64, 0x5e, 0, 0, 0, 0, 0, 0, B2(64), 0), ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	SENSE(run(in, 24, 0x5f, 0, 0, 0, 0, B4(24), 0), ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	lab.attribute = SCSI_ACA;
	SENSE(run(NULL, 0, TEST_UNIT_READY), ILLEGAL_REQUEST, ASC_INVALID_MESSAGE);
	lab_close();
}

/* Somebody else quiesced the device: the guest tries again. */
static void nothing(void *opaque)
{
	(void)opaque;
}

static void test_busy(void)
{
	struct device_quiesce q = {.done = nothing};

	lab_open(&(struct lab_options){0});
	device_quiesce(lab.device[0], &q);
	CHECK_EQ(run(in, 512, READ_10(0, 1))->status, SCSI_BUSY);
	lab_settle();
	device_resume(lab.device[0]);
	GOOD(run(in, 512, READ_10(0, 1)));
	lab_close();
}

int main(void)
{
	test_power_on();
	test_attention_first();
	test_resize();
	test_mode_changed();
	test_luns_changed();
	test_resets();
	test_resets_restore();
	test_kept_sense();
	test_start_stop();
	test_reservations();
	test_small_commands();
	test_busy();
	return 0;
}
