/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * chainmap.c - see chainmap.h. A hash table of buckets with the least recently used evicted first;
 * a bucket's runs are packed: 16 bytes each, found by bisection.
 */
#include "core/chainmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct packed {
	uint64_t offset;	/* in the file */
	uint32_t start : BUCKET_SHIFT;	/* in the bucket */
	uint32_t kind : 3;
	uint32_t in_place : 1;
	uint16_t level;
	uint8_t file;
};

struct bucket {
	uint64_t start;
	struct bucket *next;		/* in the hash chain */
	struct bucket *newer, *older;
	uint32_t length;		/* the last one of a disk may be shorter */
	uint32_t count;
	struct packed run[];
};

static size_t slot(const struct chainmap *m, uint64_t start)
{
	uint64_t x = (start >> BUCKET_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)(x >> 32) & m->mask;
}

static size_t bucket_bytes(unsigned count)
{
	return sizeof(struct bucket) + count * sizeof(struct packed) + 16;
}

int chainmap_init(struct chainmap *m, size_t limit)
{
	memset(m, 0, sizeof(*m));
	m->limit = limit;
	m->mask = 63;
	m->table = calloc(m->mask + 1, sizeof(*m->table));
	return m->table ? 0 : -ENOMEM;
}

void chainmap_free(struct chainmap *m)
{
	for (struct bucket *b = m->newest, *older; b; b = older) {
		older = b->older;
		free(b);
	}
	free(m->table);
	memset(m, 0, sizeof(*m));
}

static void list_remove(struct chainmap *m, struct bucket *b)
{
	*(b->newer ? &b->newer->older : &m->newest) = b->older;
	*(b->older ? &b->older->newer : &m->oldest) = b->newer;
}

static void list_insert(struct chainmap *m, struct bucket *b)
{
	b->newer = NULL;
	b->older = m->newest;
	*(m->newest ? &m->newest->newer : &m->oldest) = b;
	m->newest = b;
}

static struct bucket **find(struct chainmap *m, uint64_t start)
{
	struct bucket **p = &m->table[slot(m, start)];

	while (*p && (*p)->start != start)
		p = &(*p)->next;
	return p;
}

static void drop_bucket(struct chainmap *m, struct bucket **p)
{
	struct bucket *b = *p;

	*p = b->next;
	list_remove(m, b);
	m->count--;
	m->bytes -= bucket_bytes(b->count);
	free(b);
}

static void grow_table(struct chainmap *m)
{
	size_t old = m->mask + 1;
	struct bucket **table = calloc(old * 4, sizeof(*table)), **before = m->table;

	if (!table)
		return; /* longer chains, nothing worse */
	m->table = table;
	m->mask = old * 4 - 1;
	free(before);
	for (struct bucket *b = m->newest; b; b = b->older) {
		struct bucket **p = &m->table[slot(m, b->start)];

		b->next = *p;
		*p = b;
	}
}

/* Takes a bucket into the table and makes room for it. */
static void insert(struct chainmap *m, struct bucket *b)
{
	struct bucket **p;

	m->bytes += bucket_bytes(b->count);
	while (m->bytes > m->limit && m->oldest)
		drop_bucket(m, find(m, m->oldest->start));
	if (m->count > m->mask * 2)
		grow_table(m);
	p = &m->table[slot(m, b->start)];
	b->next = *p;
	*p = b;
	m->count++;
	list_insert(m, b);
}

/* The run that holds the position. */
static unsigned bisect(const struct bucket *b, uint32_t at)
{
	unsigned low = 0, high = b->count;

	while (high - low > 1) {
		unsigned mid = (low + high) / 2;

		if (b->run[mid].start <= at)
			low = mid;
		else
			high = mid;
	}
	return low;
}

static void unpack(const struct bucket *b, unsigned i, struct run *r)
{
	const struct packed *p = &b->run[i];
	uint32_t end = i + 1 < b->count ? b->run[i + 1].start : b->length;

	r->start = b->start + p->start;
	r->length = end - p->start;
	r->offset = p->offset;
	r->level = p->level;
	r->file = p->file;
	r->kind = p->kind;
	r->in_place = p->in_place;
}

static void pack(struct packed *p, uint64_t bucket, const struct run *r)
{
	memset(p, 0, sizeof(*p));
	p->start = (uint32_t)(r->start - bucket);
	p->offset = r->offset;
	p->level = r->level;
	p->file = r->file;
	p->kind = r->kind;
	p->in_place = r->in_place;
}

static void cut_front(struct run *r, uint64_t to)
{
	uint64_t n = to - r->start;

	r->start += n;
	r->length -= n;
	if (r->kind == RUN_DATA)
		r->offset += n;
}

unsigned chainmap_get(struct chainmap *m, uint64_t offset, uint64_t length, struct run *out,
		      unsigned max)
{
	uint64_t start = offset & ~(BUCKET_SIZE - 1);
	uint64_t end = offset + length;
	struct bucket *b = *find(m, start);
	unsigned n = 0;

	if (!b || offset >= start + b->length)
		return 0;
	if (b != m->newest) {
		list_remove(m, b);
		list_insert(m, b);
	}
	for (unsigned i = bisect(b, (uint32_t)(offset - start)); i < b->count && n < max; i++) {
		struct run *r = &out[n];

		unpack(b, i, r);
		if (r->start >= end)
			break;
		if (r->start < offset)
			cut_front(r, offset);
		if (r->start + r->length > end)
			r->length = end - r->start;
		n++;
	}
	return n;
}

/* Whether b only goes on where a ends. */
static bool continues(const struct run *a, const struct run *b)
{
	return a->kind == b->kind && a->start + a->length == b->start &&
	       (a->kind != RUN_DATA ||
		(a->offset + a->length == b->offset && a->level == b->level &&
		 a->file == b->file && a->in_place == b->in_place));
}

int chainmap_put(struct chainmap *m, uint64_t start, const struct run *runs, unsigned count)
{
	struct bucket *b = malloc(bucket_bytes(count)), *fit;
	struct bucket **old = find(m, start);
	struct run last = { 0 };

	if (!b)
		return -ENOMEM;
	if (*old)
		drop_bucket(m, old);
	b->start = start;
	b->count = 0;
	for (unsigned i = 0; i < count; i++) {
		if (b->count && continues(&last, &runs[i])) {
			last.length += runs[i].length;
			continue;
		}
		pack(&b->run[b->count++], start, &runs[i]);
		last = runs[i];
	}
	b->length = (uint32_t)(last.start + last.length - start);
	if (b->count < count) {
		fit = realloc(b, bucket_bytes(b->count));
		if (fit)
			b = fit;
	}
	insert(m, b);
	return 0;
}

/* Rebuilds one bucket with the run in place of what was there. */
static void patch_bucket(struct chainmap *m, struct bucket **p, const struct run *run)
{
	struct bucket *b = *p;
	uint64_t run_end = run->start + run->length;
	struct run *runs = malloc((b->count + 2) * sizeof(*runs));
	uint64_t start = b->start;
	unsigned n = 0;
	bool placed = false;

	if (!runs) {
		drop_bucket(m, p);
		return;
	}
	for (unsigned i = 0; i < b->count; i++) {
		struct run r;
		uint64_t end;

		unpack(b, i, &r);
		end = r.start + r.length;
		if (r.start < run->start) {
			runs[n] = r;
			if (end > run->start)
				runs[n].length = run->start - r.start;
			n++;
		}
		if (!placed && end > run->start) {
			runs[n++] = *run;
			placed = true;
		}
		if (end > run_end) {
			if (r.start < run_end)
				cut_front(&r, run_end);
			runs[n++] = r;
		}
	}
	if (chainmap_put(m, start, runs, n))
		chainmap_drop(m, start, 1);
	free(runs);
}

void chainmap_patch(struct chainmap *m, const struct run *run)
{
	struct run rest = *run;

	while (rest.length) {
		uint64_t start = rest.start & ~(BUCKET_SIZE - 1);
		uint64_t n = start + BUCKET_SIZE - rest.start;
		struct bucket **p = find(m, start);
		struct run part = rest;

		if (n > rest.length)
			n = rest.length;
		part.length = n;
		if (*p) {
			/* never beyond what the bucket covers */
			if (part.start + part.length > start + (*p)->length)
				drop_bucket(m, p);
			else
				patch_bucket(m, p, &part);
		}
		cut_front(&rest, rest.start + n);
	}
}

void chainmap_drop(struct chainmap *m, uint64_t offset, uint64_t length)
{
	uint64_t end = offset + length;

	if (length / BUCKET_SIZE > m->count) { /* fewer buckets than places to look */
		for (struct bucket *b = m->newest, *older; b; b = older) {
			older = b->older;
			if (b->start < end && b->start + b->length > offset)
				drop_bucket(m, find(m, b->start));
		}
		return;
	}
	for (uint64_t at = offset & ~(BUCKET_SIZE - 1); at < end; at += BUCKET_SIZE) {
		struct bucket **p = find(m, at);

		if (*p)
			drop_bucket(m, p);
		if (at > UINT64_MAX - BUCKET_SIZE)
			break;
	}
}
