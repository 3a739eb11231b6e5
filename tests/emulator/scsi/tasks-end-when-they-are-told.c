/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task management on storage that stalls, the order of ordered commands, commands between their two
 * steps, and units that go while they are busy. */
#include "scsi-test.h"

#define MANY 16

static struct slot {
	struct scsi_command cmd;
	struct iovec iov;
	uint8_t data[2 * BLOCK];
	unsigned done, order;
} slot[MANY];
static unsigned order;

static void slot_done(struct scsi_command *cmd)
{
	struct slot *s = cmd->opaque;

	s->done++;
	s->order = ++order;
}

/* Of command i, tag 100 + i. */
static bool prepare(unsigned i, const uint8_t *cdb, unsigned length)
{
	struct slot *s = &slot[i];

	memset(s, 0, sizeof(*s));
	s->cmd = (struct scsi_command){
		.target = lab.target, .lun = lab.lun, .initiator = lab.initiator, .tag = 100 + i,
		.attribute = lab.attribute, .cdb_length = length, .done = slot_done, .opaque = s,
	};
	memcpy(s->cmd.cdb, cdb, length);
	return scsi_prepare(lab.bus, &s->cmd);
}

static void submit(unsigned i)
{
	struct slot *s = &slot[i];

	s->iov = (struct iovec){s->data, s->cmd.length};
	scsi_submit(&s->cmd, &s->iov, 1, s->cmd.length);
}

#define PREPARE(i, ...) \
	CHECK(prepare(i, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})))
#define BEGIN(i, ...) do { PREPARE(i, __VA_ARGS__); submit(i); } while (0)

static void await(unsigned i)
{
	for (unsigned n = 0; !slot[i].done && n < 1000; n++)
		loop_once(lab.loop, 10);
	CHECK_EQ(slot[i].done, 1);
}

/* Let things run that may. */
static void settle(void)
{
	for (int i = 0; i < 5; i++)
		loop_once(lab.loop, 5);
}

static void managed(struct scsi_task *t)
{
	*(unsigned *)t->opaque = ++order;
}

static unsigned manage_begin(struct scsi_task *t, enum scsi_function function, uint64_t tag,
			     unsigned *done)
{
	*done = 0;
	*t = (struct scsi_task){.function = function, .target = lab.target, .lun = lab.lun,
				.initiator = lab.initiator, .tag = tag, .done = managed,
				.opaque = done};
	scsi_manage(lab.bus, t);
	CHECK_EQ(*done, 0);			/* never from within */
	return 0;
}

static unsigned await_task(const unsigned *done)
{
	for (unsigned n = 0; !*done && n < 1000; n++)
		loop_once(lab.loop, 10);
	CHECK(*done);
	return *done;
}

static enum scsi_function_response manage(enum scsi_function function, uint64_t tag)
{
	struct scsi_task t;
	unsigned done;

	manage_begin(&t, function, tag, &done);
	await_task(&done);
	return t.response;
}

static void stall(bool on)
{
	storage_stall_set(lab.stall[0], on ? FAULT_READ | FAULT_WRITE : 0);
}

/* Until the storage holds one: before that it could be taken back. */
static void await_stall(void)
{
	while (!storage_stall_waiting(lab.stall[0]))
		loop_once(lab.loop, 5);
}

/* A command that runs is waited for; the response says that it was aborted. */
static void test_abort_task(void)
{
	struct scsi_task t;
	unsigned done;

	stall(true);
	BEGIN(0, READ_10(0, 1));
	BEGIN(1, READ_10(1, 1));
	settle();
	CHECK_EQ(manage(SCSI_QUERY_TASK, 100), SCSI_FUNCTION_SUCCEEDED);
	CHECK_EQ(manage(SCSI_QUERY_TASK, 99), SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(manage(SCSI_QUERY_TASK_SET, 0), SCSI_FUNCTION_SUCCEEDED);
	CHECK_EQ(manage(SCSI_ABORT_TASK, 99), SCSI_FUNCTION_COMPLETE);
	CHECK(!slot[0].done && !slot[1].done);
	manage_begin(&t, SCSI_ABORT_TASK, 100, &done);
	stall(false);
	await_task(&done);
	CHECK_EQ(t.response, SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(slot[0].done, 1);
	CHECK(slot[0].order < done);
	CHECK_EQ(slot[0].cmd.response, SCSI_ABORTED);
	await(1);
	CHECK_EQ(slot[1].cmd.response, SCSI_COMPLETE);
	CHECK_EQ(slot[1].cmd.status, SCSI_GOOD);
	CHECK_EQ(manage(SCSI_QUERY_TASK, 100), SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(manage(SCSI_QUERY_TASK_SET, 0), SCSI_FUNCTION_COMPLETE);
}

/* Only the initiator's own, or everybody's. */
static void test_task_sets(void)
{
	stall(true);
	for (unsigned i = 0; i < 4; i++) {
		lab.initiator = i & 1;
		BEGIN(i, READ_10(i, 1));
	}
	lab.initiator = 0;
	stall(false);
	CHECK_EQ(manage(SCSI_ABORT_TASK_SET, 0), SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(slot[0].cmd.response, SCSI_ABORTED);
	CHECK_EQ(slot[2].cmd.response, SCSI_ABORTED);
	await(1);
	await(3);
	CHECK_EQ(slot[1].cmd.response, SCSI_COMPLETE);

	stall(true);
	for (unsigned i = 0; i < 4; i++) {
		lab.initiator = i & 1;
		BEGIN(i, READ_10(i, 1));
	}
	lab.initiator = 0;
	stall(false);
	CHECK_EQ(manage(SCSI_CLEAR_TASK_SET, 0), SCSI_FUNCTION_COMPLETE);
	for (unsigned i = 0; i < 4; i++)
		CHECK_EQ(slot[i].cmd.response, SCSI_ABORTED);
	GOOD(run(NULL, 0, TEST_UNIT_READY));
	lab.initiator = 1;
	SENSE(run(NULL, 0, TEST_UNIT_READY), UNIT_ATTENTION, 0x2f00);
	GOOD(run(NULL, 0, TEST_UNIT_READY));
	lab.initiator = 0;
}

/* What was prepared but not submitted ends with its step two, and is waited for. */
static void test_between_the_steps(void)
{
	struct scsi_task t, u;
	unsigned done, done2;

	PREPARE(0, WRITE_10(0, 1));
	PREPARE(1, WRITE_10(0, 1));
	manage_begin(&t, SCSI_ABORT_TASK, 100, &done);
	manage_begin(&u, SCSI_LUN_RESET, 0, &done2);
	settle();
	CHECK(!done && !done2 && !slot[0].done);
	memset(slot[0].data, 0xff, BLOCK);
	submit(0);
	CHECK_EQ(slot[0].done, 1);
	CHECK_EQ(slot[0].cmd.response, SCSI_ABORTED);
	await_task(&done);
	CHECK(!done2);
	scsi_drop(&slot[1].cmd);
	await_task(&done2);
	CHECK_EQ(slot[1].done, 0);
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->status, SCSI_CHECK_CONDITION);
	GOOD(run(slot[2].data, BLOCK, READ_10(0, 1)));
	CHECK_EQ(slot[2].data[0], 0);		/* nothing was written */
}

/* A reset ends what runs; what comes meanwhile runs afterwards. */
static void test_reset_under_load(void)
{
	struct scsi_task t, u;
	unsigned done, done2;

	stall(true);
	for (unsigned i = 0; i < 4; i++)
		BEGIN(i, READ_10(i, 1));
	await_stall();
	manage_begin(&t, SCSI_LUN_RESET, 0, &done);
	manage_begin(&u, SCSI_TARGET_RESET, 0, &done2);
	CHECK(!prepare(4, (const uint8_t[]){READ_10(0, 1)}, 10));	/* attention */
	CHECK_EQ(slot[4].cmd.status, SCSI_CHECK_CONDITION);
	BEGIN(5, READ_10(5, 1));
	CHECK_EQ(manage(SCSI_ABORT_TASK, 105), SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(slot[5].cmd.response, SCSI_ABORTED);
	BEGIN(6, READ_10(6, 1));
	settle();
	CHECK(!done && !slot[6].done);
	stall(false);
	await_task(&done);
	await_task(&done2);
	for (unsigned i = 0; i < 4; i++) {
		CHECK_EQ(slot[i].done, 1);
		CHECK_EQ(slot[i].cmd.response, SCSI_RESET);
		CHECK(slot[i].order < done);
	}
	await(6);
	CHECK_EQ(slot[6].cmd.response, SCSI_COMPLETE);
	CHECK_EQ(slot[6].cmd.status, SCSI_GOOD);
}

/* With storage that may stall for good, a reset does not wait for it. */
static void test_reset_of_stalled_storage(void)
{
	lab_close();
	lab_open(&(struct lab_options){.bounce = true});
	stall(true);
	BEGIN(0, READ_10(0, 1));
	BEGIN(1, WRITE_10(1, 1));
	await_stall();
	CHECK_EQ(manage(SCSI_BUS_RESET, 0), SCSI_FUNCTION_COMPLETE);
	CHECK_EQ(slot[0].cmd.response, SCSI_RESET);
	CHECK_EQ(slot[1].cmd.response, SCSI_RESET);
	stall(false);
}

/* Long commands end between their steps. */
static void test_abort_in_pieces(void)
{
	static uint8_t pattern[BLOCK] = {1};

	for (unsigned round = 0; round < 4; round++) {
		PREPARE(0, 0x93, 0, B8(0), B4(200000), 0, 0);
		memcpy(slot[0].data, pattern, BLOCK);
		submit(0);
		for (unsigned i = 0; i < 3 * round; i++)
			loop_once(lab.loop, 5);
		CHECK_EQ(manage(SCSI_ABORT_TASK, 100), SCSI_FUNCTION_COMPLETE);
		CHECK_EQ(slot[0].cmd.response, SCSI_ABORTED);
		CHECK_EQ(slot[0].done, 1);
		BEGIN(1, 0x8f, 0, B8(0), B4(200000), 0, 0);
		loop_once(lab.loop, 5);
		manage(SCSI_ABORT_TASK, 101);
		CHECK_EQ(slot[1].cmd.response, SCSI_ABORTED);
	}
}

static void test_order(void)
{
	stall(true);
	BEGIN(0, READ_10(0, 1));
	lab.attribute = SCSI_ORDERED;
	BEGIN(1, READ_10(1, 1));
	lab.attribute = SCSI_SIMPLE;
	BEGIN(2, READ_10(2, 1));
	BEGIN(3, TEST_UNIT_READY);		/* waits as well, though it has no data */
	lab.attribute = SCSI_HEAD_OF_QUEUE;
	BEGIN(4, TEST_UNIT_READY);
	lab.attribute = SCSI_ORDERED;
	BEGIN(5, READ_10(5, 1));
	lab.attribute = SCSI_SIMPLE;
	BEGIN(6, READ_10(6, 1));
	CHECK_EQ(slot[4].done, 1);
	CHECK(!slot[3].done);
	settle();
	CHECK(!slot[0].done && !slot[1].done);
	stall(false);
	for (unsigned i = 0; i < 7; i++)
		await(i);
	CHECK(slot[0].order < slot[1].order);
	CHECK(slot[1].order < slot[2].order && slot[1].order < slot[3].order);
	CHECK(slot[2].order < slot[5].order && slot[3].order < slot[5].order);
	CHECK(slot[5].order < slot[6].order);

	/* A barrier that is aborted lets the others go. */
	stall(true);
	BEGIN(0, READ_10(0, 1));
	lab.attribute = SCSI_ORDERED;
	BEGIN(1, READ_10(1, 1));
	lab.attribute = SCSI_SIMPLE;
	BEGIN(2, TEST_UNIT_READY);
	CHECK(!slot[2].done);
	CHECK_EQ(manage(SCSI_ABORT_TASK, 101), SCSI_FUNCTION_COMPLETE);
	await(2);
	CHECK(!slot[0].done);
	stall(false);
	await(0);
}

/* Nothing gets between the two halves of a COMPARE AND WRITE. */
static void test_compare_and_write_is_atomic(void)
{
	uint8_t data[BLOCK];

	for (unsigned i = 0; i < 8; i++) {
		PREPARE(i, 0x89, 0, B8(9), 0, 0, 0, 1, 0, 0);
		memset(slot[i].data, (int)i, BLOCK);
		memset(slot[i].data + BLOCK, (int)i + 1, BLOCK);
	}
	for (unsigned i = 0; i < 8; i++)
		submit(i);
	for (unsigned i = 0; i < 8; i++) {
		await(i);
		CHECK_EQ(slot[i].cmd.status, SCSI_GOOD);
	}
	GOOD(run(data, BLOCK, READ_10(9, 1)));
	CHECK_EQ(data[0], 8);
}

static void test_bad_functions(void)
{
	CHECK_EQ(manage(SCSI_CLEAR_ACA, 0), SCSI_FUNCTION_REJECTED);
	lab.lun = scsi_lun(1);
	CHECK_EQ(manage(SCSI_ABORT_TASK, 0), SCSI_FUNCTION_INCORRECT_LUN);
	CHECK_EQ(manage(SCSI_LUN_RESET, 0), SCSI_FUNCTION_INCORRECT_LUN);
	CHECK_EQ(manage(SCSI_QUERY_TASK_SET, 0), SCSI_FUNCTION_INCORRECT_LUN);
	CHECK_EQ(manage(SCSI_TARGET_RESET, 0), SCSI_FUNCTION_COMPLETE);
	lab.lun = 0;
	lab.target = 3;
	CHECK_EQ(manage(SCSI_LUN_RESET, 0), SCSI_FUNCTION_NO_TARGET);
	CHECK_EQ(manage(SCSI_TARGET_RESET, 0), SCSI_FUNCTION_NO_TARGET);
	CHECK_EQ(manage(SCSI_BUS_RESET, 0), SCSI_FUNCTION_COMPLETE);
	lab.target = 0;
	lab.initiator = 3;
	CHECK_EQ(manage(SCSI_ABORT_TASK, 0), SCSI_FUNCTION_NO_TARGET);
	lab.initiator = 0;
}

static void gone(void *opaque, struct device *device)
{
	CHECK(device == lab.device[0]);
	*(unsigned *)opaque = ++order;
}

/* Its commands end first; the address is free at once; task management there ends, too. */
static void test_detach_under_load(void)
{
	struct scsi_task t;
	unsigned done, left = 0, target, lun;

	stall(true);
	BEGIN(0, READ_10(0, 1));
	lab.attribute = SCSI_ORDERED;
	BEGIN(1, READ_10(1, 1));
	lab.attribute = SCSI_SIMPLE;
	PREPARE(2, READ_10(2, 1));
	await_stall();
	manage_begin(&t, SCSI_ABORT_TASK_SET, 0, &done);
	scsi_bus_detach(lab.bus, lab.device[0], gone, &left);
	CHECK_EQ(left, 0);
	CHECK(!scsi_bus_has_target(lab.bus, 0));
	CHECK(!scsi_bus_address(lab.bus, lab.device[0], &target, &lun));
	CHECK_EQ(run(NULL, 0, TEST_UNIT_READY)->response, SCSI_NO_TARGET);
	lab_add(1, 0, 0, &(struct lab_options){0});
	stall(false);
	settle();
	CHECK_EQ(left, 0);
	CHECK_EQ(slot[0].cmd.response, SCSI_ABORTED);	/* what was first */
	submit(2);
	CHECK_EQ(slot[2].cmd.response, SCSI_ABORTED);
	await_task(&left);
	await_task(&done);
	CHECK(slot[0].order < left && slot[1].order < left && slot[2].order < left);
	CHECK_EQ(slot[1].done, 1);
	CHECK_EQ(lab.changes[SCSI_UNIT_REMOVED], 1);
	device_leave(lab.device[0]);
	device_free(lab.device[0]);
	lab.device[0] = NULL;
	SENSE(run(NULL, 0, TEST_UNIT_READY), UNIT_ATTENTION, 0x2901);
	GOOD(run(NULL, 0, TEST_UNIT_READY));
}

static void test_addresses(void)
{
	unsigned target, lun;

	lab_disk(1, &(struct lab_options){0});
	CHECK_EQ(scsi_bus_attach(lab.bus, 0, 0, lab.device[1]), -EBUSY);
	CHECK_EQ(scsi_bus_attach(lab.bus, 16, 0, lab.device[1]), -EINVAL);
	CHECK_EQ(scsi_bus_attach(lab.bus, 0, 1024, lab.device[1]), -EINVAL);
	CHECK_OK(scsi_bus_free_address(lab.bus, &target, &lun));
	CHECK_EQ(target, 1);
	CHECK_EQ(lun, 0);
	CHECK_OK(scsi_bus_attach(lab.bus, 15, 1023, lab.device[1]));
	CHECK(scsi_bus_address(lab.bus, lab.device[1], &target, &lun));
	CHECK_EQ(target, 15);
	CHECK_EQ(lun, 1023);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_abort_task, test_task_sets, test_between_the_steps, test_reset_under_load,
		test_reset_of_stalled_storage, test_abort_in_pieces, test_order,
		test_compare_and_write_is_atomic, test_bad_functions, test_detach_under_load,
		test_addresses,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		lab_open(&(struct lab_options){.initiators = 2, .size = 128 << 20});
		tests[i]();
		lab_close();
	}
	return 0;
}
