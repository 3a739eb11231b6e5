/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * record.c - for tests: a storage that remembers every change, and makes from that what a power cut
 * at any moment could have left.
 *
 * A change is in the log from the moment it begins: a cut may catch it half done. It is covered by
 * a barrier, that is, certain to be there, if it was completed before a sync began that itself
 * completed with success. Covered changes are therefore a prefix of the list of completed ones:
 *
 *	log		write 0   write 1   truncate 2   barrier 3   write 4   ...
 *	                                                 covers 2
 *	completed	1, 0, 2, 4 ...			 (1 and 0: truncate 2 was still running)
 *
 * Changes that overlap and run at the same time are made in the order of their completion. A disk
 * writes whole sectors: a change of a part of one is remembered as what the sector holds after it.
 * A failed change may have happened or not, for ever. Memory: all data that was written.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "cleanup.h"
#include "internal.h"
#include "memory.h"
#include "stack.h"

#define SECTOR 512u
#define NEVER UINT64_MAX

enum entry_kind {
	ENTRY_VOID,		/* turned out not to be supported: nothing happened */
	ENTRY_WRITE,
	ENTRY_ZERO,		/* or punch: what is left reads the same */
	ENTRY_TRUNCATE,
	ENTRY_BARRIER,
};

struct entry {
	enum entry_kind kind;
	uint64_t offset, length;	/* truncate: the size is in offset */
	uint8_t *data;			/* write */
	uint64_t rank;			/* when it was completed: its place among the completed */
	/* Of the barriers up to this entry: how many completed changes the best one covers, and the
	 * first entry that this leaves open. */
	uint64_t covered, first_open;
};

struct record {
	struct stacked stacked;
	struct vd_storage *start;	/* memory: the content at the beginning; never changed */
	/* Held by each change, alone where it is about parts of sectors. */
	pthread_rwlock_t parts;
	pthread_mutex_t lock;		/* of all below */
	struct entry *log;
	uint64_t length, room;
	uint64_t *completed;		/* indices into the log; as much room as the log */
	uint64_t completed_length;
	uint64_t open;			/* all entries before this one are completed */
	struct vd_storage *durable;	/* start and the first durable_length completed */
	uint64_t durable_length;
};

static struct record *record_of(struct vd_storage *s)
{
	return (struct record *)s;
}

static int record_reserve_locked(struct record *r)
{
	uint64_t room = r->room ? 2 * r->room : 64;
	void *p;

	if (r->length < r->room)
		return 0;
	p = realloc(r->log, room * sizeof(*r->log));
	if (!p)
		return -ENOMEM;
	r->log = p;
	p = realloc(r->completed, room * sizeof(*r->completed));
	if (!p)
		return -ENOMEM;
	r->completed = p;
	r->room = room;
	return 0;
}

/* Takes over e->data. Says where in the log it is. */
static int record_begin(struct record *r, struct entry e, uint64_t *index)
{
	LOCK_SCOPE(&r->lock);

	if (record_reserve_locked(r) < 0) {
		free(e.data);
		return -ENOMEM;
	}
	e.rank = NEVER;
	if (r->length > 0) {
		e.covered = r->log[r->length - 1].covered;
		e.first_open = r->log[r->length - 1].first_open;
	}
	*index = r->length;
	r->log[r->length++] = e;
	return 0;
}

static int record_end(struct record *r, uint64_t index, int err)
{
	LOCK_SCOPE(&r->lock);

	if (err == -EOPNOTSUPP)
		r->log[index].kind = ENTRY_VOID;
	else if (err < 0)
		return err;
	r->log[index].rank = r->completed_length;
	r->completed[r->completed_length++] = index;
	return err;
}

/* The range, made wider to whole sectors, with what they hold; not past the end of the storage. */
static int read_sectors(struct vd_storage *s, struct entry *e, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length, whole = div_up(end, SECTOR) * SECTOR, size, have;
	struct iovec iov;
	int err = storage_size(lower_of(s), &size);

	if (err < 0)
		return err;
	e->kind = ENTRY_WRITE;
	e->offset = align_down(offset, SECTOR);
	e->length = max_u64(end, min_u64(whole, size)) - e->offset;
	if (posix_memalign((void **)&e->data, 4096, e->length))
		return -ENOMEM;
	have = size > e->offset ? min_u64(e->length, size - e->offset) : 0;
	memset(e->data + have, 0, e->length - have);
	iov = (struct iovec){ e->data, have };
	err = have ? stacked_preadv(s, &iov, 1, e->offset) : 0;
	if (err < 0)
		free(e->data);
	return err;
}

static bool is_part(uint64_t offset, uint64_t length)
{
	return !is_aligned(offset, SECTOR) || !is_aligned(length, SECTOR);
}

static void lock_parts(struct record *r, bool alone)
{
	if (alone)
		pthread_rwlock_wrlock(&r->parts);
	else
		pthread_rwlock_rdlock(&r->parts);
}

static int record_pwritev_locked(struct vd_storage *s, const struct iovec *iov, int n,
				 uint64_t offset, uint64_t length)
{
	struct record *r = record_of(s);
	struct entry e = { .kind = ENTRY_WRITE, .offset = offset, .length = length };
	uint64_t index;
	uint8_t *to;
	int err = 0;

	if (is_part(offset, length))
		err = read_sectors(s, &e, offset, length);
	else
		e.data = malloc(length);
	if (err < 0 || !e.data)
		return err < 0 ? err : -ENOMEM;
	to = e.data + (offset - e.offset);
	for (int i = 0; i < n; i++) {
		memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	err = record_begin(r, e, &index);
	return err < 0 ? err : record_end(r, index, stacked_pwritev(s, iov, n, offset));
}

static int record_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	struct record *r = record_of(s);
	uint64_t length = storage_iov_length(iov, n);
	int err;

	lock_parts(r, is_part(offset, length));
	err = record_pwritev_locked(s, iov, n, offset, length);
	pthread_rwlock_unlock(&r->parts);
	return err;
}

static int record_truncate(struct vd_storage *s, uint64_t size)
{
	struct record *r = record_of(s);
	uint64_t index;
	int err = record_begin(r, (struct entry){ .kind = ENTRY_TRUNCATE, .offset = size }, &index);

	return err < 0 ? err : record_end(r, index, stacked_truncate(s, size));
}

typedef int zero_fn(struct vd_storage *s, uint64_t offset, uint64_t length);

/* What becomes of [offset, end), which lies in one sector. */
static int begin_part(struct vd_storage *s, uint64_t offset, uint64_t end, uint64_t *index)
{
	struct entry e = { 0 };
	int err = read_sectors(s, &e, offset, end - offset);

	if (err < 0)
		return err;
	memset(e.data + (offset - e.offset), 0, end - offset);
	return record_begin(record_of(s), e, index);
}

/* Up to three entries: the sectors at the ends, of which only a part is changed, and the middle. */
static int begin_zeros(struct vd_storage *s, uint64_t offset, uint64_t end, uint64_t *index, int *n)
{
	uint64_t first = div_up(offset, SECTOR) * SECTOR, last = align_down(end, SECTOR);
	int err = 0;

	*n = 0;
	if (first > last) /* inside one sector */
		return begin_part(s, offset, end, &index[(*n)++]);
	if (offset < first)
		err = begin_part(s, offset, first, &index[(*n)++]);
	if (err == 0 && last < end)
		err = begin_part(s, last, end, &index[(*n)++]);
	if (err == 0 && first < last)
		err = record_begin(record_of(s), (struct entry){
			.kind = ENTRY_ZERO, .offset = first, .length = last - first,
		}, &index[(*n)++]);
	return err;
}

static int record_zeros(struct vd_storage *s, zero_fn *fn, uint64_t offset, uint64_t length)
{
	struct record *r = record_of(s);
	uint64_t index[3];
	int n, err;

	lock_parts(r, is_part(offset, length));
	err = begin_zeros(s, offset, offset + length, index, &n);
	if (err == 0) {
		err = fn(s, offset, length);
		for (int i = 0; i < n; i++)
			record_end(r, index[i], err);
	}
	pthread_rwlock_unlock(&r->parts);
	return err;
}

static int record_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return record_zeros(s, stacked_punch, offset, length);
}

static int record_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return record_zeros(s, stacked_zero, offset, length);
}

static void record_mark(struct record *r, uint64_t *covered, uint64_t *first_open)
{
	LOCK_SCOPE(&r->lock);

	/* Barriers are entries too, and have no rank. */
	while (r->open < r->length && (r->log[r->open].rank != NEVER ||
				       r->log[r->open].kind == ENTRY_BARRIER))
		r->open++;
	*covered = r->completed_length;
	*first_open = r->open;
}

static int record_sync(struct vd_storage *s)
{
	struct record *r = record_of(s);
	uint64_t covered, first_open, index;
	int err;

	record_mark(r, &covered, &first_open);
	err = stacked_sync(s);
	if (err < 0)
		return err;
	err = record_begin(r, (struct entry){ .kind = ENTRY_BARRIER }, &index);
	if (err < 0)
		return err;
	/* Of two that ran at the same time the one that began first may end last. */
	LOCK_SCOPE(&r->lock);
	for (; index < r->length; index++) {
		r->log[index].covered = max_u64(r->log[index].covered, covered);
		r->log[index].first_open = max_u64(r->log[index].first_open, first_open);
	}
	return 0;
}

static void record_close(struct vd_storage *s)
{
	struct record *r = record_of(s);

	for (uint64_t i = 0; i < r->length; i++)
		free(r->log[i].data);
	free(r->log);
	free(r->completed);
	storage_close(r->start);
	storage_close(r->durable);
	stacked_fini(&r->stacked);
	pthread_mutex_destroy(&r->lock);
	pthread_rwlock_destroy(&r->parts);
	free(r);
}

static const struct vd_storage_ops record_ops = {
	.name = "record",
	.preadv = stacked_preadv,
	.pwritev = record_pwritev,
	.sync = record_sync,
	.truncate = record_truncate,
	.punch = record_punch,
	.zero = record_zero,
	.size = stacked_size,
	.extent = stacked_extent,
	.allocated = stacked_allocated,
	.lock = stacked_lock,
	.close = record_close,
};

static int copy_range(struct vd_storage *from, struct vd_storage *to, uint64_t offset,
		      uint64_t length)
{
	const uint64_t step = 1 << 20;
	CLEANUP_FREE void *buf = NULL;
	int err = 0;

	if (posix_memalign(&buf, 4096, step))
		return -ENOMEM;
	for (uint64_t part; length > 0 && err == 0; offset += part, length -= part) {
		part = min_u64(length, step);
		err = storage_pread(from, buf, part, offset);
		if (err == 0)
			err = storage_pwrite(to, buf, part, offset);
	}
	return err;
}

/* A copy in memory, of any alignment. */
static int copy_to_memory(struct vd_storage *from, struct vd_storage **out)
{
	uint64_t size, at = 0, length = 0;
	bool data;
	int err = storage_size(from, &size);

	if (err == 0)
		err = storage_open_memory(0, 1, out);
	if (err == 0)
		err = storage_truncate(*out, size);
	while (err == 0 && at < size) {
		err = storage_extent(from, at, size - at, &data, &length);
		if (err == 0 && data)
			err = copy_range(from, *out, at, length);
		at += length;
	}
	return err;
}

int storage_open_record(struct vd_storage *lower, struct vd_storage **out)
{
	struct vd_storage *start = NULL;
	struct record *r = NULL;
	int err = copy_to_memory(lower, &start);

	if (err == 0) {
		r = calloc(1, sizeof(*r));
		err = r ? stacked_init(&r->stacked, &record_ops, lower) : -ENOMEM;
	}
	if (err < 0) {
		storage_close(start);
		free(r);
		return err;
	}
	r->start = start;
	pthread_mutex_init(&r->lock, NULL);
	pthread_rwlock_init(&r->parts, NULL);
	*out = &r->stacked.base;
	return 0;
}

uint64_t storage_record_length(struct vd_storage *s)
{
	LOCK_SCOPE(&record_of(s)->lock);

	return record_of(s)->length;
}

static int apply(struct vd_storage *to, const struct entry *e)
{
	uint64_t size;
	int err;

	switch (e->kind) {
	case ENTRY_WRITE:
		return storage_pwrite(to, e->data, e->length, e->offset);
	case ENTRY_TRUNCATE:
		return storage_truncate(to, e->offset);
	case ENTRY_ZERO:
		/* What made the storage grow may be lost. */
		err = storage_size(to, &size);
		if (err < 0 || e->offset >= size)
			return err;
		return storage_zero(to, e->offset, min_u64(e->length, size - e->offset), true);
	default:
		return 0;
	}
}

/* splitmix64 over what the decision is about: the same question has the same answer always. */
static uint64_t mix(uint64_t seed, uint64_t value)
{
	uint64_t z = seed + (value + 1) * 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Nearly none and nearly all find other faults than one half does. */
static const uint8_t of_256_kept[] = { 8, 64, 128, 128, 192, 248 };

struct chance {
	uint64_t seed;
	bool sectors;
	unsigned kept;
};

static bool kept(const struct chance *c, uint64_t index, uint64_t sector)
{
	return (mix(mix(c->seed, index), sector) & 255) < c->kept;
}

static int apply_sectors(struct vd_storage *to, const struct entry *e, const struct chance *c,
			 uint64_t index)
{
	uint64_t end = e->offset + e->length, at = e->offset, next, size;
	int err = 0;

	/* [at, next): sectors of one lot. */
	for (; at < end && err == 0; at = next) {
		bool keep = kept(c, index, at / SECTOR);

		next = at;
		do
			next = min_u64((next / SECTOR + 1) * SECTOR, end);
		while (next < end && kept(c, index, next / SECTOR) == keep);
		if (keep)
			err = storage_pwrite(to, e->data + (at - e->offset), next - at, at);
	}
	/* The new size may be there without the data. */
	if (err == 0)
		err = storage_size(to, &size);
	if (err == 0 && size < end && kept(c, index, NEVER))
		err = storage_truncate(to, end);
	return err;
}

/* A clone of what is certain after `covered` completed changes. Going forward costs only what is
 * new; going back begins again. */
static int record_durable_locked(struct record *r, uint64_t covered, struct vd_storage **out)
{
	int err = 0;

	if (!r->durable || r->durable_length > covered) {
		storage_close(r->durable);
		r->durable = NULL;
		r->durable_length = 0;
		err = storage_memory_clone(r->start, &r->durable);
	}
	for (; err == 0 && r->durable_length < covered; r->durable_length++) {
		err = apply(r->durable, &r->log[r->completed[r->durable_length]]);
		if (err < 0)
			return err;
	}
	return err < 0 ? err : storage_memory_clone(r->durable, out);
}

static int record_cut_locked(struct record *r, uint64_t upto, uint64_t seed,
			     struct vd_storage **out)
{
	uint64_t covered = upto > 0 ? r->log[upto - 1].covered : 0;
	uint64_t index = upto > 0 ? r->log[upto - 1].first_open : 0;
	struct chance c = { .seed = mix(seed, upto), .sectors = seed % 2 == 0 };
	int err = record_durable_locked(r, covered, out);

	c.kept = seed == 0 ? 256 : of_256_kept[mix(c.seed, NEVER) % ARRAY_SIZE(of_256_kept)];
	for (; index < upto && err == 0; index++) {
		const struct entry *e = &r->log[index];

		if (e->rank < covered)
			continue;
		if (c.sectors && e->kind == ENTRY_WRITE)
			err = apply_sectors(*out, e, &c, index);
		else if (kept(&c, index, 0))
			err = apply(*out, e);
	}
	return err;
}

int storage_record_cut(struct vd_storage *s, uint64_t upto, uint64_t seed,
		       struct vd_storage **out)
{
	struct record *r = record_of(s);
	struct vd_storage *cut = NULL;
	uint64_t size, whole;
	int err;
	LOCK_SCOPE(&r->lock);

	if (upto > r->length)
		return -EINVAL;
	err = record_cut_locked(r, upto, seed, &cut);
	if (err == 0)
		err = storage_size(cut, &size);
	/* A device's size is made of its own blocks. */
	if (err == 0 && align_up(size, s->align, &whole) && whole != size)
		err = storage_truncate(cut, whole);
	if (err < 0) {
		storage_close(cut);
		return err;
	}
	cut->align = s->align;
	*out = cut;
	return 0;
}
