/* SPDX-License-Identifier: GPL-2.0-or-later */
/* trial.c - see trial.h. */
#include "trial.h"

#include "checked.h"

#define PIECE 32u	/* operations begin and end at multiples of it */

/* ----------------------------------------------------------------------------------- the list */

static void pick_op(struct trial *t, struct rng *r, struct trial_op *op)
{
	uint64_t what = rng_below(r, 100);

	model_pick(&t->m, r, &op->offset, &op->length);
	op->offset = align_down(op->offset, PIECE);
	op->length = align_down(op->length, PIECE);
	op->kind = what < 50 ? TRIAL_WRITE : what < 62 ? TRIAL_ZERO : what < 76 ? TRIAL_DISCARD :
		   TRIAL_FLUSH;
	op->flags = op->kind == TRIAL_WRITE && rng_chance(r, 10) ? VD_FUA : 0;
}

void trial_init(struct trial *t, const struct kind *kind, unsigned parents, uint64_t seed)
{
	uint64_t block = kind->block[0], size = (block > 8192 ? block * 5 / 2 : 36864) + 512;
	struct rng r = { seed };

	memset(t, 0, sizeof(*t));
	model_init(&t->m, kind, block, size, 1);
	for (unsigned i = 0; i <= parents; i++) {
		if (i)
			model_push(&t->m, kind, block, size);
		if (i == parents && kind->child)
			break; /* the leaf begins empty */
		model_open(&t->m, true);
		model_write(&t->m, &r, block / 2, block + 100);
		model_zero(&t->m, &r, 600, 1000);
		model_close(&t->m);
	}
	t->ops = TRIAL_OPS;
	for (unsigned i = 0; i < t->ops; i++)
		pick_op(t, &r, &t->op[i]);
	t->pieces = size / PIECE;
	t->now = malloc(t->pieces * sizeof(*t->now));
	t->since = malloc(t->pieces * sizeof(*t->since));
	t->buf = malloc(size);
	CHECK(t->now && t->since && t->buf);
}

void trial_free(struct trial *t)
{
	model_free(&t->m);
	free(t->now);
	free(t->since);
	free(t->buf);
}

/* What operation number `op` puts at [offset, offset + length); 0 is the initial content. */
static void content(const struct trial *t, unsigned op, uint64_t offset, uint64_t length,
		    uint8_t *to)
{
	if (op == 0) {
		memcpy(to, t->m.bytes + offset, length);
	} else if (t->op[op - 1].kind != TRIAL_WRITE) {
		memset(to, 0, length);
	} else {
		for (uint64_t i = offset; i < offset + length; i += PIECE)
			memset(to + (i - offset), (int)(op * 37 + i / PIECE * 5), PIECE);
	}
}

/* ---------------------------------------------------------------------------------------- runs */

void trial_begin(struct trial *t)
{
	struct vd_storage *copy;

	CHECK_OK(storage_memory_clone(model_leaf(&t->m)->storage, &copy));
	CHECK_OK(storage_open_record(copy, &t->record));
	for (uint64_t i = 0; i < t->pieces; i++)
		t->now[i] = t->since[i] = 1;
}

/* As model_open_on(), but nothing is allocated when failing has begun. */
static int open_failing(struct trial *t, struct vd_storage *leaf, trial_fails_fn *fails,
			void *opaque, struct vd_disk **disk, struct vd_error *err)
{
	unsigned n = t->m.depth;
	struct vd_image **images = calloc(n, sizeof(struct vd_image *));
	struct vd_storage *s[MODEL_DEPTH] = { leaf };
	int r = 0;

	CHECK(images);
	for (unsigned level = 1; level < n; level++)
		s[level] = borrow(t->m.layer[n - 1 - level].storage, false);
	fails(opaque, true);
	for (unsigned level = 0; level < n; level++) {
		if (r)
			storage_close(s[level]);
		else
			r = image_open(s[level], "image", t->m.layer[n - 1 - level].format,
				       &images[level], err);
	}
	if (!r)
		return disk_new(images, n, NULL, disk, err);
	for (unsigned level = 0; level < n; level++)
		image_close(images[level]);
	free(images);
	return r;
}

static int do_op(struct trial *t, struct vd_disk *disk, unsigned i)
{
	const struct trial_op *op = &t->op[i];

	switch (op->kind) {
	case TRIAL_WRITE:
		content(t, i + 1, op->offset, op->length, t->buf);
		return vd_write(disk, t->buf, op->length, op->offset, op->flags);
	case TRIAL_ZERO:
		return vd_write_zeroes(disk, op->offset, op->length, 0);
	case TRIAL_DISCARD:
		return vd_discard(disk, op->offset, op->length, 0);
	case TRIAL_FLUSH:
		return vd_flush(disk);
	}
	return 0;
}

static void flushed(struct trial *t)
{
	memcpy(t->since, t->now, t->pieces * sizeof(*t->since));
}

static void note(struct trial *t, unsigned i, int status)
{
	const struct trial_op *op = &t->op[i];
	uint64_t bit = UINT64_C(1) << (i + 1);

	if (op->kind == TRIAL_FLUSH) {
		if (!status)
			flushed(t);
		return;
	}
	for (uint64_t p = op->offset / PIECE; p * PIECE < op->offset + op->length; p++) {
		t->now[p] = status ? t->now[p] | bit : bit;
		t->since[p] |= bit;
	}
	if (!status && op->flags & VD_FUA)
		flushed(t);
}

/* The bytes [from, to) of a piece, which begins at `is`. */
static bool part_may_be(const struct trial *t, uint64_t piece, unsigned from, unsigned to,
			uint64_t mask, const uint8_t *is)
{
	uint8_t want[PIECE];

	for (unsigned op = 0; op <= t->ops; op++)
		if (mask >> op & 1) {
			content(t, op, piece * PIECE, PIECE, want);
			if (!memcmp(want + from, is + from, to - from))
				return true;
		}
	return false;
}

/* Where the file's sectors begin inside of pieces these may be torn. */
static bool piece_may_be(const struct trial *t, uint64_t piece, uint64_t mask, const uint8_t *is)
{
	uint64_t in_sector = piece * PIECE % 512, tear = model_tear(&t->m);
	unsigned first = tear > in_sector ? (unsigned)min_u64(tear - in_sector, PIECE) : 0;

	return part_may_be(t, piece, 0, first, mask, is) &&
	       part_may_be(t, piece, first, PIECE, mask, is);
}

static void compare(const struct trial *t, const uint64_t *mask, const uint8_t *bytes,
		    const char *what)
{
	for (uint64_t p = 0; p < t->pieces; p++)
		if (!piece_may_be(t, p, mask[p], bytes + p * PIECE))
			test_fail(__FILE__, __LINE__, "%s: the bytes at %" PRIu64 ", %02x %02x, "
				  "come from none of the operations 0x%" PRIx64, what, p * PIECE,
				  bytes[p * PIECE], bytes[p * PIECE + 1], mask[p]);
}

bool trial_run(struct trial *t, struct vd_storage *leaf, trial_fails_fn *fails, void *opaque,
	       const char *what)
{
	struct vd_error err = { "" };
	struct vd_disk *disk = NULL;
	bool good = true;
	int r = open_failing(t, leaf, fails, opaque, &disk, &err);

	t->closed = 1;
	if (r) {
		fails(opaque, false);
		if (r > 0 || !*err.text)
			test_fail(__FILE__, __LINE__, "%s: opening gives %d and says nothing",
				  what, r);
		return false;
	}
	for (unsigned i = 0; i < t->ops; i++) {
		r = do_op(t, disk, i);
		CHECK(r <= 0);
		note(t, i, r);
		good = good && !r;
	}
	r = vd_read(disk, t->buf, t->m.size, 0, 0);
	if (!r)
		compare(t, t->now, t->buf, what);
	good = good && !r;
	t->closed = vd_close(disk);
	fails(opaque, false);
	CHECK(t->closed <= 0);
	if (!t->closed)
		flushed(t);
	return good && !t->closed;
}

/* --------------------------------------------------------------------------------------- after */

static struct vd_disk *open_after(struct trial *t, struct vd_storage *s, bool writable,
				  const char *what)
{
	struct vd_error err = { "" };
	struct vd_disk *disk;
	int r = model_open_on(&t->m, borrow(s, writable), &disk, &err);

	if (r)
		test_fail(__FILE__, __LINE__, "%s: cannot be opened afterwards: %d: %s", what, r,
			  err.text);
	return disk;
}

/* Fills every block, so that one given out twice shows. */
static void fill_up(struct trial *t, struct vd_storage *s, const char *what)
{
	struct vd_disk *disk = open_after(t, s, true, what);
	uint8_t *bytes = malloc(t->m.size);
	struct rng r = { 1 };

	CHECK(bytes);
	CHECK_OK(vd_read(disk, bytes, t->m.size, 0, 0));
	for (uint64_t at = 0; at < t->m.size; at += 4096) {
		rng_fill(&r, bytes + at, 16);
		CHECK_OK(vd_write(disk, bytes + at, 16, at, 0));
	}
	CHECK_OK(vd_close(disk));
	disk = open_after(t, s, false, what);
	CHECK_OK(vd_read(disk, t->buf, t->m.size, 0, 0));
	if (memcmp(t->buf, bytes, t->m.size))
		test_fail(__FILE__, __LINE__, "%s: writing afterwards changed something else", what);
	check_disk(disk, 0, FINDINGS_ALL & ~(1u << VD_FINDING_LEAK), what);
	CHECK_OK(vd_close(disk));
	free(bytes);
}

/* Takes over s. */
static void verify(struct trial *t, struct vd_storage *s, const char *what)
{
	struct vd_disk *disk = open_after(t, s, false, what);

	check_disk(disk, 0, t->closed ? 1u << VD_FINDING_ERROR : FINDINGS_ALL, what);
	CHECK_OK(vd_read(disk, t->buf, t->m.size, 0, 0));
	compare(t, t->since, t->buf, what);
	CHECK_OK(vd_close(disk));
	CHECK_OK(vd_close(open_after(t, s, true, what)));
	disk = open_after(t, s, false, what);
	check_disk(disk, 0, FINDINGS_ALL, what);
	CHECK_OK(vd_read(disk, t->buf, t->m.size, 0, 0));
	compare(t, t->since, t->buf, what);
	CHECK_OK(vd_close(disk));
	fill_up(t, s, what);
	storage_close(s);
}

void trial_end(struct trial *t, unsigned cuts, const char *what)
{
	uint64_t length = storage_record_length(t->record);
	struct vd_storage *s;

	for (unsigned i = 0; i < cuts; i++) {
		CHECK_OK(storage_record_cut(t->record, length, i, &s));
		verify(t, s, what);
	}
	storage_close(t->record);
}
