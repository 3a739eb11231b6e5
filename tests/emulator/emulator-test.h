/* SPDX-License-Identifier: GPL-2.0-or-later */
/* emulator-test.h - disks for the emulator's tests: raw images on memory storages. */
#ifndef EMULATOR_TEST_H
#define EMULATOR_TEST_H

#include "core/image.h"
#include "storage/storage.h"
#include "test.h"
#include "vdisk.h"

extern const struct vd_format vd_format_raw;

/* A writable raw disk on `s`, which it takes over. */
static inline struct vd_disk *disk_on(struct vd_storage *s)
{
	struct vd_image **images = calloc(1, sizeof(struct vd_image *));
	struct vd_disk *d = NULL;
	struct vd_error err = {""};

	CHECK(images != NULL);
	if (image_open(s, "memory", &vd_format_raw, &images[0], &err) ||
	    disk_new(images, 1, NULL, &d, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return d;
}

/* Zeros, in memory. */
static inline struct vd_disk *memory_disk(uint64_t size)
{
	struct vd_storage *s;

	CHECK_OK(storage_open_memory(size, 1, &s));
	return disk_on(s);
}

#endif
