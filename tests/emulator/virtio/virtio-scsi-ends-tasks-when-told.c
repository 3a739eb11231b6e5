/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Task management and resets of virtio-scsi, with a disk that stalls. */
#include "scsi-guest.h"

struct bench {
	struct guest g;
	struct vd_storage *stall;
	struct device *device;
};

static void open_bench(struct bench *b, const char *packed)
{
	const char *const options[] = {packed, "targets=4", NULL};
	struct vd_storage *s;

	guest_open(&b->g, ~0ull, options);
	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &b->stall));
	b->device = guest_plug(&b->g, disk_on(b->stall), "target=0");
	guest_plug(&b->g, memory_disk(DISK_SIZE), "target=1");
	guest_clear_attention(&b->g, 0, 0);
	guest_clear_attention(&b->g, 1, 0);
}

static void turn(struct bench *b)
{
	for (unsigned i = 0; i < 5; i++)
		loop_once(b->g.p->loop, 1);
}

/* Several reads that do not end by themselves. */
#define READS 4
static void stall_reads(struct bench *b, struct call *call)
{
	storage_stall_set(b->stall, FAULT_READ);
	for (unsigned i = 0; i < READS; i++) {
		call[i] = read_10(&b->g, 0, i * 64, 1);
		call_send(&b->g, Q_REQUEST + i % 2, &call[i]);
	}
	turn(b);
}

static unsigned ended(struct bench *b, const struct call *call)
{
	unsigned n = 0;

	for (unsigned i = 0; i < READS; i++)
		n += call_response(&b->g, &call[i]) != 0xee;
	return n;
}

static void get_reads(struct bench *b)
{
	for (unsigned i = 0; i < READS; i++)
		queue_wait(&b->g.d.queue[Q_REQUEST + i % 2], NULL);
}

/* The function's answer comes after the answers of all that it ends. */
static void function_ends(struct bench *b, unsigned subtype, unsigned how, unsigned count)
{
	struct call call[READS];
	uint64_t response;

	stall_reads(b, call);
	CHECK_EQ(ended(b, call), 0);
	CHECK_EQ(tmf_run(&b->g, TMF_QUERY_TASK_SET, call[0].lun, 0), S_SUCCEEDED);
	CHECK_EQ(tmf_run(&b->g, TMF_QUERY_TASK, call[1].lun, call[1].tag), S_SUCCEEDED);
	CHECK_EQ(tmf_run(&b->g, TMF_QUERY_TASK, call[1].lun, 0x7777), S_OK);
	response = tmf_send(&b->g, subtype, call[1].lun, call[1].tag);
	turn(b);
	storage_stall_set(b->stall, 0);
	queue_wait(&b->g.d.queue[Q_CONTROL], NULL);
	CHECK_EQ(*(uint8_t *)driver_at(&b->g.d, response), S_OK);
	CHECK(ended(b, call) >= count);
	/* The ones that had not begun did not run; what the storage held may have been too late. */
	for (unsigned i = 0; i < READS; i++)
		if (count == READS || i == 1)
			CHECK(call_response(&b->g, &call[i]) == how ||
			      call_response(&b->g, &call[i]) == S_OK);
	get_reads(b);
	CHECK_EQ(tmf_run(&b->g, TMF_QUERY_TASK_SET, call[0].lun, 0), S_OK);
	guest_clear_attention(&b->g, 0, 0);
	b->g.d.free = b->g.memory;
}

static void functions_are_answered(struct bench *b)
{
	uint8_t lun[8], bad_target[8], bad_lun[8];
	uint64_t request = driver_alloc(&b->g.d, 24), response = driver_alloc(&b->g.d, 8);
	uint8_t *at = driver_at(&b->g.d, request), *answer = driver_at(&b->g.d, response);
	struct driver_queue *q = &b->g.d.queue[Q_CONTROL];

	put_lun(lun, 1, 0);
	put_lun(bad_target, 3, 0);
	put_lun(bad_lun, 1, 9);
	CHECK_EQ(tmf_run(&b->g, TMF_ABORT_TASK, lun, 12345), S_OK);
	CHECK_EQ(tmf_run(&b->g, TMF_CLEAR_ACA, lun, 0), S_REJECTED);
	CHECK_EQ(tmf_run(&b->g, 8, lun, 0), S_REJECTED);
	CHECK_EQ(tmf_run(&b->g, TMF_LUN_RESET, bad_target, 0), S_BAD_TARGET);
	CHECK_EQ(tmf_run(&b->g, TMF_LUN_RESET, bad_lun, 0), S_INCORRECT_LUN);
	lun[0] = 9;
	CHECK_EQ(tmf_run(&b->g, TMF_LUN_RESET, lun, 0), S_BAD_TARGET);

	/* Asynchronous notification: disks have nothing to tell. */
	for (uint32_t type = 1; type <= 2; type++) {
		put_le32(at, type);
		put_lun(at + 4, 1, 0);
		put_le32(at + 12, 0x7e);
		memset(answer, 0xee, 8);
		queue_add(q, (struct piece[]){{request, 16, false}, {response, 5, true}}, 2, false);
		queue_kick(q);
		CHECK_EQ(queue_wait(q, NULL), 5);
		CHECK_EQ(le32(answer) | answer[4], 0);
	}
	put_lun(at + 4, 3, 0);
	queue_add(q, (struct piece[]){{request, 16, false}, {response, 5, true}}, 2, false);
	queue_kick(q);
	queue_wait(q, NULL);
	CHECK_EQ(answer[4], S_BAD_TARGET);

	/* Unknown, and too short. */
	put_le32(at, 3);
	queue_add(q, (struct piece[]){{request, 24, false}, {response, 1, true}}, 2, false);
	queue_kick(q);
	queue_wait(q, NULL);
	CHECK_EQ(answer[0], S_FAILURE);
	put_le32(at, 0);
	answer[0] = 0xee;
	queue_add(q, (struct piece[]){{request, 23, false}, {response, 1, true}}, 2, false);
	queue_kick(q);
	queue_wait(q, NULL);
	CHECK_EQ(answer[0], S_FAILURE);
	CHECK_EQ(reg_read(b->g.p, R_STATUS, 1), 15);
	b->g.d.free = b->g.memory;
}

static void another_disk_goes_on(struct bench *b)
{
	struct call call[READS], other;

	stall_reads(b, call);
	other = read_10(&b->g, 1, 0, 1);
	call_send(&b->g, Q_REQUEST + 3, &other);
	queue_wait(&b->g.d.queue[Q_REQUEST + 3], NULL);
	CHECK_EQ(call_response(&b->g, &other), S_OK);
	CHECK_EQ(ended(b, call), 0);
	storage_stall_set(b->stall, 0);
	get_reads(b);
	b->g.d.free = b->g.memory;
}

/* The driver waits for 0 in the status register; nothing is written after that. */
static void a_device_reset_waits_for_the_disk(struct bench *b)
{
	struct call call[READS];

	stall_reads(b, call);
	reg_write(b->g.p, R_STATUS, 0, 1);
	turn(b);
	CHECK(reg_read(b->g.p, R_STATUS, 1) != 0);
	storage_stall_set(b->stall, 0);
	driver_reset(b->g.p);
	turn(b);
	CHECK_EQ(ended(b, call), 0);
	for (unsigned i = 0; i < READS; i++)
		for (unsigned k = 0; k < 512; k++)
			CHECK_EQ(((uint8_t *)driver_at(&b->g.d, call[i].in))[k], 0);
	driver_start(&b->g.d, b->g.p, &(struct driver_options){.features = ~0ull});
	b->g.memory = b->g.d.free;
	guest_clear_attention(&b->g, 0, 0);
	guest_clear_attention(&b->g, 1, 0);
}

/* PCI's reset while the guest's own is under way. */
static void both_resets_at_once(struct bench *b)
{
	struct call call[READS];

	stall_reads(b, call);
	reg_write(b->g.p, R_STATUS, 0, 1);
	storage_stall_set(b->stall, 0);
	in_process_reset(b->g.p);
	CHECK_EQ(reg_read(b->g.p, R_STATUS, 1), 0);
	driver_start(&b->g.d, b->g.p, &(struct driver_options){.features = ~0ull});
	b->g.memory = b->g.d.free;
	guest_clear_attention(&b->g, 0, 0);
	guest_clear_attention(&b->g, 1, 0);
}

static void a_queue_reset_waits(struct bench *b)
{
	struct call call[READS];

	stall_reads(b, call);
	reg_write(b->g.p, R_QUEUE_SELECT, Q_REQUEST, 2);
	reg_write(b->g.p, R_QUEUE_RESET, 1, 2);
	turn(b);
	CHECK_EQ(reg_read(b->g.p, R_QUEUE_RESET, 2), 1);
	storage_stall_set(b->stall, 0);
	for (unsigned i = 0; reg_read(b->g.p, R_QUEUE_RESET, 2); i++) {
		CHECK(i < 1000);
		loop_once(b->g.p->loop, 10);
	}
	CHECK_EQ(reg_read(b->g.p, R_QUEUE_ENABLE, 2), 0);
	for (unsigned i = 1; i < READS; i += 2)
		queue_wait(&b->g.d.queue[Q_REQUEST + 1], NULL);
	driver_queue_start(&b->g.d, Q_REQUEST, 0);
	b->g.memory = b->g.d.free;
	guest_clear_attention(&b->g, 0, 0);
}

/* Commands that work in memory of ours count 1 MiB each, of 128: no more are taken from the rings.
 * Task management goes on. */
#define SYNCS 160
static void memory_of_ours_has_a_bound(struct bench *b)
{
	static struct call call[SYNCS];
	struct call other[2];
	const uint8_t sync[10] = {0x35};
	unsigned taken = 0;

	/* There must be something to flush. */
	call[0] = write_10(&b->g, 0, 0, 1);
	call_run(&b->g, &call[0]);
	storage_stall_set(b->stall, FAULT_SYNC);
	for (unsigned i = 0; i < SYNCS; i++) {
		call[i] = call_make(&b->g, 0, 0, sync, sizeof(sync), 0, 0);
		call_send(&b->g, Q_REQUEST + i % 2, &call[i]);
	}
	turn(b);
	for (unsigned i = 0; i < SYNCS; i++)
		taken += tmf_run(&b->g, TMF_QUERY_TASK, call[i].lun, call[i].tag) == S_SUCCEEDED;
	CHECK_EQ(taken, SYNCS);
	CHECK_EQ(device_in_flight(b->device), DMA_BUDGET >> 20);
	/* What waits is ended when it is told, and another disk does not notice. */
	CHECK_EQ(tmf_run(&b->g, TMF_ABORT_TASK, call[SYNCS - 1].lun, call[SYNCS - 1].tag), S_OK);
	CHECK_EQ(call_response(&b->g, &call[SYNCS - 1]), S_ABORTED);
	for (unsigned i = 0; i < 2; i++) {
		other[i] = i ? call_make(&b->g, 1, 0, sync, sizeof(sync), 0, 0) :
			   read_10(&b->g, 1, 0, 1);
		call_send(&b->g, Q_REQUEST + i, &other[i]);
		turn(b);
		CHECK_EQ(call_response(&b->g, &other[i]) | call_status(&b->g, &other[i]), 0);
	}
	storage_stall_set(b->stall, 0);
	for (unsigned i = 0; i < 2; i++)
		queue_wait(&b->g.d.queue[Q_REQUEST + i], NULL);
	for (unsigned i = 0; i < SYNCS; i++)
		queue_wait(&b->g.d.queue[Q_REQUEST + i % 2], NULL);
	for (unsigned i = 0; i < SYNCS - 1; i++)
		CHECK_EQ(call_response(&b->g, &call[i]) | call_status(&b->g, &call[i]), 0);
	b->g.d.free = b->g.memory;
}

int main(void)
{
	static const char *const packed[] = {"packed=off", "packed=on"};

	for (unsigned i = 0; i < 2; i++) {
		struct bench b;

		open_bench(&b, packed[i]);
		functions_are_answered(&b);
		function_ends(&b, TMF_ABORT_TASK, S_ABORTED, 1);
		function_ends(&b, TMF_ABORT_TASK_SET, S_ABORTED, READS);
		function_ends(&b, TMF_CLEAR_TASK_SET, S_ABORTED, READS);
		function_ends(&b, TMF_LUN_RESET, S_RESET, READS);
		function_ends(&b, TMF_NEXUS_RESET, S_RESET, READS);
		memory_of_ours_has_a_bound(&b);
		another_disk_goes_on(&b);
		a_device_reset_waits_for_the_disk(&b);
		both_resets_at_once(&b);
		a_queue_reset_waits(&b);
		another_disk_goes_on(&b);
		guest_close(&b.g);
	}
	return 0;
}
