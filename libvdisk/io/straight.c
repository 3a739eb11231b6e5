/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* straight.c - see straight.h. */
#include "io/straight.h"

#include <errno.h>

#include "checked.h"
#include "cleanup.h"

#define IOVS 64

/* The file that a write goes to, if it is one that wants alignment. */
static struct vd_file *guarded(const struct straight *s)
{
	struct vd_file *f = s->piece[0].file;

	return s->rq->op == VD_OP_WRITE && f->storage->align > 1 ? f : NULL;
}

static bool add(struct straight *s, struct vd_file *f, uint64_t offset, uint64_t length)
{
	struct piece *last = s->pieces ? &s->piece[s->pieces - 1] : NULL;

	if (last && last->file == f && (!f || last->offset + last->length == offset)) {
		last->length += length;
		return true;
	}
	if (s->pieces == STRAIGHT_PIECES)
		return false;
	s->piece[s->pieces++] = (struct piece){ f, offset, length };
	return true;
}

/* The file at which the run is, if its bytes can be moved as they are. */
static bool add_run(struct straight *s, struct vd_disk *d, const struct run *run)
{
	bool write = s->rq->op == VD_OP_WRITE;
	struct vd_file *f;

	if (run->kind == RUN_ZERO && !write)
		return add(s, NULL, 0, run->length);
	if (run->kind != RUN_DATA || (write && !run->in_place))
		return false;
	f = &d->image[run->level]->file[run->file];
	if (storage_file_fd(f->storage) < 0 ||
	    !is_aligned(run->offset | run->length, f->storage->align) ||
	    !file_aligned(f, s->c.iov, s->c.n, 0))
		return false;
	return add(s, f, run->offset, run->length);
}

static bool plan(struct straight *s, struct vd_disk *d, uint64_t offset, uint64_t left)
{
	while (left) {
		struct run runs[STRAIGHT_PIECES];
		uint64_t covered = 0;
		unsigned n = lookup_in_memory(d, offset, left, runs, STRAIGHT_PIECES, &covered);

		if (!n)
			return false;
		for (unsigned i = 0; i < n; i++)
			if (!add_run(s, d, &runs[i]))
				return false;
		offset += covered;
		left -= covered;
	}
	return s->pieces;
}

/* What disk_begin() makes sure of, if it is so already. */
static bool may_write(struct vd_disk *d, unsigned flags)
{
	if (!d->writable || flags & VD_FUA || __atomic_load_n(&d->failed, __ATOMIC_ACQUIRE))
		return false;
	LOCK_SCOPE(&d->lock);
	return d->begun;
}

bool straight_begin(struct straight *s, struct vd_request *rq)
{
	struct vd_disk *d = rq->disk;
	uint64_t left;

	if (rq->op != VD_OP_READ && (rq->op != VD_OP_WRITE || !may_write(d, rq->flags)))
		return false;
	left = iov_bytes(rq->iov, rq->iovcnt);
	if (left > STRAIGHT_MOST)
		return false;
	if (!gate_try_enter(&d->gate))
		return false;
	s->rq = rq;
	s->c = (struct cursor){ rq->iov, rq->iovcnt, 0 };
	s->pieces = s->at = 0;
	if (range_in(rq->offset, left, d->size) && plan(s, d, rq->offset, left) &&
	    (!guarded(s) || gate_try_enter(&guarded(s)->rmw)))
		return true;
	gate_leave(&d->gate);
	return false;
}

void straight_end(struct straight *s, bool began)
{
	struct vd_disk *d = s->rq->disk;

	if (began && s->rq->op == VD_OP_WRITE) {
		__atomic_store_n(&s->piece[0].file->data_dirty, true, __ATOMIC_RELEASE);
		disk_mark_dirty(d, iov_bytes(s->rq->iov, s->rq->iovcnt));
	}
	if (guarded(s))
		gate_leave(&guarded(s)->rmw);
	gate_leave(&d->gate);
}

void straight_moved(struct straight *s, uint64_t n)
{
	struct piece *p = &s->piece[s->at];

	p->length -= n;
	p->offset += n;
	if (!p->length)
		s->at++;
	cursor_skip(&s->c, n);
}

bool straight_now(struct straight *s, bool ask_files)
{
	if (s->rq->op != VD_OP_READ)
		return false;
	while (s->at < s->pieces) {
		const struct piece *p = &s->piece[s->at];
		struct cursor c = s->c;
		struct iovec iov[IOVS];
		int64_t got;
		int n;

		if (!p->file) {
			cursor_zero(&c, p->length);
			straight_moved(s, p->length);
			continue;
		}
		if (!ask_files)
			return false;
		cursor_take(&c, p->length, iov, IOVS, &n);
		got = storage_preadv_now(p->file->storage, iov, n, p->offset);
		if (got <= 0)
			return false;
		straight_moved(s, (uint64_t)got);
	}
	return true;
}
