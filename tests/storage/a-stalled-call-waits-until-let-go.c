/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage that stalls on demand holds back the kinds of calls it was told, and no others.
 */
#include "test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "storage/storage.h"

static struct vd_storage *s;
static atomic_uint done;

static void *writes(void *offset)
{
	CHECK_OK(storage_pwrite(s, "x", 1, (uintptr_t)offset));
	done++;
	return NULL;
}

static void *syncs(void *unused)
{
	CHECK_OK(storage_sync(s));
	done++;
	return unused;
}

static void until_waiting(unsigned n)
{
	for (int i = 0; storage_stall_waiting(s) != n; i++) {
		CHECK(i < 5000);
		usleep(2000);
	}
}

int main(void)
{
	struct vd_storage *memory;
	pthread_t thread[3];
	char c;

	CHECK_OK(storage_open_memory(16, 1, &memory));
	CHECK_OK(storage_open_stall(memory, &s));
	CHECK_OK(storage_pwrite(s, "a", 1, 0));
	storage_stall_set(s, FAULT_WRITE | FAULT_SYNC);
	CHECK_EQ(pthread_create(&thread[0], NULL, writes, (void *)0), 0);
	CHECK_EQ(pthread_create(&thread[1], NULL, writes, (void *)1), 0);
	CHECK_EQ(pthread_create(&thread[2], NULL, syncs, NULL), 0);
	until_waiting(3);
	CHECK_EQ(done, 0);
	CHECK_OK(storage_pread(s, &c, 1, 0));
	CHECK_EQ(c, 'a');
	CHECK_OK(storage_truncate(s, 8));

	storage_stall_set(s, FAULT_SYNC);
	until_waiting(1);
	CHECK_EQ(pthread_join(thread[0], NULL), 0);
	CHECK_EQ(pthread_join(thread[1], NULL), 0);
	CHECK_EQ(done, 2);
	CHECK_OK(storage_pread(s, &c, 1, 0));
	CHECK_EQ(c, 'x');

	storage_stall_set(s, 0);
	CHECK_EQ(pthread_join(thread[2], NULL), 0);
	CHECK_EQ(storage_stall_waiting(s), 0);
	CHECK_EQ(done, 3);
	storage_close(s);
	return 0;
}
