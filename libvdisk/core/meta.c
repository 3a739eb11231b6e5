/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * meta.c - see meta.h. The driver's side of the cache (meta_peek and its kin) is declared in
 * formats/format.h.
 */
#include "core/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "core/disk.h"

#define SECTORS (META_PAGE / META_SECTOR)

struct meta_page {
	struct vd_file *file;
	uint64_t offset;
	struct meta_page *next;			/* in the hash chain */
	struct meta_page *newer, *older;
	struct meta_page *dirty_next;
	uint8_t valid;				/* bit n: sector n */
	uint8_t dirty[2];			/* in META_NEW, META_POINTER */
	struct {
		uint16_t low, high;		/* in the sector; where dirty */
	} range[2][SECTORS];
	uint8_t writing;			/* in a cut */
	uint8_t tried;				/* in a cut that failed: may be on the disk */
	bool loading, on_dirty;
	uint8_t data[META_PAGE];
};

int meta_init(struct meta *m, size_t bytes)
{
	size_t slots = 64;

	memset(m, 0, sizeof(*m));
	m->limit = bytes / META_PAGE;
	while (slots < m->limit)
		slots *= 2;
	m->mask = slots - 1;
	m->later_end = &m->later;
	m->table = calloc(slots, sizeof(*m->table));
	if (!m->table)
		return -ENOMEM;
	pthread_cond_init(&m->loaded, NULL);
	return 0;
}

static void later_free(struct meta_later *l)
{
	while (l) {
		struct meta_later *next = l->next;

		free(l);
		l = next;
	}
}

void meta_free(struct meta *m)
{
	if (!m->table)
		return;
	for (struct meta_page *p = m->newest, *older; p; p = older) {
		older = p->older;
		free(p);
	}
	later_free(m->later);
	free(m->table);
	pthread_cond_destroy(&m->loaded);
	memset(m, 0, sizeof(*m));
}

static struct meta_page **find(struct meta *m, const struct vd_file *f, uint64_t offset)
{
	uint64_t x = (offset / META_PAGE + ((uint64_t)f->id << 44)) * UINT64_C(0x9e3779b97f4a7c15);
	struct meta_page **p = &m->table[(size_t)(x >> 32) & m->mask];

	while (*p && ((*p)->file != f || (*p)->offset != offset))
		p = &(*p)->next;
	return p;
}

static void list_remove(struct meta *m, struct meta_page *p)
{
	*(p->newer ? &p->newer->older : &m->newest) = p->older;
	*(p->older ? &p->older->newer : &m->oldest) = p->newer;
}

static void list_insert(struct meta *m, struct meta_page *p)
{
	p->newer = NULL;
	p->older = m->newest;
	*(m->newest ? &m->newest->newer : &m->oldest) = p;
	m->newest = p;
}

static void touch(struct meta *m, struct meta_page *p)
{
	if (p == m->newest)
		return;
	list_remove(m, p);
	list_insert(m, p);
}

static bool pinned(const struct meta_page *p)
{
	return p->loading || p->writing || p->dirty[0] || p->dirty[1];
}

static void unlink_page(struct meta *m, struct meta_page *p)
{
	*find(m, p->file, p->offset) = p->next;
	list_remove(m, p);
	m->count--;
}

static void remove_page(struct meta *m, struct meta_page *p)
{
	unlink_page(m, p);
	free(p);
}

/*
 * Takes the oldest page that is not pinned out, if there are as many as may be. Used again and not
 * given back: pages come and go in many threads, and their heaps would keep what is freed in each.
 * The bound holds for clean pages; dirty ones are bounded by meta_is_crowded().
 */
static struct meta_page *take_old_page(struct meta *m)
{
	struct meta_page *p = m->oldest;

	if (m->count < m->limit)
		return NULL;
	for (unsigned tries = 0; p && tries < 256; tries++, p = p->newer)
		if (!pinned(p)) {
			unlink_page(m, p);
			return p;
		}
	return NULL;
}

static struct meta_page *add_page(struct meta *m, struct vd_file *f, uint64_t offset)
{
	struct meta_page *p = take_old_page(m), **at;

	if (!p)
		p = malloc(sizeof(*p));
	if (!p)
		return NULL;
	memset(p, 0, offsetof(struct meta_page, data));
	p->file = f;
	p->offset = offset;
	at = find(m, f, offset);
	p->next = *at;
	*at = p;
	list_insert(m, p);
	m->count++;
	return p;
}

static uint8_t sector_bits(uint64_t from, uint64_t to)
{
	unsigned first = (unsigned)(from / META_SECTOR), last = (unsigned)((to - 1) / META_SECTOR);

	return (uint8_t)((0xffu << first) & (0xffu >> (SECTORS - 1 - last)));
}

static void need_page(struct meta *m, struct vd_file *f, uint64_t page)
{
	m->need.file = f;
	m->need.offset = page;
}

const void *meta_peek(struct vd_file *f, uint64_t offset, uint32_t length)
{
	struct meta *m = &f->image->disk->meta;
	uint64_t page = align_down(offset, META_PAGE), in = offset - page;
	struct meta_page *p = *find(m, f, page);
	uint8_t bits = sector_bits(in, in + length);

	if (p && (p->valid & bits) == bits) {
		touch(m, p);
		return p->data + in;
	}
	need_page(m, f, page);
	return NULL;
}

static void list_dirty(struct meta *m, struct meta_page *p)
{
	if (p->on_dirty)
		return;
	p->on_dirty = true;
	p->dirty_next = m->dirty;
	m->dirty = p;
	m->dirty_pages++;
}

/* [from, to) of the page, in one sector, is dirty in a phase: 0 new, 1 pointers. */
static void set_dirty(struct meta *m, struct meta_page *p, uint32_t from, uint32_t to, int phase)
{
	unsigned i = from / META_SECTOR;
	uint16_t low = (uint16_t)(from - i * META_SECTOR), high = (uint16_t)(to - i * META_SECTOR);

	if (p->dirty[phase] & (1u << i)) {
		if (p->range[phase][i].low < low)
			low = p->range[phase][i].low;
		if (p->range[phase][i].high > high)
			high = p->range[phase][i].high;
	}
	p->range[phase][i].low = low;
	p->range[phase][i].high = high;
	p->dirty[phase] |= (uint8_t)(1u << i);
	list_dirty(m, p);
}

/* Pages for the whole range, with what is changed only in part valid. */
static int prepare_change(struct meta *m, struct vd_file *f, uint64_t offset, uint32_t length)
{
	uint64_t end = offset + length;

	for (uint64_t page = align_down(offset, META_PAGE); page < end; page += META_PAGE) {
		uint64_t from = max_u64(offset, page) - page;
		uint64_t to = min_u64(end, page + META_PAGE) - page;
		struct meta_page *p = *find(m, f, page);
		uint8_t part = 0;

		if (from % META_SECTOR)
			part |= sector_bits(from, from + 1);
		if (to % META_SECTOR)
			part |= sector_bits(to - 1, to);
		if (!p && part) {
			need_page(m, f, page);
			return -EAGAIN;
		}
		if (!p)
			p = add_page(m, f, page);
		if (!p)
			return -ENOMEM;
		if ((p->valid & part) != part) {
			need_page(m, f, page);
			return -EAGAIN;
		}
		touch(m, p);
	}
	return 0;
}

static int change_later(struct meta *m, struct vd_file *f, uint64_t offset, const void *bytes,
			uint32_t length)
{
	struct meta_later *l = malloc(sizeof(*l) + length);

	if (!l)
		return -ENOMEM;
	l->next = NULL;
	l->file = f;
	l->offset = offset;
	l->length = length;
	memcpy(l->bytes, bytes, length);
	*m->later_end = l;
	m->later_end = &l->next;
	return 0;
}

int meta_change(struct vd_file *f, uint64_t offset, const void *bytes, uint32_t length,
		enum meta_phase phase)
{
	struct vd_disk *d = f->image->disk;
	struct meta *m = &d->meta;
	uint64_t end = offset + length;
	int r;

	if (phase == META_FREE)
		return change_later(m, f, offset, bytes, length);
	r = prepare_change(m, f, offset, length);
	if (r)
		return r;
	for (uint64_t page = align_down(offset, META_PAGE); page < end; page += META_PAGE) {
		uint64_t from = max_u64(offset, page), to = min_u64(end, page + META_PAGE);
		struct meta_page *p = *find(m, f, page);

		memcpy(p->data + (from - page), (const char *)bytes + (from - offset), to - from);
		p->valid |= sector_bits(from - page, to - page);
		while (from < to) {
			uint64_t end_of_sector = align_down(from, META_SECTOR) + META_SECTOR;
			uint64_t stop = min_u64(to, end_of_sector);

			set_dirty(m, p, (uint32_t)(from - page), (uint32_t)(stop - page),
				  phase == META_POINTER);
			from = stop;
		}
	}
	if (f->size < end)
		f->size = end;
	disk_mark_dirty(d, length);
	return 0;
}

bool meta_durable(struct vd_file *f, uint64_t offset, uint64_t length)
{
	struct meta *m = &f->image->disk->meta;
	uint64_t end = offset + length;

	for (uint64_t page = align_down(offset, META_PAGE); page < end; page += META_PAGE) {
		uint64_t from = max_u64(offset, page) - page;
		uint64_t to = min_u64(end, page + META_PAGE) - page;
		const struct meta_page *p = *find(m, f, page);

		if (p && ((p->dirty[0] | p->dirty[1] | p->writing) & sector_bits(from, to)))
			return false;
	}
	return true;
}

bool meta_is_new(struct vd_file *f, uint64_t offset, uint32_t length)
{
	uint64_t page = align_down(offset, META_PAGE), in = offset - page;
	const struct meta_page *p = *find(&f->image->disk->meta, f, page);
	uint8_t bits = sector_bits(in, in + length);

	return p && (p->dirty[0] & bits) == bits &&
	       !((p->dirty[1] | p->writing | p->tried) & bits);
}

int meta_need_barrier(struct vd_file *f)
{
	f->image->disk->meta.need.barrier = true;
	return -EAGAIN;
}

/* Reads a page that is marked as loading. Without the lock. The file may be shorter yet than its
 * size says: a change beyond the end was made, but not flushed. */
static int read_page(struct vd_file *f, uint64_t offset, uint8_t *buf)
{
	uint64_t size, n;
	struct iovec v = { buf, 0 };
	int r = storage_size(f->storage, &size);

	if (r)
		return r;
	n = offset < size ? min_u64(size - offset, META_PAGE) : 0;
	v.iov_len = n;
	memset(buf + n, 0, META_PAGE - n);
	return n ? file_preadv(f, &v, 1, offset) : 0;
}

int meta_load(struct meta *m, pthread_mutex_t *lock)
{
	struct vd_file *f = m->need.file;
	uint64_t offset = m->need.offset;
	struct meta_page *p = *find(m, f, offset);
	uint8_t buf[META_PAGE];
	int r;

	m->need.file = NULL;
	if (p && p->loading) {
		pthread_cond_wait(&m->loaded, lock);
		return 0; /* the caller looks again */
	}
	if (!p)
		p = add_page(m, f, offset);
	if (!p)
		return -ENOMEM;
	p->loading = true;
	pthread_mutex_unlock(lock);
	r = read_page(f, offset, buf);
	pthread_mutex_lock(lock);
	p->loading = false;
	pthread_cond_broadcast(&m->loaded);
	if (r) {
		if (!pinned(p) && !p->valid)
			remove_page(m, p);
		return r;
	}
	/* What was written meanwhile is newer. */
	for (unsigned i = 0; i < SECTORS; i++)
		if (!(p->valid & (1u << i)))
			memcpy(p->data + i * META_SECTOR, buf + i * META_SECTOR, META_SECTOR);
	p->valid = 0xff;
	return 0;
}

void meta_forget(struct meta *m)
{
	for (struct meta_page *p = m->newest, *older; p; p = older) {
		older = p->older;
		if (!pinned(p))
			remove_page(m, p);
	}
}

bool meta_is_dirty(const struct meta *m)
{
	return m->dirty || m->later;
}

bool meta_is_crowded(const struct meta *m)
{
	return m->dirty_pages > m->limit / 2;
}

static int by_place(const void *a, const void *b)
{
	const struct meta_item *x = *(struct meta_item *const *)a;
	const struct meta_item *y = *(struct meta_item *const *)b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	if (x->file->id != y->file->id)
		return x->file->id < y->file->id ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void cut_range(struct meta_cut *cut, struct meta_page *p, unsigned sector, uint32_t low,
		      uint32_t high, enum meta_order order, uint8_t phases)
{
	struct meta_item *item = &cut->item[cut->count];
	uint32_t at = sector * META_SECTOR + low;

	item->file = p->file;
	item->offset = p->offset + at;
	item->length = high - low;
	item->page = p;
	item->phases = phases;
	item->order = (uint8_t)order;
	memcpy(item->data, p->data + at, high - low);
	cut->sorted[cut->count++] = item;
}

static void cut_sector(struct meta_cut *cut, struct meta_page *p, unsigned i)
{
	bool new = p->dirty[0] >> i & 1, pointer = p->dirty[1] >> i & 1;
	uint32_t low0 = p->range[0][i].low, high0 = p->range[0][i].high;
	uint32_t low1 = p->range[1][i].low, high1 = p->range[1][i].high;

	if (new && pointer && low0 < high1 && low1 < high0) {
		cut_range(cut, p, i, low0 < low1 ? low0 : low1, high0 > high1 ? high0 : high1,
			  ORDER_MIXED, 3);
		return;
	}
	if (new)
		cut_range(cut, p, i, low0, high0, ORDER_NEW, 1);
	if (pointer)
		cut_range(cut, p, i, low1, high1, ORDER_POINTER, 2);
}

static void cut_page(struct meta_cut *cut, struct meta_page *p)
{
	for (unsigned i = 0; i < SECTORS; i++)
		cut_sector(cut, p, i);
	p->writing |= p->dirty[0] | p->dirty[1];
	p->dirty[0] = p->dirty[1] = 0;
	p->on_dirty = false;
}

int meta_cut_take(struct meta *m, struct meta_cut *cut)
{
	size_t sectors = 0;

	memset(cut, 0, sizeof(*cut));
	for (const struct meta_page *p = m->dirty; p; p = p->dirty_next)
		sectors += (size_t)(__builtin_popcount(p->dirty[0]) +
				    __builtin_popcount(p->dirty[1]));
	if (sectors) {
		cut->item = malloc(sectors * sizeof(*cut->item));
		cut->sorted = malloc(sectors * sizeof(*cut->sorted));
		if (!cut->item || !cut->sorted) {
			free(cut->item);
			free(cut->sorted);
			return -ENOMEM;
		}
	}
	for (struct meta_page *p = m->dirty, *next; p; p = next) {
		next = p->dirty_next;
		cut_page(cut, p);
	}
	m->dirty = NULL;
	m->dirty_pages = 0;
	if (cut->count)
		qsort(cut->sorted, cut->count, sizeof(*cut->sorted), by_place);
	cut->later = m->later;
	m->later = NULL;
	m->later_end = &m->later;
	return 0;
}

#define WRITE_PIECES 128

int meta_cut_write(struct meta_cut *cut, enum meta_order order, bool *wrote)
{
	struct iovec v[WRITE_PIECES];
	size_t i = 0;
	int r = 0;

	*wrote = false;
	while (!r && i < cut->count) {
		struct meta_item *first = cut->sorted[i];
		uint64_t end = first->offset;
		int n = 0;

		if (first->order != order) {
			i++;
			continue;
		}
		for (; i < cut->count && n < WRITE_PIECES; i++, n++) {
			struct meta_item *it = cut->sorted[i];

			if (it->order != order || it->file != first->file || it->offset != end)
				break;
			v[n] = (struct iovec){ it->data, it->length };
			end += it->length;
		}
		*wrote = true;
		r = file_pwritev(first->file, v, n, first->offset);
	}
	return r;
}

void meta_cut_end(struct meta *m, struct meta_cut *cut, int error)
{
	for (size_t i = 0; i < cut->count; i++) {
		struct meta_item *it = &cut->item[i];
		uint32_t from = (uint32_t)(it->offset - it->page->offset);
		uint8_t bit = (uint8_t)(1u << from / META_SECTOR);

		it->page->writing &= (uint8_t)~bit;
		it->page->tried = error ? it->page->tried | bit : it->page->tried & (uint8_t)~bit;
		for (int phase = 0; error && phase < 2; phase++)
			if (it->phases >> phase & 1)
				set_dirty(m, it->page, from, from + it->length, phase);
	}
	if (error && cut->later) {
		struct meta_later **end = &cut->later;

		while (*end)
			end = &(*end)->next;
		*end = m->later;
		if (!m->later)
			m->later_end = end;
		m->later = cut->later;
		cut->later = NULL;
	}
	free(cut->item);
	free(cut->sorted);
	cut->item = NULL;
	cut->sorted = NULL;
	cut->count = 0;
}
