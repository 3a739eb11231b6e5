/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Closing takes back the space of a write that failed, also when the header is no longer in the
 * cache and has to be read again.
 */
#include "model.h"

#define SIZE (UINT64_C(400) << 20)	/* a table of 400 KiB, which does not fit the cache */

int main(void)
{
	const struct kind *kind = kind_of("vdi", false);
	struct vd_error err = { "" };
	struct vd_storage *fault;
	struct vd_extent e;
	struct model m;

	model_init(&m, kind, 4096, SIZE, 1);
	m.cache_size = 1;
	CHECK_OK(storage_open_fault(borrow(m.layer[0].storage, true), &fault));
	CHECK_OK(model_open_on(&m, borrow(fault, true), &m.disk, &err));
	storage_fault_arm(fault, FAULT_WRITE, 1, ENOSPC, false);
	CHECK_EQ(vd_write(m.disk, "x", 1, 0, 0), -ENOSPC);
	CHECK_OK(vd_flush(m.disk));
	for (uint64_t at = 0; at < SIZE; at += e.length)
		CHECK_OK(vd_map(m.disk, at, SIZE - at, &e));
	model_close(&m);
	model_verify_closed(&m);
	storage_close(fault);
	model_free(&m);
	return 0;
}
