/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The storage that fails on demand: when, how often, and that a call that failed did nothing.
 */
#include "test.h"

#include "storage/storage.h"

static struct vd_storage *s;
static char c;

static void once(void)
{
	storage_fault_arm(s, FAULT_WRITE, 2, ENOSPC, false);
	CHECK_OK(storage_pwrite(s, "a", 1, 0));
	CHECK_OK(storage_pread(s, &c, 1, 0));	/* not counted */
	CHECK(!storage_fault_fired(s));
	CHECK_EQ(storage_pwrite(s, "b", 1, 0), -ENOSPC);
	CHECK(storage_fault_fired(s));
	CHECK_OK(storage_pread(s, &c, 1, 0));
	CHECK_EQ(c, 'a');
	CHECK_OK(storage_pwrite(s, "c", 1, 0));
	CHECK_EQ(storage_fault_calls(s), 3);
}

static void for_ever(void)
{
	storage_fault_arm(s, FAULT_ALL, 2, EIO, true);
	CHECK(!storage_fault_fired(s));
	CHECK_OK(storage_sync(s));
	CHECK_EQ(storage_pread(s, &c, 1, 0), -EIO);
	CHECK_EQ(storage_pwrite(s, "d", 1, 0), -EIO);
	CHECK_EQ(storage_sync(s), -EIO);
	CHECK_EQ(storage_truncate(s, 7), -EIO);
	CHECK_EQ(storage_zero(s, 0, 1, true), -EIO);
	CHECK_EQ(storage_zero(s, 0, 1, false), -EIO);
	CHECK_EQ(storage_fault_calls(s), 7);
	storage_fault_arm(s, FAULT_ALL, 0, EIO, true);
	CHECK_OK(storage_pread(s, &c, 1, 0));
	CHECK_EQ(c, 'c');
	CHECK_EQ(storage_fault_calls(s), 1);
	CHECK(!storage_fault_fired(s));
}

static void each_kind(void)
{
	storage_fault_arm(s, FAULT_SYNC | FAULT_RESIZE, 1, EIO, true);
	CHECK_OK(storage_zero(s, 0, 1, true));
	CHECK_OK(storage_pwrite(s, "e", 1, 0));
	CHECK_EQ(storage_truncate(s, 3), -EIO);
	CHECK_EQ(storage_sync(s), -EIO);
	storage_fault_arm(s, FAULT_ZERO, 1, EIO, false);
	CHECK_OK(storage_truncate(s, 3));
	CHECK_EQ(storage_zero(s, 0, 1, true), -EIO);
	CHECK_OK(storage_zero(s, 0, 1, true));
	/* Memory has no way to zero but keep: asked, counted, then written. */
	storage_fault_arm(s, FAULT_WRITE, 1, EIO, false);
	CHECK_EQ(storage_zero(s, 0, 1, false), -EIO);
}

int main(void)
{
	struct vd_storage *memory;
	struct vd_error err;
	uint64_t size;

	CHECK_OK(storage_open_memory(0, 1, &memory));
	CHECK_OK(storage_open_fault(memory, &s));
	CHECK_STR(s->path, memory->path);
	once();
	for_ever();
	each_kind();
	storage_fault_arm(s, FAULT_ALL, 1, EIO, true);
	CHECK_OK(storage_size(s, &size));
	CHECK_EQ(size, 3);
	CHECK_OK(storage_lock(s, true, &err));
	storage_close(s);
	return 0;
}
