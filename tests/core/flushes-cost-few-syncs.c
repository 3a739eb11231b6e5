/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plain overwrite costs one sync, a write that takes new space two, now and then one more where
 * the format has to make room, and a flush of nothing none.
 */
#include "checked.h"
#include "model.h"

static struct model m;
static struct vd_storage *fault;

static uint64_t syncs_of_flush(void)
{
	storage_fault_arm(fault, FAULT_SYNC, 0, EIO, false);
	CHECK_OK(vd_flush(m.disk));
	return storage_fault_calls(fault);
}

static uint64_t syncs_of_write(uint64_t offset, unsigned flags)
{
	uint8_t buf[1024];

	memset(buf, 0x77, sizeof(buf));
	storage_fault_arm(fault, FAULT_SYNC, 0, EIO, false);
	CHECK_OK(vd_write(m.disk, buf, sizeof(buf), offset, flags));
	if (!(flags & VD_FUA))
		CHECK_OK(vd_flush(m.disk));
	return storage_fault_calls(fault);
}

static void run(const struct kind *kind, bool child)
{
	bool in_place = kind->fixed;
	uint64_t block = kind->block[0] ? kind->block[0] : 4096, total = 0;
	struct vd_error err = { "" };
	uint8_t buf[2048];

	model_init(&m, kind, kind->block[0], 32 * block, 1);
	if (child)
		model_push(&m, kind, kind->block[0], 32 * block);
	CHECK_OK(storage_open_fault(borrow(model_leaf(&m)->storage, true), &fault));
	CHECK_OK(model_open_on(&m, borrow(fault, true), &m.disk, &err));
	syncs_of_flush();		/* of what opening has tidied */
	CHECK_EQ(syncs_of_flush(), 0);
	syncs_of_write(0, 0);		/* the first change also marks the image */
	CHECK_EQ(syncs_of_flush(), 0);
	CHECK_EQ(syncs_of_write(0, 0), 1);
	CHECK_EQ(syncs_of_write(512, VD_FUA), child && !strcmp(kind->name, "vhd") ? 2 : 1);
	CHECK_EQ(syncs_of_write(512, VD_FUA), 1);
	CHECK_EQ(syncs_of_flush(), 0);
	for (uint64_t i = 1; i < 21; i++) {
		uint64_t n = syncs_of_write(i * block + 100, i % 2 ? VD_FUA : 0);

		CHECK(n >= 1 && n <= 3);
		total += n;
	}
	CHECK(total <= (in_place ? 20 : 2 * 20 + 5));
	CHECK_OK(vd_read(m.disk, buf, sizeof(buf), 0, 0));
	CHECK_EQ(syncs_of_flush(), 0);
	/* Many writes, one flush. */
	for (uint64_t i = 0; i < 40; i++)
		CHECK_OK(vd_write(m.disk, buf, sizeof(buf), i * 20 * block / 40, 0));
	CHECK(syncs_of_flush() <= 2);
	model_close(&m);
	storage_close(fault);
	model_free(&m);
}

int main(void)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++) {
		run(&k[i], false);
		if (k[i].child)
			run(&k[i], true);
	}
	return 0;
}
