/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An entry of a block table that points past the end of the file is -EIO where it is read, and only
 * there; writing there fails; the map says so; and the image is not opened for writing.
 */
#include "bytes.h"
#include "checked.h"
#include "model.h"

struct table {
	const char *name;
	uint64_t offset;	/* where we put it on creation */
	bool big_endian;
};

static const struct table tables[] = {
	{ "vdi", 1 << 20, false },
	{ "vhd", 1536, true },
};

static void point_away(struct model *m, const struct table *t, unsigned block, uint32_t to)
{
	uint8_t entry[4];

	if (t->big_endian)
		put_be32(entry, to);
	else
		put_le32(entry, to);
	CHECK_OK(storage_pwrite(model_leaf(m)->storage, entry, 4, t->offset + 4 * block));
}

static void run(const struct kind *kind, const struct table *t, bool child, uint32_t entry)
{
	uint64_t block = kind->block[0];
	struct vd_error err = { "" };
	struct rng r = { 5 };
	struct vd_extent e;
	struct model m;
	uint8_t *buf = malloc(5 * block);

	CHECK(buf);
	model_init(&m, kind, block, 5 * block, 1);
	if (child)
		model_push(&m, kind, block, 5 * block);
	model_open(&m, true);
	model_write(&m, &r, 0, 5 * block);
	model_close(&m);
	point_away(&m, t, 2, entry);

	model_open(&m, false);
	CHECK_EQ(vd_read(m.disk, buf, 1, 2 * block, 0), -EIO);
	CHECK_EQ(vd_read(m.disk, buf, 512, 3 * block - 512, 0), -EIO);
	CHECK_EQ(vd_read(m.disk, buf, 5 * block, 0, 0), -EIO);
	model_read(&m, &r, 0, 2 * block);
	model_read(&m, &r, 3 * block, 2 * block);
	CHECK_OK(vd_map(m.disk, 2 * block, 100, &e));
	CHECK_EQ(e.kind, VD_EXTENT_ERROR);
	CHECK_OK(vd_map(m.disk, 0, 5 * block, &e));
	CHECK_EQ(e.kind, VD_EXTENT_DATA);
	CHECK(e.length <= 2 * block);
	model_close(&m);

	CHECK_EQ(model_open_on(&m, borrow(model_leaf(&m)->storage, true), &m.disk, &err), -EUCLEAN);
	CHECK(*err.text);
	m.disk = NULL;
	free(buf);
	model_free(&m);
}

int main(void)
{
	static const uint32_t far[] = { 5000, 0x7fffffff, 0xfffffffd };

	for (unsigned i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct kind *kind = kind_of(tables[i].name, false);

		for (unsigned k = 0; kind && k < ARRAY_SIZE(far); k++) {
			run(kind, &tables[i], false, far[k]);
			run(kind, &tables[i], true, far[k]);
		}
	}
	return 0;
}
