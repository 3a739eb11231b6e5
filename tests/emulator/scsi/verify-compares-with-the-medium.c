/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VERIFY, WRITE AND VERIFY, COMPARE AND WRITE. */
#include <pthread.h>
#include <sys/mman.h>

#include "scsi-test.h"

#define BLOCKS 8192u

static uint8_t data[2048 * BLOCK], in[sizeof(data)];

static void fill(uint8_t seed)
{
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 5 + i / 512 + seed);
}

/* One of the three lengths, with BYTCHK. */
static struct scsi_command *verify(unsigned size, uint8_t bytchk, uint64_t lba, uint32_t blocks,
				   size_t n)
{
	uint8_t flags = (uint8_t)(bytchk << 1);

	switch (size) {
	case 10:
		return run(data, n, 0x2f, flags, B4(lba), 0, B2(blocks), 0);
	case 12:
		return run(data, n, 0xaf, flags, B4(lba), B4(blocks), 0, 0);
	default:
		return run(data, n, 0x8f, flags, B8(lba), B4(blocks), 0, 0);
	}
}

static void test_verify(void)
{
	fill(1);
	GOOD(run(data, sizeof(data), WRITE_10(100, 2048)));
	for (unsigned size = 10; size <= 16; size += size == 12 ? 4 : 2) {
		GOOD(verify(size, 0, 0, BLOCKS, 0));
		CHECK_EQ(command.direction, SCSI_NO_DATA);
		GOOD(verify(size, 1, 100, 2048, sizeof(data)));
		CHECK_EQ(command.transferred, sizeof(data));
		GOOD(verify(size, 1, 100, 0, 0));
		GOOD(verify(size, 3, 100, 0, 0));
		data[700000]++;
		SENSE(verify(size, 1, 100, 2048, sizeof(data)), MISCOMPARE, 0x1d00);
		CHECK_EQ(sense_read(command.sense, command.sense_length).information, 700000);
		GOOD(verify(size, 0, 100, 2048, 0));	/* not compared */
		data[700000]--;
		BEYOND(verify(size, 0, BLOCKS - 1, 2, 0));
		BEYOND(verify(size, 1, BLOCKS, 1, BLOCK));
		BEYOND(verify(size, 3, BLOCKS, 1, BLOCK));
		BEYOND(verify(size, 0, BLOCKS + 1, 0, 0));
		BAD_CDB(verify(size, 2, 0, 1, BLOCK), 1, 2);
		BAD_CDB(verify(size, 0x10, 0, 1, 0), 1, 5);	/* VRPROTECT */
		BAD_CDB(verify(size, 0x40, 0, 1, 0), 1, 7);
		GOOD(verify(size, 0x08, 0, 1, 0));		/* DPO */
		SENSE(verify(size, 1, 100, 8, 7 * BLOCK), ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
	}
	storage_fault_arm(lab.fault[0], FAULT_READ, 3, -EIO, false);
	SENSE(verify(16, 0, 0, BLOCKS, 0), MEDIUM_ERROR, ASC_READ_ERROR);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 1024);
}

/* One block against many. */
static void test_verify_same(void)
{
	fill(2);
	GOOD(run(data, BLOCK, 0x93, 0, B8(50), B4(3000), 0, 0));
	GOOD(verify(16, 3, 50, 3000, BLOCK));
	CHECK_EQ(command.length, BLOCK);
	SENSE(verify(16, 3, 50, 3001, BLOCK), MISCOMPARE, 0x1d00);
	SENSE(verify(16, 3, 49, 1, BLOCK), MISCOMPARE, 0x1d00);
}

static void test_write_verify(void)
{
	fill(3);
	GOOD(run(data, 8 * BLOCK, 0x2e, 0, B4(7), 0, B2(8), 0));
	GOOD(run(in, 8 * BLOCK, READ_10(7, 8)));
	CHECK(!memcmp(in, data, 8 * BLOCK));
	fill(4);
	GOOD(run(data, sizeof(data), 0x8e, 0x02, B8(7), B4(2048), 0, 0));
	CHECK_EQ(command.transferred, sizeof(data));
	GOOD(run(in, sizeof(in), READ_10(7, 2048)));
	CHECK(!memcmp(in, data, sizeof(data)));
	fill(5);
	GOOD(run(data, BLOCK, 0xae, 0x02, B4(7), B4(1), 0, 0));
	GOOD(run(NULL, 0, 0x2e, 0, B4(7), 0, B2(0), 0));
	BEYOND(run(data, BLOCK, 0x2e, 0, B4(BLOCKS), 0, B2(1), 0));
	BEYOND(run(data, BLOCK, 0xae, 0, B4(BLOCKS - 1), B4(2), 0, 0));
	BEYOND(run(data, BLOCK, 0x8e, 0, B8(UINT64_MAX), B4(1), 0, 0));
	BAD_CDB(run(data, BLOCK, 0x2e, 0x20, B4(0), 0, B2(1), 0), 1, 5);
	BAD_CDB(run(data, BLOCK, 0x8e, 0x04, B8(0), B4(1), 0, 0), 1, 2);
	storage_fault_arm(lab.fault[0], FAULT_READ, 1, -EIO, false);
	SENSE(run(data, BLOCK, 0x2e, 0, B4(0), 0, B2(1), 0), MEDIUM_ERROR, ASC_READ_ERROR);
	storage_fault_arm(lab.fault[0], FAULT_WRITE, 1, -EIO, false);
	SENSE(run(data, BLOCK, 0x2e, 0, B4(0), 0, B2(1), 0), MEDIUM_ERROR, ASC_WRITE_ERROR);
}

#define COMPARE_WRITE(flags, lba, blocks) 0x89, flags, B8(lba), 0, 0, 0, blocks, 0, 0

static void test_compare_write(void)
{
	fill(6);
	GOOD(run(data, 4 * BLOCK, WRITE_10(20, 4)));
	memset(data + 4 * BLOCK, 0xab, 4 * BLOCK);
	GOOD(run(data, 8 * BLOCK, COMPARE_WRITE(0, 20, 4)));
	CHECK_EQ(command.transferred, 8 * BLOCK);
	GOOD(run(in, 4 * BLOCK, READ_10(20, 4)));
	CHECK(!memcmp(in, data + 4 * BLOCK, 4 * BLOCK));
	/* Not what is there now. */
	SENSE(run(data, 8 * BLOCK, COMPARE_WRITE(0, 20, 4)), MISCOMPARE, 0x1d00);
	CHECK(sense_read(command.sense, command.sense_length).valid);
	GOOD(run(in, 4 * BLOCK, READ_10(20, 4)));
	CHECK(!memcmp(in, data + 4 * BLOCK, 4 * BLOCK));
	memcpy(data, in, 4 * BLOCK);
	data[1000]++;
	SENSE(run(data, 8 * BLOCK, COMPARE_WRITE(0, 20, 4)), MISCOMPARE, 0x1d00);
	CHECK_EQ(sense_read(command.sense, command.sense_length).information, 1000);

	GOOD(run(NULL, 0, COMPARE_WRITE(0, 0, 0)));
	memset(data, 0, sizeof(data));
	GOOD(run(data, 2 * BLOCK, COMPARE_WRITE(0x18, 0, 1)));	/* DPO, FUA */
	BEYOND(run(data, 4 * BLOCK, COMPARE_WRITE(0, BLOCKS - 1, 2)));
	BAD_CDB(run(data, sizeof(data), COMPARE_WRITE(0, 0, 129)), 13, -1);
	BAD_CDB(run(data, 2 * BLOCK, COMPARE_WRITE(0x20, 0, 1)), 1, 5);
	SENSE(run(data, BLOCK, COMPARE_WRITE(0, 0, 1)), ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
}

static bool flipping;

/* A guest that changes its memory all the time: the last byte, so that who finds a difference and
 * does not find it again goes on behind the end. */
static void *flip(void *opaque)
{
	volatile uint8_t *byte = opaque;

	while (__atomic_load_n(&flipping, __ATOMIC_RELAXED))
		*byte ^= 1;
	return NULL;
}

static void test_changing_memory(void)
{
	uint8_t *pages, *last;
	unsigned same = 0, different = 0;
	pthread_t thread;

	if (test_is_instrumented())
		return;		/* one thread at a time, or a race that is meant to be one */
	pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(pages != MAP_FAILED);
	last = pages + 4096 - BLOCK;
	CHECK_OK(mprotect(pages + 4096, 4096, PROT_NONE));
	flipping = true;
	CHECK_OK(pthread_create(&thread, NULL, flip, last + BLOCK - 1));
	for (unsigned i = 0; i < 20000; i++) {
		if (run(last, BLOCK, 0x2f, 2, B4(0), 0, B2(1), 0)->status == SCSI_GOOD) {
			same++;
			continue;
		}
		SENSE(&command, MISCOMPARE, 0x1d00);
		CHECK_EQ(sense_read(command.sense, command.sense_length).information, BLOCK - 1);
		different++;
	}
	__atomic_store_n(&flipping, false, __ATOMIC_RELAXED);
	CHECK_OK(pthread_join(thread, NULL));
	printf("%u times the same, %u times not\n", same, different);
	munmap(pages, 8192);
}

int main(void)
{
	static void (*const tests[])(void) = {
		test_verify, test_verify_same, test_write_verify, test_compare_write,
		test_changing_memory,
	};

	for (unsigned i = 0; i < ARRAY_SIZE(tests); i++) {
		lab_open(&(struct lab_options){.size = (uint64_t)BLOCKS * BLOCK});
		tests[i]();
		lab_close();
	}
	return 0;
}
