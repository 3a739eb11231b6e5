/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model.c - see model.h. */
#include "model.h"

#include <sched.h>

#include "bytes.h"
#include "checked.h"
#include "storage/stack.h"

#define GAP 0xa5

/* 512 bytes of private data in front of each block of an empty VDI. */
static void add_extra_data(struct vd_storage *s)
{
	uint8_t field[4];

	put_le32(field, 512);
	CHECK_OK(storage_pwrite(s, field, sizeof(field), 380));
}

/* An empty VDI with a header of version 0.1: table and blocks follow without gap. */
static void make_old(struct vd_storage *s)
{
	static const struct { unsigned from, to, length; } moves[] = {
		{ 76, 72, 4 }, { 80, 76, 4 }, { 368, 352, 8 }, { 376, 360, 4 }, { 384, 364, 4 },
		{ 388, 368, 4 }, { 392, 372, 48 },
	};
	uint8_t new[512], old[420] = { 0 }, free_entry[4] = { 0xff, 0xff, 0xff, 0xff };

	CHECK_OK(storage_pread(s, new, sizeof(new), 0));
	memcpy(old, new, 68);
	put_le32(old + 68, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(moves); i++)
		memcpy(old + moves[i].to, new + moves[i].from, moves[i].length);
	CHECK_OK(storage_truncate(s, 0));
	CHECK_OK(storage_pwrite(s, old, sizeof(old), 0));
	for (uint32_t i = 0; i < le32(old + 364); i++)
		CHECK_OK(storage_pwrite(s, free_entry, 4, 420 + 4 * i));
}

/* What VirtualBox called an undo image: a child of another type. */
static void make_undo(struct vd_storage *s)
{
	uint8_t type[4], parent[16], nobody[16] = { 0 };

	CHECK_OK(storage_pread(s, parent, sizeof(parent), 424));
	put_le32(type, 3);
	if (memcmp(parent, nobody, sizeof(nobody)))
		CHECK_OK(storage_pwrite(s, type, sizeof(type), 76));
}

static const struct kind all_kinds[] = {
	{ .name = "raw", .fixed = true, .align = 4096 },
	{ .name = "vdi", .child = true, .align = 4096, .block = { 4096, 16384, 65536, 4096 } },
	{ .name = "vdi", .fixed = true, .align = 4096, .block = { 4096, 16384, 65536, 4096 } },
	{ .name = "vdi", .child = true, .align = 512, .block = { 4096, 8192, 32768, 4096 },
	  .adapt = add_extra_data, .label = "vdi with extra data" },
	{ .name = "vdi", .child = true, .align = 4096, .block = { 4096, 16384, 65536, 4096 },
	  .adapt = make_undo, .label = "vdi undo" },
	{ .name = "vdi", .child = true, .torn = true, .align = 1,
	  .block = { 4096, 8192, 32768, 4096 }, .adapt = make_old, .label = "vdi 0.1" },
	{ .name = "vhd", .child = true, .align = 512, .block = { 65536, 65536, 131072, 65536 } },
	{ .name = "vhd", .fixed = true, .align = 512 },
};

unsigned kinds(const struct kind **out)
{
	static struct kind there[ARRAY_SIZE(all_kinds)];
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(all_kinds); i++)
		if (format_by_name(all_kinds[i].name))
			there[n++] = all_kinds[i];
	*out = there;
	return n;
}

const struct kind *kind_of(const char *name, bool fixed)
{
	const struct kind *k;
	unsigned n = kinds(&k);

	for (; n; n--, k++)
		if (!strcmp(k->name, name) && k->fixed == fixed)
			return k;
	return NULL;
}

/* ------------------------------------------------------------------------------- random numbers */

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	return rng_next(r) % n;
}

uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
	return low + rng_below(r, high - low + 1);
}

bool rng_chance(struct rng *r, unsigned percent)
{
	return rng_below(r, 100) < percent;
}

void rng_fill(struct rng *r, void *buf, size_t length)
{
	uint8_t *to = buf;
	uint64_t word;

	for (; length >= sizeof(word); to += sizeof(word), length -= sizeof(word)) {
		word = rng_next(r);
		memcpy(to, &word, sizeof(word));
	}
	word = rng_next(r);
	memcpy(to, &word, length);
}

/* ------------------------------------------------------------------------------------- storages */

struct borrowed {
	struct stacked stacked;
	bool jitter;
};

static bool borrow_jitter;

void model_jitter(bool on)
{
	borrow_jitter = on;
}

_Thread_local unsigned model_in_storage;

/* Lets other threads in, where their order matters. */
static void jitter(struct vd_storage *s)
{
	static _Thread_local struct rng r;

	if (!((struct borrowed *)s)->jitter)
		return;
	if (!r.state)
		r.state = (uintptr_t)&r;
	switch (rng_below(&r, 8)) {
	case 0:
		usleep((useconds_t)rng_below(&r, 100));
		break;
	case 1:
	case 2:
		sched_yield();
	}
}

#define BELOW(s, call) ({		\
	int below_r_;			\
	model_in_storage++;		\
	jitter(s);			\
	below_r_ = (call);		\
	jitter(s);			\
	model_in_storage--;		\
	below_r_;			\
})

static int borrow_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	return BELOW(s, stacked_preadv(s, iov, n, offset));
}

static void (*before_write)(void *opaque);
static void *before_write_opaque;

void model_before_write(void (*fn)(void *opaque), void *opaque)
{
	before_write = fn;
	before_write_opaque = opaque;
}

static int borrow_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	void (*fn)(void *opaque) = before_write;

	if (fn) {
		before_write = NULL;
		fn(before_write_opaque);
	}
	return BELOW(s, stacked_pwritev(s, iov, n, offset));
}

static int borrow_sync(struct vd_storage *s)
{
	return BELOW(s, stacked_sync(s));
}

static int borrow_truncate(struct vd_storage *s, uint64_t size)
{
	return BELOW(s, stacked_truncate(s, size));
}

static int borrow_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return BELOW(s, stacked_punch(s, offset, length));
}

static int borrow_zero(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	return BELOW(s, stacked_zero(s, offset, length));
}

static void borrow_close(struct vd_storage *s)
{
	free(s->path);
	free(s);
}

static const struct vd_storage_ops borrow_ops = {
	.name = "borrow",
	.preadv = borrow_preadv,
	.pwritev = borrow_pwritev,
	.sync = borrow_sync,
	.truncate = borrow_truncate,
	.punch = borrow_punch,
	.zero = borrow_zero,
	.size = stacked_size,
	.extent = stacked_extent,
	.allocated = stacked_allocated,
	.lock = stacked_lock,
	.close = borrow_close,
};

struct vd_storage *borrow(struct vd_storage *lower, bool writable)
{
	struct borrowed *b = calloc(1, sizeof(*b));

	CHECK(b);
	CHECK_OK(stacked_init(&b->stacked, &borrow_ops, lower));
	b->stacked.base.writable = writable;
	b->jitter = borrow_jitter;
	return &b->stacked.base;
}

/* ---------------------------------------------------------------------------------------- model */

struct layer *model_leaf(struct model *m)
{
	return &m->layer[m->depth - 1];
}

unsigned model_tear(const struct model *m)
{
	const struct layer *leaf = &m->layer[m->depth - 1];

	/* Of VDI 0.1: the blocks follow the table, that follows the header. */
	return leaf->kind->torn ? -(420 + 4 * div_up(m->size, leaf->block)) % 512 : 0;
}

static void ok(const struct model *m, int r, const struct vd_error *err)
{
	if (r)
		test_fail(__FILE__, __LINE__, "%s: %d (%s): %s", m->what, r, strerror(-r),
			  err->text);
}

/* The image at the end of what there is, so that a child can be made on it. */
static struct vd_image *open_leaf(struct model *m)
{
	struct layer *leaf = model_leaf(m);
	struct vd_error err = { "" };
	struct vd_image *img;

	ok(m, image_open(borrow(leaf->storage, false), "parent", leaf->format, &img, &err), &err);
	return img;
}

static bool no_holes;

void model_no_holes(bool on)
{
	no_holes = on;
}

static void add_layer(struct model *m, const struct kind *kind, uint64_t block, uint64_t size)
{
	struct layer *new = &m->layer[m->depth];
	struct vd_error err = { "" };
	struct create_params p = {
		.path = "child", .size = size, .block_size = block, .fixed = kind->fixed,
	};
	struct vd_image *parent = NULL;

	CHECK(m->depth < MODEL_DEPTH);
	uuid_fresh(&p.uuid);
	uuid_fresh(&p.modification);
	if (m->depth)
		p.parent = parent = open_leaf(m);
	new->kind = kind;
	new->format = format_by_name(kind->name);
	new->block = block;
	CHECK_OK(storage_open_memory(0, 1, &new->storage));
	ok(m, new->format->create(new->storage, &p, &err), &err);
	image_close(parent);
	if (kind->adapt)
		kind->adapt(new->storage);
	/* Creating is for files, which take any alignment. */
	new->storage->align = m->align < kind->align ? m->align : kind->align;
	if (no_holes) {
		CHECK_OK(storage_open_fault(new->storage, &new->storage));
		storage_fault_arm(new->storage, FAULT_ZERO, 1, EOPNOTSUPP, true);
	}
	m->depth++;
}

void model_init(struct model *m, const struct kind *kind, uint64_t block, uint64_t size,
		uint32_t align)
{
	memset(m, 0, sizeof(*m));
	m->align = align;
	m->size = size;
	m->bytes = calloc(1, size);
	CHECK(m->bytes);
	add_layer(m, kind, block, size);
	snprintf(m->what, sizeof(m->what), "%s", kind_label(kind));
}

void model_push(struct model *m, const struct kind *kind, uint64_t block, uint64_t size)
{
	CHECK(!m->disk);
	add_layer(m, kind, block, size);
	m->bytes = realloc(m->bytes, size);
	CHECK(m->bytes);
	if (size > m->size)
		memset(m->bytes + m->size, 0, size - m->size);
	m->size = size;
}

void model_free(struct model *m)
{
	if (m->disk)
		model_close(m);
	while (m->depth)
		storage_close(m->layer[--m->depth].storage);
	free(m->bytes);
}

int model_open_on(struct model *m, struct vd_storage *storage, struct vd_disk **out,
		  struct vd_error *err)
{
	struct vd_image **images = calloc(m->depth, sizeof(struct vd_image *));
	struct vd_open_options options = { .cache_size = m->cache_size };
	int r;

	CHECK(images);
	r = image_open(storage, "leaf", model_leaf(m)->format, &images[0], err);
	if (r) {
		free(images);
		return r;
	}
	for (unsigned level = 1; level < m->depth; level++) {
		struct layer *l = &m->layer[m->depth - 1 - level];

		r = image_open(borrow(l->storage, false), "parent", l->format, &images[level],
			       err);
		if (!r)
			continue;
		while (level)
			image_close(images[--level]);
		free(images);
		return r;
	}
	return disk_new(images, m->depth, &options, out, err);
}

void model_open(struct model *m, bool writable)
{
	struct vd_error err = { "" };

	CHECK(!m->disk);
	ok(m, model_open_on(m, borrow(model_leaf(m)->storage, writable), &m->disk, &err), &err);
	CHECK_EQ(vd_size(m->disk), m->size);
	CHECK_EQ(vd_depth(m->disk), m->depth);
}

void model_close(struct model *m)
{
	CHECK_OK(vd_close(m->disk));
	m->disk = NULL;
}

/* --------------------------------------------------------------------------------------- checks */

struct finding {
	const char *what;
	unsigned kinds, level;
};

static void found(void *opaque, enum vd_finding_kind kind, bool repaired, const char *text)
{
	const struct finding *f = opaque;

	(void)repaired;
	if (f->kinds & 1u << kind)
		test_fail(__FILE__, __LINE__, "%s: level %u: the check says: %s", f->what,
			  f->level, text);
}

void check_disk(struct vd_disk *disk, unsigned level, unsigned which, const char *what)
{
	struct finding f = { what, which, level };
	struct vd_check_result result;
	struct vd_error err = { "" };
	int r = vd_check(disk, level, 0, found, &f, &result, &err);

	if (r)
		test_fail(__FILE__, __LINE__, "%s: level %u: vd_check: %d: %s", what, level, r,
			  err.text);
}

void model_compare(struct model *m)
{
	uint8_t *buf = malloc(m->size);

	CHECK(buf);
	CHECK_OK(vd_read(m->disk, buf, m->size, 0, 0));
	for (uint64_t i = 0; memcmp(buf, m->bytes, m->size) && i < m->size; i++)
		if (buf[i] != m->bytes[i])
			test_fail(__FILE__, __LINE__, "%s: byte %" PRIu64 " of %" PRIu64
				  ", is %02x, should be %02x", m->what, i, m->size, buf[i],
				  m->bytes[i]);
	free(buf);
}

void model_verify_closed(struct model *m)
{
	model_open(m, false);
	for (unsigned level = 0; level < m->depth; level++)
		check_disk(m->disk, level, FINDINGS_ALL, m->what);
	model_compare(m);
	model_close(m);
}

/* -------------------------------------------------------------------------------------- scatter */

void scatter_make(struct scatter *s, struct rng *r, uint64_t length)
{
	int most = rng_chance(r, 30) ? 1 : (int)rng_between(r, 1, ARRAY_SIZE(s->iov));
	size_t at = rng_below(r, 8);

	s->room = length + 16 * ARRAY_SIZE(s->iov);
	if (rng_chance(r, 25))
		at = 0; /* perhaps aligned */
	CHECK(!posix_memalign((void **)&s->buf, 4096, s->room + 1));
	memset(s->buf, GAP, s->room);
	for (s->n = 0; s->n < most; s->n++) {
		bool last = s->n == most - 1;
		uint64_t part = last ? length : rng_below(r, 2 * length / (uint64_t)most + 2);

		part = min_u64(part, length);
		s->iov[s->n] = (struct iovec){ s->buf + at, part };
		length -= part;
		at += part + rng_below(r, 16);
	}
}

void scatter_load(const struct scatter *s, const uint8_t *from)
{
	for (int i = 0; i < s->n; i++) {
		memcpy(s->iov[i].iov_base, from, s->iov[i].iov_len);
		from += s->iov[i].iov_len;
	}
}

bool scatter_equals(const struct scatter *s, const uint8_t *bytes)
{
	for (int i = 0; i < s->n; i++) {
		if (memcmp(s->iov[i].iov_base, bytes, s->iov[i].iov_len))
			return false;
		bytes += s->iov[i].iov_len;
	}
	return true;
}

bool scatter_gaps_intact(const struct scatter *s)
{
	const uint8_t *at = s->buf;

	for (int i = 0; i <= s->n; i++) {
		const uint8_t *end = i < s->n ? s->iov[i].iov_base : s->buf + s->room;

		for (; at < end; at++)
			if (*at != GAP)
				return false;
		if (i < s->n)
			at = end + s->iov[i].iov_len;
	}
	return true;
}

void scatter_free(struct scatter *s)
{
	free(s->buf);
}

/* ----------------------------------------------------------------------------------- operations */

void model_write(struct model *m, struct rng *r, uint64_t offset, uint64_t length)
{
	unsigned flags = rng_chance(r, 4) ? VD_FUA : 0;
	struct scatter s;

	if (rng_chance(r, 5))
		memset(m->bytes + offset, 0, length);
	else
		rng_fill(r, m->bytes + offset, length);
	scatter_make(&s, r, length);
	scatter_load(&s, m->bytes + offset);
	CHECK_OK(vd_writev(m->disk, s.iov, s.n, offset, flags));
	CHECK(scatter_equals(&s, m->bytes + offset));
	scatter_free(&s);
}

void model_zero(struct model *m, struct rng *r, uint64_t offset, uint64_t length)
{
	memset(m->bytes + offset, 0, length);
	switch (rng_below(r, 3)) {
	case 0:
		CHECK_OK(vd_discard(m->disk, offset, length, 0));
		break;
	case 1:
		CHECK_OK(vd_write_zeroes(m->disk, offset, length, 0));
		break;
	default:
		CHECK_OK(vd_write_zeroes(m->disk, offset, length, VD_MAY_UNMAP));
	}
}

void model_read(struct model *m, struct rng *r, uint64_t offset, uint64_t length)
{
	struct scatter s;

	scatter_make(&s, r, length);
	CHECK_OK(vd_readv(m->disk, s.iov, s.n, offset, 0));
	if (!scatter_equals(&s, m->bytes + offset)) {
		model_compare(m); /* says where, unless only this way of reading is wrong */
		test_fail(__FILE__, __LINE__, "%s: scattered reading of %" PRIu64 " bytes at %"
			  PRIu64 " is wrong", m->what, length, offset);
	}
	CHECK(scatter_gaps_intact(&s));
	scatter_free(&s);
}

static void map_one(struct model *m, const struct vd_extent *e)
{
	const struct layer *l = &m->layer[m->depth - 1 - e->level];
	uint8_t *buf;

	CHECK(e->kind != VD_EXTENT_ERROR);
	if (e->kind == VD_EXTENT_ZERO) {
		for (uint64_t i = 0; i < e->length; i++)
			CHECK_EQ(m->bytes[e->offset + i], 0);
		return;
	}
	CHECK(e->level < m->depth);
	if (l->storage->align > 1)
		return;
	buf = malloc(e->length);
	CHECK(buf);
	CHECK_OK(storage_pread(l->storage, buf, e->length, e->file_offset));
	CHECK(!memcmp(buf, m->bytes + e->offset, e->length));
	free(buf);
}

void model_map(struct model *m, uint64_t offset, uint64_t length)
{
	struct vd_extent e;

	for (; length; offset += e.length, length -= e.length) {
		CHECK_OK(vd_map(m->disk, offset, length, &e));
		CHECK_EQ(e.offset, offset);
		CHECK(e.length && e.length <= length);
		map_one(m, &e);
	}
}

void model_flush(struct model *m)
{
	CHECK_OK(vd_flush(m->disk));
}

void model_pick(const struct model *m, struct rng *r, uint64_t *offset, uint64_t *length)
{
	uint64_t block = m->layer[m->depth - 1].block, unit;

	if (!block)
		block = 4096;
	switch (rng_below(r, 4)) {
	case 0:
		*length = rng_between(r, 0, 2000);
		break;
	case 1:
		*length = 512 * rng_between(r, 1, 16);
		break;
	case 2:
		*length = block * rng_between(r, 1, 3);
		break;
	default:
		*length = rng_below(r, 3 * block);
	}
	*length = min_u64(*length, m->size);
	*offset = rng_below(r, m->size - *length + 1);
	unit = rng_chance(r, 50) ? 512 : block;
	if (rng_chance(r, 60))
		*offset = align_down(*offset, unit);
	else if (rng_chance(r, 20))
		*offset = m->size - *length;
}

void model_step(struct model *m, struct rng *r)
{
	uint64_t what = rng_below(r, 1000), offset, length;

	model_pick(m, r, &offset, &length);
	if (what < 430) {
		model_write(m, r, offset, length);
	} else if (what < 680) {
		model_zero(m, r, offset, length);
	} else if (what < 940) {
		model_read(m, r, offset, length);
	} else if (what < 960) {
		model_map(m, offset, length);
	} else if (what < 993) {
		model_flush(m);
	} else {
		model_close(m);
		if (rng_chance(r, 50))
			model_verify_closed(m);
		model_open(m, true);
	}
}
