/* SPDX-License-Identifier: GPL-2.0-or-later */
/* history.c - see history.h. */
#include "history.h"

#include "checked.h"
#include "cleanup.h"

#define SECTOR 512u

struct version {
	uint64_t begun;		/* length of the log */
	uint64_t ended;		/* clock; UINT64_MAX: not yet */
	uint8_t bytes[SECTOR];
};

/* Of one sector, oldest first. */
struct past {
	struct version *version;
	unsigned count, room;
};

struct flushed {
	uint64_t begun;		/* clock */
	uint64_t ended;		/* length of the log */
};

static void add_version(struct history *h, uint64_t sector, const uint8_t *bytes, uint64_t begun)
{
	struct past *p = &h->sector[sector];
	struct version *v;
	uint64_t length = min_u64(SECTOR, h->size - sector * SECTOR);

	if (p->count == p->room) {
		p->room = p->room ? 2 * p->room : 4;
		p->version = realloc(p->version, p->room * sizeof(*p->version));
		CHECK(p->version);
	}
	v = &p->version[p->count++];
	v->begun = begun;
	v->ended = UINT64_MAX;
	memcpy(v->bytes, bytes + sector * SECTOR, length);
}

void history_init(struct history *h, struct vd_storage *record, const struct model *m)
{
	uint64_t size = m->size;

	memset(h, 0, sizeof(*h));
	h->record = record;
	h->size = size;
	h->tear = model_tear(m);
	atomic_init(&h->clock, 1);
	pthread_mutex_init(&h->lock, NULL);
	h->sector = calloc(div_up(size, SECTOR), sizeof(*h->sector));
	CHECK(h->sector);
	for (uint64_t s = 0; s < div_up(size, SECTOR); s++) {
		add_version(h, s, m->bytes, 0);
		h->sector[s].version[0].ended = 0;
	}
}

void history_free(struct history *h)
{
	for (uint64_t s = 0; s < div_up(h->size, SECTOR); s++)
		free(h->sector[s].version);
	free(h->sector);
	free(h->flush);
	pthread_mutex_destroy(&h->lock);
}

void history_begin(struct history *h, const uint8_t *bytes, uint64_t offset, uint64_t length)
{
	uint64_t now = storage_record_length(h->record);

	for (uint64_t s = offset / SECTOR; length && s * SECTOR < offset + length; s++)
		add_version(h, s, bytes, now);
}

void history_end(struct history *h, uint64_t offset, uint64_t length)
{
	uint64_t clock = atomic_fetch_add(&h->clock, 1);

	for (uint64_t s = offset / SECTOR; length && s * SECTOR < offset + length; s++)
		h->sector[s].version[h->sector[s].count - 1].ended = clock;
}

uint64_t history_flush_begin(struct history *h)
{
	return atomic_fetch_add(&h->clock, 1);
}

void history_flush_end(struct history *h, uint64_t begun)
{
	LOCK_SCOPE(&h->lock);

	h->flush = realloc(h->flush, (h->flushes + 1) * sizeof(*h->flush));
	CHECK(h->flush);
	h->flush[h->flushes++] = (struct flushed){ begun, storage_record_length(h->record) };
}

/* The bytes [from, to) of the sector that begins at `bytes`. */
static bool may_hold(const struct past *p, uint64_t flushed, uint64_t upto, const uint8_t *bytes,
		     size_t from, size_t to)
{
	unsigned i = p->count;

	while (i--) {
		const struct version *v = &p->version[i];
		bool durable = v->ended < flushed || i == 0;

		if ((durable || v->begun < upto) &&
		    !memcmp(v->bytes + from, bytes + from, to - from))
			return true;
		if (durable)
			return false;
	}
	return false;
}

const char *history_wrong(struct history *h, uint64_t upto, const uint8_t *bytes)
{
	static char why[300];
	uint64_t flushed = 0;

	for (unsigned i = 0; i < h->flushes; i++)
		if (h->flush[i].ended <= upto)
			flushed = max_u64(flushed, h->flush[i].begun);
	for (uint64_t s = 0; s * SECTOR < h->size; s++) {
		const uint8_t *at = bytes + s * SECTOR;
		const struct past *p = &h->sector[s];
		size_t length = min_u64(SECTOR, h->size - s * SECTOR);
		int was = -1;

		if (may_hold(p, flushed, upto, at, 0, h->tear) &&
		    may_hold(p, flushed, upto, at, h->tear, length))
			continue;
		for (unsigned i = 0; i < p->count; i++)
			if (!memcmp(p->version[i].bytes, at, length))
				was = (int)i;
		snprintf(why, sizeof(why), "the sector at %" PRIu64 " holds what it must not: "
			 "version %d of %u, it begins with %02x %02x %02x %02x", s * SECTOR, was,
			 p->count, at[0], at[1], at[2], at[3]);
		return why;
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------- cuts */

static struct vd_disk *open_cut(const struct cut *c, struct vd_storage *s, bool writable,
				const char *what)
{
	struct vd_error err = { "" };
	struct vd_disk *disk;
	int r = model_open_on(c->m, borrow(s, writable), &disk, &err);

	if (r)
		test_fail(__FILE__, __LINE__, "%s: cannot be opened: %d (%s): %s", what, r,
			  strerror(-r), err.text);
	CHECK_EQ(vd_size(disk), c->h->size);
	return disk;
}

/* Opens it, reads it whole into `bytes`, closes it. */
static void look(const struct cut *c, struct vd_storage *s, bool writable, unsigned findings,
		 uint8_t *bytes, const char *what)
{
	struct vd_disk *disk = open_cut(c, s, writable, what);
	const char *why;
	int r = vd_read(disk, bytes, c->h->size, 0, 0);

	if (r)
		test_fail(__FILE__, __LINE__, "%s: cannot be read: %d (%s)", what, r, strerror(-r));
	if (!writable)
		check_disk(disk, 0, findings, what);
	why = history_wrong(c->h, c->upto, bytes);
	if (why)
		test_fail(__FILE__, __LINE__, "%s: %s", what, why);
	CHECK_OK(vd_close(disk));
}

/* New blocks must not be put over old ones. */
static void use(const struct cut *c, struct vd_storage *s, uint8_t *bytes, uint8_t *buf,
		const char *what)
{
	struct rng r = { c->upto * 31 + c->seed };
	struct vd_disk *disk = open_cut(c, s, true, what);
	uint64_t size = c->h->size;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t length = min_u64(rng_between(&r, 1, 5000), size);
		uint64_t offset = rng_below(&r, size - length + 1);

		rng_fill(&r, bytes + offset, length);
		CHECK_OK(vd_write(disk, bytes + offset, length, offset, 0));
	}
	CHECK_OK(vd_close(disk));
	disk = open_cut(c, s, false, what);
	check_disk(disk, 0, FINDINGS_ALL, what);
	CHECK_OK(vd_read(disk, buf, size, 0, 0));
	if (memcmp(buf, bytes, size))
		test_fail(__FILE__, __LINE__, "%s: writing to it changed something else", what);
	CHECK_OK(vd_close(disk));
}

/* Takes over `s`. */
static void check_storage(const struct cut *c, struct vd_storage *s, const char *what)
{
	uint8_t *bytes = malloc(2 * c->h->size), *after = bytes + c->h->size;
	char now[400];

	CHECK(bytes);
	snprintf(now, sizeof(now), "%s, opened read-only", what);
	look(c, s, false, 1u << VD_FINDING_ERROR, bytes, now);
	snprintf(now, sizeof(now), "%s, opened writable", what);
	look(c, s, true, 0, after, now);
	if (memcmp(bytes, after, c->h->size))
		test_fail(__FILE__, __LINE__, "%s: opening it changed its bytes", now);
	snprintf(now, sizeof(now), "%s, opened again", what);
	look(c, s, false, FINDINGS_ALL, after, now);
	snprintf(now, sizeof(now), "%s, used", what);
	use(c, s, bytes, after, now);
	free(bytes);
	storage_close(s);
}

/* Cuts the recovery, too. */
static void check_recovery(const struct cut *c, struct vd_storage *s, const char *what)
{
	struct vd_storage *copy, *record, *again;
	char now[300];

	CHECK_OK(storage_memory_clone(s, &copy));
	CHECK_OK(storage_open_record(copy, &record));
	CHECK_OK(vd_close(open_cut(c, record, true, what)));
	for (uint64_t upto = 0; upto <= storage_record_length(record); upto++)
		for (uint64_t seed = 0; seed < 4; seed++) {
			snprintf(now, sizeof(now), "%s, recovery cut at %" PRIu64 ", seed %" PRIu64,
				 what, upto, seed);
			CHECK_OK(storage_record_cut(record, upto, seed, &again));
			check_storage(c, again, now);
		}
	storage_close(record);
}

void cut_check(const struct cut *c)
{
	struct vd_storage *s;
	char what[200];

	snprintf(what, sizeof(what), "%s: cut at %" PRIu64 ", seed %" PRIu64, c->m->what, c->upto,
		 c->seed);
	CHECK_OK(storage_record_cut(c->h->record, c->upto, c->seed, &s));
	if (c->deep)
		check_recovery(c, s, what);
	check_storage(c, s, what);
}

void cut_everywhere(struct model *m, struct history *h, struct rng *r, unsigned most,
		    unsigned subsets)
{
	uint64_t length = storage_record_length(h->record);
	uint64_t step = max_u64(1, length / most);

	for (uint64_t upto = 0; upto <= length; upto += rng_between(r, 1, 2 * step - 1))
		for (uint64_t i = 0; i < subsets; i++) {
			struct cut c = {
				.m = m, .h = h, .upto = upto, .seed = i < 3 ? i : rng_next(r),
				.deep = rng_chance(r, 4),
			};

			cut_check(&c);
		}
}
