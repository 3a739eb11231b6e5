/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump - writes an image on which random operations were done, closed and opened in between, and
 * the bytes that it should hold, so that others can look at them.
 *
 *	dump FORMAT dynamic|fixed SEED IMAGE RAW	exits with 77 if there is no such kind
 *	dump FORMAT dynamic|fixed SEED IMAGE RAW cut	power failed meanwhile; opened once since
 */
#include "model.h"

#include <fcntl.h>

#include "checked.h"

static void write_out(struct vd_storage *s, const char *path)
{
	struct vd_storage *file;
	struct vd_error err = { "" };
	uint64_t size, at = 0, length;
	bool data;

	CHECK_OK(storage_create_file(path, &file, &err));
	CHECK_OK(storage_size(s, &size));
	CHECK_OK(storage_truncate(file, size));
	for (; at < size; at += length) {
		CHECK_OK(storage_extent(s, at, min_u64(size - at, 1 << 20), &data, &length));
		if (data) {
			void *buf = malloc(length);

			CHECK(buf);
			CHECK_OK(storage_pread(s, buf, length, at));
			CHECK_OK(storage_pwrite(file, buf, length, at));
			free(buf);
		}
	}
	storage_close(file);
}

/* What a power cut at any point of the log may leave, opened and closed once. */
static void cut(struct model *m, struct rng *r)
{
	struct vd_storage *record = m->layer[0].storage;
	uint64_t upto = rng_below(r, storage_record_length(record) + 1);

	CHECK_OK(storage_record_cut(record, upto, rng_next(r), &m->layer[0].storage));
	storage_close(record);
	model_open(m, true);
	CHECK_OK(vd_read(m->disk, m->bytes, m->size, 0, 0));
	model_close(m);
}

int main(int argc, char **argv)
{
	const struct kind *kind;
	struct vd_storage *raw;
	struct model m;
	struct rng r;

	if (argc != 6 && argc != 7) {
		fprintf(stderr, "usage: dump FORMAT dynamic|fixed SEED IMAGE RAW [cut]\n");
		return 2;
	}
	kind = kind_of(argv[1], !strcmp(argv[2], "fixed"));
	if (!kind)
		test_skip("there is no such kind of image");
	r.state = strtoull(argv[3], NULL, 0);
	/* The default block: others take no other. */
	model_init(&m, kind, 0, 512 * rng_between(&r, 4096, 30000), 1);
	if (argc == 7)
		CHECK_OK(storage_open_record(m.layer[0].storage, &m.layer[0].storage));
	model_open(&m, true);
	for (unsigned i = 0; i < 400; i++)
		model_step(&m, &r);
	model_close(&m);
	if (argc == 7)
		cut(&m, &r);
	model_verify_closed(&m);
	write_out(m.layer[0].storage, argv[4]);
	CHECK_OK(storage_open_memory(0, 1, &raw));
	CHECK_OK(storage_pwrite(raw, m.bytes, m.size, 0));
	write_out(raw, argv[5]);
	storage_close(raw);
	model_free(&m);
	return 0;
}
