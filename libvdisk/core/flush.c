/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * flush.c - the one ordering point, in the phases of format.h, and the thread that flushes in the
 * background. Only the leaf is ever written.
 *
 *   cut: copies of all dirty sectors          | sync: data, new tables, counters
 *   write what is new                         | sync: sectors with both
 *   write what points to it                   | sync
 *
 * Where old content and new space are zeros, durably, the pointer needs no barrier and goes with what
 * is new (struct reservation, unordered).
 *
 * A write that completes after the cut is durable with the next flush: its pointers are not in the
 * cut. What completed before the flush began has its data in the first sync.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "checked.h"
#include "cleanup.h"
#include "core/disk.h"

#define BACKGROUND_SECONDS 5
#define BACKGROUND_BYTES (UINT64_C(512) << 20)

static int get_failed(struct vd_disk *d)
{
	return __atomic_load_n(&d->failed, __ATOMIC_ACQUIRE);
}

/* Syncs the files that were written. After a failure nobody knows what is on the disk: the kernel
 * reports it once and forgets, so no later sync can make up for it. */
static int sync_files(struct vd_disk *d)
{
	struct vd_image *img = disk_leaf(d);

	for (unsigned i = 0; i < img->files; i++) {
		struct vd_file *f = &img->file[i];
		uint64_t size;
		int r;

		if (!__atomic_exchange_n(&f->data_dirty, false, __ATOMIC_ACQ_REL))
			continue;
		pthread_mutex_lock(&d->lock);
		size = f->size;
		pthread_mutex_unlock(&d->lock);
		r = storage_sync(f->storage);
		if (r) {
			/* Whatever the reason: it is for good, and not to be taken for a full host
			 * that may have room again. */
			__atomic_store_n(&d->failed, -EIO, __ATOMIC_RELEASE);
			return -EIO;
		}
		pthread_mutex_lock(&d->lock);
		f->durable_size = max_u64(f->durable_size, size);
		pthread_mutex_unlock(&d->lock);
	}
	return 0;
}

static int write_and_sync(struct vd_disk *d, struct meta_cut *cut)
{
	bool wrote;
	int r = meta_cut_write(cut, ORDER_NEW, &wrote);

	if (!r)
		r = sync_files(d);
	for (int order = ORDER_MIXED; !r && order < ORDERS; order++) {
		r = meta_cut_write(cut, order, &wrote);
		if (!r && wrote)
			r = sync_files(d);
	}
	return r;
}

/* Frees may be seen now that nothing durable points there any more. They are written by the next
 * flush; a power cut before it only leaks. */
static int apply_later(struct vd_disk *d, struct meta_later *l)
{
	int r = 0;

	while (l) {
		struct meta_later *next = l->next;

		if (!r)
			r = HOT_CALL(d, meta_change(l->file, l->offset, l->bytes, l->length,
						    META_NEW));
		free(l);
		l = next;
	}
	return r;
}

int disk_flush(struct vd_disk *d)
{
	struct meta_cut cut;
	int r;

	LOCK_SCOPE(&d->flush_lock);
	r = get_failed(d);
	if (r)
		return r;
	__atomic_store_n(&d->bg_bytes, 0, __ATOMIC_RELAXED);
	pthread_mutex_lock(&d->lock);
	r = meta_cut_take(&d->meta, &cut);
	pthread_mutex_unlock(&d->lock);
	if (r)
		return r;
	r = write_and_sync(d, &cut);
	pthread_mutex_lock(&d->lock);
	meta_cut_end(&d->meta, &cut, r);
	if (!r)
		r = apply_later(d, cut.later);
	pthread_mutex_unlock(&d->lock);
	return r;
}

bool disk_is_flushed(struct vd_disk *d)
{
	struct vd_image *img = disk_leaf(d);
	bool clean;

	if (!d->writable)
		return true;
	/* Who flushes now may be about what this one should cover. */
	if (pthread_mutex_trylock(&d->flush_lock))
		return false;
	pthread_mutex_lock(&d->lock);
	clean = !meta_is_dirty(&d->meta);
	pthread_mutex_unlock(&d->lock);
	for (unsigned i = 0; i < img->files; i++)
		clean = clean && !__atomic_load_n(&img->file[i].data_dirty, __ATOMIC_ACQUIRE);
	clean = clean && !get_failed(d) && !__atomic_load_n(&d->background_error, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&d->flush_lock);
	return clean;
}

int vd_flush(struct vd_disk *d)
{
	int earlier, r;

	if (!d->writable)
		return 0;
	r = disk_flush(d);
	earlier = __atomic_exchange_n(&d->background_error, 0, __ATOMIC_ACQ_REL);
	return r ? r : earlier;
}

static void sleep_until_due(struct vd_disk *d)
{
	struct timespec due;

	clock_gettime(CLOCK_MONOTONIC, &due);
	due.tv_sec += BACKGROUND_SECONDS;
	while (!d->bg_stop && !d->bg_now)
		if (pthread_cond_timedwait(&d->bg_wake, &d->bg_lock, &due) == ETIMEDOUT)
			break;
}

/*
 * Where the host has no room, nothing is lost: what could not be written is dirty still, and is tried
 * again, so that the next flush need not hear of it if there is room by then. All else it shall know.
 */
static void background_failed(struct vd_disk *d, int r)
{
	bool no_room = r == -ENOSPC || r == -EDQUOT || r == -EFBIG;

	if (no_room && !get_failed(d))
		__atomic_store_n(&d->bg_dirty, true, __ATOMIC_RELEASE);
	else if (r)
		__atomic_store_n(&d->background_error, r, __ATOMIC_RELEASE);
}

static void *background(void *opaque)
{
	struct vd_disk *d = opaque;

	pthread_mutex_lock(&d->bg_lock);
	while (!d->bg_stop) {
		if (!__atomic_load_n(&d->bg_dirty, __ATOMIC_ACQUIRE)) {
			pthread_cond_wait(&d->bg_wake, &d->bg_lock);
			continue;
		}
		sleep_until_due(d);
		if (d->bg_stop)
			break;
		d->bg_now = false;
		__atomic_store_n(&d->bg_dirty, false, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&d->bg_lock);
		int r = disk_flush(d);

		background_failed(d, r);
		pthread_mutex_lock(&d->bg_lock);
	}
	pthread_mutex_unlock(&d->bg_lock);
	return NULL;
}

static void wake_background(struct vd_disk *d, bool now)
{
	LOCK_SCOPE(&d->bg_lock);
	if (d->bg_stop)
		return;
	/* Without the thread all works but for the bound in time. */
	if (!d->bg_running)
		d->bg_running = !engine_thread(&d->bg_thread, background, d);
	d->bg_now |= now;
	pthread_cond_signal(&d->bg_wake);
}

void disk_mark_dirty(struct vd_disk *d, uint64_t bytes)
{
	uint64_t sum = __atomic_add_fetch(&d->bg_bytes, bytes, __ATOMIC_RELAXED);
	bool many = sum >= BACKGROUND_BYTES && sum - bytes < BACKGROUND_BYTES;
	bool first = false;

	if (!__atomic_load_n(&d->bg_dirty, __ATOMIC_ACQUIRE))
		first = !__atomic_exchange_n(&d->bg_dirty, true, __ATOMIC_ACQ_REL);
	if (first || many)
		wake_background(d, many);
}

void disk_stop_background(struct vd_disk *d)
{
	pthread_mutex_lock(&d->bg_lock);
	d->bg_stop = true;
	pthread_cond_signal(&d->bg_wake);
	pthread_mutex_unlock(&d->bg_lock);
	if (d->bg_running)
		pthread_join(d->bg_thread, NULL);
	d->bg_running = false;
}
