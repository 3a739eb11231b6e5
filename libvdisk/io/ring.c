/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ring.c - see ring.h. */
#include "io/ring.h"

#include "io/engine.h"

#if HAVE_LIBURING

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>

#include "checked.h"
#include "cleanup.h"

#define SQ_ENTRIES 64		/* each is handed over at once */
#define CQ_ENTRIES 1024
#define IN_FLIGHT_MAX (CQ_ENTRIES / 2)	/* cancelling completes, too */
#define IOVS 32
#define AT_ONCE (UINT64_C(1) << 30)	/* below what the kernel moves in one call */

struct ring {
	struct io_uring uring;
	pthread_mutex_t lock;		/* of submitting; after the queue's */
	unsigned in_flight;		/* atomic */
};

/* A request in the ring: one piece at a time. */
struct ring_op {
	struct straight s;
	struct iovec iov[IOVS];
	uint64_t length;		/* asked of the kernel */
	bool cancelled;
	struct ring_op *next, **link;	/* of the disk's, under its ops_lock */
};

struct ring *ring_new(int event_fd)
{
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE, .cq_entries = CQ_ENTRIES };
	struct ring *r = calloc(1, sizeof(*r));

	if (!r || io_uring_queue_init_params(SQ_ENTRIES, &r->uring, &p) < 0) {
		free(r);
		return NULL;
	}
	/* Without this a full completion queue loses what it has no room for. */
	if (!(p.features & IORING_FEAT_NODROP) ||
	    io_uring_register_eventfd(&r->uring, event_fd) < 0) {
		io_uring_queue_exit(&r->uring);
		free(r);
		return NULL;
	}
	io_uring_ring_dontfork(&r->uring);
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void ring_free(struct ring *r)
{
	if (!r)
		return;
	io_uring_queue_exit(&r->uring);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---------------------------------------------------------------------------------- one request */

static void op_link(struct ring_op *op)
{
	struct vd_disk *d = op->s.rq->disk;

	LOCK_SCOPE(&d->ops_lock);
	op->next = d->ops;
	op->link = &d->ops;
	if (op->next)
		op->next->link = &op->next;
	d->ops = op;
}

static void op_unlink(struct ring_op *op)
{
	LOCK_SCOPE(&op->s.rq->disk->ops_lock);
	*op->link = op->next;
	if (op->next)
		op->next->link = op->link;
}

struct vd_request *ring_op_request(const struct ring_op *op)
{
	return op->s.rq;
}

/* Hands one entry over. With the ring's lock. */
static int push(struct ring *r, struct io_uring_sqe *sqe)
{
	int n;

	do
		n = io_uring_submit(&r->uring);
	while (n == -EINTR);
	if (!io_uring_sq_ready(&r->uring))
		return 0;
	/* It stays where it is and goes with the next one: as nothing. */
	io_uring_prep_nop(sqe);
	io_uring_sqe_set_data(sqe, NULL);
	return n < 0 ? n : -EAGAIN;
}

/* Asks the kernel for the piece that comes next, which is in a file. With the ring's lock. */
static int op_push(struct ring *r, struct ring_op *op)
{
	const struct piece *p = &op->s.piece[op->s.at];
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);
	struct cursor c = op->s.c;
	int fd = storage_file_fd(p->file->storage), n;

	if (!sqe)
		return -EBUSY;
	op->length = cursor_take(&c, min_u64(p->length, AT_ONCE), op->iov, IOVS, &n);
	if (op->s.rq->op == VD_OP_READ)
		io_uring_prep_readv(sqe, fd, op->iov, (unsigned)n, p->offset);
	else
		io_uring_prep_writev(sqe, fd, op->iov, (unsigned)n, p->offset);
	io_uring_sqe_set_data(sqe, op);
	return push(r, sqe);
}

/* On to the next piece that needs the kernel, if there is one. */
static bool op_next(struct ring_op *op)
{
	struct straight *s = &op->s;

	while (s->at < s->pieces && !s->piece[s->at].file) {
		struct cursor c = s->c;

		cursor_zero(&c, s->piece[s->at].length);
		straight_moved(s, s->piece[s->at].length);
	}
	return s->at < s->pieces;
}

bool ring_submit(struct ring *r, const struct straight *s)
{
	struct ring_op *op;

	if (__atomic_load_n(&r->in_flight, __ATOMIC_RELAXED) >= IN_FLIGHT_MAX)
		return false;
	op = malloc(sizeof(*op));
	if (!op)
		return false;
	op->s = *s;
	op->cancelled = false;
	/* The first piece is in a file: who calls has tried to do without us. */
	op_link(op);
	__atomic_add_fetch(&r->in_flight, 1, __ATOMIC_RELAXED);
	pthread_mutex_lock(&r->lock);
	s->rq->private_[RQ_OP] = op;
	if (!op_push(r, op)) {
		pthread_mutex_unlock(&r->lock);
		return true;
	}
	s->rq->private_[RQ_OP] = NULL;
	pthread_mutex_unlock(&r->lock);
	__atomic_sub_fetch(&r->in_flight, 1, __ATOMIC_RELAXED);
	op_unlink(op);
	free(op);
	return false;
}

/* ------------------------------------------------------------------------------------ completion */

enum outcome { GOES_ON, DONE, AGAIN };

/* With the ring's lock: who submitted wrote the operation under it. */
static enum outcome op_result(struct ring *r, struct ring_op *op, int result)
{
	if (result <= 0)
		return AGAIN;
	straight_moved(&op->s, (uint64_t)result);
	if (!op_next(op))
		return DONE;
	return op->cancelled || op_push(r, op) ? AGAIN : GOES_ON;
}

static void op_complete(struct ring *r, struct ring_op *op, int result)
{
	struct vd_request *rq;
	bool cancelled;
	enum outcome o;

	pthread_mutex_lock(&r->lock);
	o = op_result(r, op, result);
	rq = op->s.rq;
	cancelled = op->cancelled;
	pthread_mutex_unlock(&r->lock);
	if (o == GOES_ON)
		return;
	rq->private_[RQ_OP] = NULL;
	op_unlink(op);
	straight_end(&op->s, true);
	free(op);
	__atomic_sub_fetch(&r->in_flight, 1, __ATOMIC_RELAXED);
	if (o == DONE)
		queue_complete_locked(rq, 0);
	else if (cancelled)
		queue_complete_locked(rq, -ECANCELED);
	else
		queue_again_locked(rq);
}

unsigned ring_harvest(struct ring *r)
{
	struct io_uring_cqe *cqe;
	unsigned n = 0;

	while (io_uring_peek_cqe(&r->uring, &cqe) == 0) {
		struct ring_op *op = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&r->uring, cqe);
		if (op)
			op_complete(r, op, result);
		n++;
	}
	return n;
}

bool ring_is_ready(struct ring *r)
{
	return io_uring_cq_ready(&r->uring) || io_uring_cq_has_overflow(&r->uring);
}

void ring_cancel(struct ring *r, struct vd_request *rq)
{
	struct io_uring_sqe *sqe;
	struct ring_op *op;

	/* Done at once, so that it cannot meet another one in the same place. */
	LOCK_SCOPE(&r->lock);
	op = rq->private_[RQ_OP];
	if (!op)
		return;
	op->cancelled = true;
	sqe = io_uring_get_sqe(&r->uring);
	if (!sqe)
		return;
	io_uring_prep_cancel(sqe, op, 0);
	io_uring_sqe_set_data(sqe, NULL);
	push(r, sqe);
}

void ring_wait(struct ring *r)
{
	struct pollfd p = { .fd = r->uring.ring_fd, .events = POLLIN };

	poll(&p, 1, 10);
}

#else

struct ring *ring_new(int event_fd)
{
	(void)event_fd;
	return NULL;
}

void ring_free(struct ring *r)
{
	(void)r;
}

bool ring_submit(struct ring *r, const struct straight *s)
{
	(void)r;
	(void)s;
	return false;
}

unsigned ring_harvest(struct ring *r)
{
	(void)r;
	return 0;
}

bool ring_is_ready(struct ring *r)
{
	(void)r;
	return false;
}

void ring_cancel(struct ring *r, struct vd_request *rq)
{
	(void)r;
	(void)rq;
}

void ring_wait(struct ring *r)
{
	(void)r;
}

struct vd_request *ring_op_request(const struct ring_op *op)
{
	(void)op;
	return NULL;
}

#endif
