/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of two that write to new blocks at a time the one that was first fails, so that its space is below
 * the other's. The closed image has no gap all the same, in each format.
 */
#include "model.h"

#include "core/disk.h"

static void cancel(struct vd_disk *d, struct reservation *r)
{
	struct vd_image *leaf = d->image[0];

	pthread_mutex_lock(&d->lock);
	leaf->format->cancel(leaf, r);
	pthread_mutex_unlock(&d->lock);
}

static void reserve(struct vd_disk *d, struct reservation *r, uint64_t block, uint64_t size)
{
	struct vd_image *leaf = d->image[0];

	*r = (struct reservation){ .start = block * size, .length = size };
	pthread_mutex_lock(&d->lock);
	CHECK_OK(HOT_CALL(d, leaf->format->reserve(leaf, r)));
	pthread_mutex_unlock(&d->lock);
}

static void run(const struct kind *kind, bool child)
{
	uint64_t block = kind->block[0], size = 12 * block;
	struct reservation failing[3];
	struct rng r = { 1 };
	struct model m;

	model_init(&m, kind, block, size, 1);
	if (child)
		model_push(&m, kind, block, size);
	snprintf(m.what, sizeof(m.what), "%s%s", kind_label(kind), child ? " child" : "");
	model_open(&m, true);
	model_write(&m, &r, 100, 500);
	reserve(m.disk, &failing[0], 5, block);
	model_write(&m, &r, 2 * block + 100, 500);
	reserve(m.disk, &failing[1], 6, block);
	reserve(m.disk, &failing[2], 7, block);
	model_write(&m, &r, 9 * block + 100, 500);
	model_write(&m, &r, 10 * block, block);
	for (unsigned i = 0; i < 3; i++)
		cancel(m.disk, &failing[i]);
	model_compare(&m);
	model_close(&m);
	model_verify_closed(&m);
	model_free(&m);
}

int main(void)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (unsigned i = 0; i < n; i++)
		for (unsigned child = 0; k[i].child && child < 2; child++)
			run(&k[i], child);
	return 0;
}
