/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-image.h - the body of a fuzz target for one format: opens the bytes as an image, walks its
 * map, reads, checks, and, if asked, writes, flushes and opens it again.
 */
#ifndef FUZZ_IMAGE_H
#define FUZZ_IMAGE_H

#include <stdlib.h>

#include "core/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_STEPS 2000
#define FUZZ_READ 65536

static struct vd_disk *fuzz_open(const char *format, struct vd_storage *s, bool writable)
{
	struct vd_image **images = calloc(1, sizeof(*images));
	struct vd_disk *d;
	struct vd_error err;

	s->writable = writable;
	if (!images)
		abort();
	if (image_open(s, "fuzzed", format_by_name(format), images, &err)) {
		free(images);
		return NULL;
	}
	return disk_new(images, 1, NULL, &d, &err) ? NULL : d;
}

static void fuzz_read(struct vd_disk *d)
{
	static uint8_t buf[FUZZ_READ];
	uint64_t at = 0, size = vd_size(d);

	for (unsigned i = 0; i < FUZZ_STEPS && at < size; i++) {
		struct vd_extent e;
		uint64_t n;

		if (vd_map(d, at, size - at, &e))
			break;
		if (!e.length || e.length > size - at)
			abort();
		n = e.length < FUZZ_READ ? e.length : FUZZ_READ;
		(void)vd_read(d, buf, n, at, 0);
		(void)vd_read(d, buf, n, at + e.length - n, 0);
		at += e.length;
	}
	(void)vd_check(d, 0, 0, NULL, NULL, NULL, NULL);
}

static void fuzz_write(struct vd_disk *d)
{
	static const uint8_t data[3000] = { 1 };
	uint64_t size = vd_size(d);

	for (unsigned i = 0; i < 16; i++) {
		uint64_t at = size / 16 * i, n = size - at < 3000 ? size - at : 3000;

		(void)vd_write(d, data, n, at, 0);
		(void)vd_write_zeroes(d, at, n / 2, VD_MAY_UNMAP);
		if (i % 8 == 0)
			(void)vd_flush(d);
	}
}

__attribute__((unused))
static void fuzz_image(const char *format, const uint8_t *data, size_t size, bool write)
{
	struct vd_storage *s;
	struct vd_disk *d;

	if (storage_open_memory(0, 1, &s) || (size && storage_pwrite(s, data, size, 0)))
		abort();
	d = fuzz_open(format, s, write);
	if (!d)
		return;
	fuzz_read(d);
	if (write) {
		fuzz_write(d);
		fuzz_read(d);
	}
	(void)vd_close(d);
}

#endif
