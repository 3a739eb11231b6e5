/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-test.h - VHDs in memory: made, opened, copied, damaged. */
#ifndef VHD_TEST_H
#define VHD_TEST_H

#include "test.h"

#include "bytes.h"
#include "core/image.h"
#include "formats/vhd.h"

#define KIB 1024u
#define MIB (1024u * KIB)

static struct vd_storage *memory_of(const void *bytes, uint64_t size)
{
	struct vd_storage *s;

	CHECK_OK(storage_open_memory(0, 1, &s));
	if (size)
		CHECK_OK(storage_pwrite(s, bytes, size, 0));
	return s;
}

static uint64_t storage_length(struct vd_storage *s)
{
	uint64_t size;

	CHECK_OK(storage_size(s, &size));
	return size;
}

/* All bytes of a storage; to be freed. */
__attribute__((unused))
static uint8_t *bytes_of(struct vd_storage *s, uint64_t *size)
{
	uint8_t *bytes;

	*size = storage_length(s);
	bytes = malloc(*size + 1);
	CHECK(bytes);
	CHECK_OK(storage_pread(s, bytes, *size, 0));
	return bytes;
}

__attribute__((unused))
static struct vd_storage *copy_of(struct vd_storage *s)
{
	uint64_t size;
	uint8_t *bytes = bytes_of(s, &size);
	struct vd_storage *copy = memory_of(bytes, size);

	free(bytes);
	return copy;
}

/* An empty image in memory. */
__attribute__((unused))
static struct vd_storage *new_vhd(uint64_t size, uint64_t block_size, bool fixed,
				  const struct vd_image *parent)
{
	struct create_params p = {
		.path = "new.vhd", .size = size, .block_size = block_size, .fixed = fixed,
		.parent = parent,
	};
	struct vd_storage *s = memory_of(NULL, 0);
	struct vd_error err;

	uuid_fresh(&p.uuid);
	uuid_fresh(&p.modification);
	if (format_by_name("vhd")->create(s, &p, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return s;
}

/* Takes the storage over. */
static int try_image(struct vd_storage *s, bool writable, struct vd_image **out,
		     struct vd_error *err)
{
	s->writable = writable;
	return image_open(s, "test.vhd", NULL, out, err);
}

/* A disk of images, leaf first, the last one NULL; takes the storages over. */
static int try_disk(struct vd_storage **s, bool writable, struct vd_disk **out,
		    struct vd_error *err)
{
	struct vd_image **images = calloc(16, sizeof(*images));
	unsigned n;
	int r;

	CHECK(images);
	for (n = 0; s[n]; n++) {
		r = try_image(s[n], writable && !n, &images[n], err);
		if (!r)
			continue;
		for (unsigned i = n + 1; s[i]; i++)
			storage_close(s[i]);
		while (n)
			image_close(images[--n]);
		free(images);
		return r;
	}
	return disk_new(images, n, NULL, out, err);
}

__attribute__((unused))
static struct vd_disk *disk_of(struct vd_storage *leaf, struct vd_storage *parent, bool writable)
{
	struct vd_storage *s[] = { leaf, parent, NULL };
	struct vd_disk *d;
	struct vd_error err;

	if (try_disk(s, writable, &d, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return d;
}

/* What a check found, as text. */
struct findings {
	struct vd_check_result result;
	char text[4096];
};

static void note_finding(void *opaque, enum vd_finding_kind kind, bool repaired, const char *text)
{
	static const char *const name[] = { "error", "leak", "minor" };
	struct findings *f = opaque;
	size_t n = strlen(f->text);

	snprintf(f->text + n, sizeof(f->text) - n, "%s%s: %s\n", name[kind],
		 repaired ? " (mended)" : "", text);
}

__attribute__((unused))
static void check_disk(struct vd_disk *d, unsigned flags, struct findings *f)
{
	struct vd_error err;

	memset(f, 0, sizeof(*f));
	if (vd_check(d, 0, flags, note_finding, f, &f->result, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

__attribute__((unused))
static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
