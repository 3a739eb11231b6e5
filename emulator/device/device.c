/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.c - see device.h. A request is in one of these places:
 *
 *	QUEUED	 the vd_queue has it
 *	WAITING	 for space on the host's disk; tried again every second
 *	HELD	 behind a write that was given up and may still land
 *	ENDED	 its done() is due
 */
#include "device/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "bytes.h"
#include "checked.h"
#include "cleanup.h"
#include "core/dma.h"
#include "device/medium.h"

#define BLOCK 512u
#define RETRY_NS 1000000000ull
#define REAP 64

enum { QUEUED, WAITING, HELD, ENDED };

struct request_list {
	struct device_request *first, *last;
};

/* A request's data in memory of ours, for storage that may stall; lives until the storage is done. */
struct bounce {
	struct vd_request vd;
	struct iovec iov;
	struct device_request *rq;	/* NULL: given up */
	struct device *device;		/* NULL: freed, too */
	struct medium *medium;
	struct bounce *next;		/* among the given up of a device */
};

struct device_host {
	struct loop *loop;
	struct vd_queue *queue;
	struct loop_watch watch;
	struct loop_task reap;		/* collects completions at the end of the round */
	struct request_list ended;
	unsigned queued;		/* what the queue has of us */
	bool told;			/* its descriptor is readable */
	unsigned orphans;
};

struct device {
	struct device_host *host;
	struct medium *medium;
	void *slot;
	char *name;
	struct events *events;
	struct device_identity identity;
	uint64_t size;
	uint32_t physical_block;
	bool readonly, rotational, discard, may_stall;
	enum device_on_full on_full;

	struct request_list active;	/* all but the ENDED */
	unsigned in_flight;		/* and those */
	unsigned waiting;		/* for space */
	bool full;
	struct loop_timer retry;
	struct bounce *orphans;		/* writes that were given up */

	unsigned quiesced;
	struct device_quiesce *quiesces;
	struct loop_task quiesce_done;

	struct device_statistics statistics;
};

/* --------------------------------------------------------------------------------------- lists */

static void list_add(struct request_list *l, struct device_request *rq)
{
	rq->next = NULL;
	rq->previous = l->last;
	if (l->last)
		l->last->next = rq;
	else
		l->first = rq;
	l->last = rq;
}

static void list_remove(struct request_list *l, struct device_request *rq)
{
	if (rq->previous)
		rq->previous->next = rq->next;
	else
		l->first = rq->next;
	if (rq->next)
		rq->next->previous = rq->previous;
	else
		l->last = rq->previous;
}

/* ---------------------------------------------------------------------------------- statistics */

/*
 * One thread writes, others may read.
 *
 * A latency is from the round in which the guest's command was found to the one in which what it
 * waited for was collected: for people who ask what their guest waits for. So the clock is looked at
 * twice a round, not twice a request.
 */
#define COUNT(field, n) \
	__atomic_store_n(&(field), (field) + (n), __ATOMIC_RELAXED)

static unsigned latency_bucket(uint64_t ns)
{
	unsigned power, bucket;

	if (ns < 4)
		return 0;
	power = 63 - (unsigned)__builtin_clzll(ns);
	bucket = (power - 2) * 4 + (ns >> (power - 2) & 3);
	return bucket < DEVICE_LATENCY_BUCKETS ? bucket : DEVICE_LATENCY_BUCKETS - 1;
}

static void count_begin(struct device *d)
{
	struct device_statistics *s = &d->statistics;

	d->in_flight++;
	__atomic_store_n(&s->in_flight, d->in_flight, __ATOMIC_RELAXED);
	if (d->in_flight > s->deepest)
		__atomic_store_n(&s->deepest, d->in_flight, __ATOMIC_RELAXED);
}

static void count_end(struct device *d, const struct device_request *rq)
{
	struct device_statistics *s = &d->statistics;

	d->in_flight--;
	__atomic_store_n(&s->in_flight, d->in_flight, __ATOMIC_RELAXED);
	COUNT(s->requests[rq->op], 1);
	if (rq->status)
		COUNT(s->errors[rq->op], 1);
	else
		COUNT(s->bytes[rq->op], rq->length);
	COUNT(s->latency[latency_bucket(loop_round_time(d->host->loop) - rq->begun)], 1);
}

void device_get_statistics(const struct device *d, struct device_statistics *out)
{
	const uint64_t *from = (const uint64_t *)&d->statistics;
	uint64_t *to = (uint64_t *)out;

	_Static_assert(sizeof(*out) % sizeof(*to) == 0, "copied by words");
	for (size_t i = 0; i < sizeof(*out) / sizeof(*to); i++)
		to[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------------------------- the way back */

/* Its done() comes from the loop. */
static void end(struct device_request *rq, int status)
{
	struct device *d = rq->device;

	list_remove(&d->active, rq);
	rq->status = status;
	rq->state = ENDED;
	list_add(&d->host->ended, rq);
	loop_defer(d->host->loop, &d->host->reap);
}

static void call_done(struct device_request *rq)
{
	struct device *d = rq->device;

	count_end(d, rq);
	if (!d->in_flight && d->quiesces)
		loop_defer(d->host->loop, &d->quiesce_done);
	rq->done(rq);
}

static bool is_full(int status)
{
	return status == -ENOSPC || status == -EDQUOT || status == -EFBIG;
}

static void count_waiting(struct device *d, int change)
{
	d->waiting += (unsigned)change;
	__atomic_store_n(&d->statistics.waiting_for_space, d->waiting, __ATOMIC_RELAXED);
}

static void wait_for_space(struct device_request *rq)
{
	struct device *d = rq->device;

	rq->state = WAITING;
	count_waiting(d, 1);
	if (!d->full)
		events_emit(d->events, "disk-full", d->name,
			    "%s: the host's disk is full; requests wait until there is space again",
			    medium_path(d->medium));
	d->full = true;
	if (!d->retry.set)
		loop_timer_set(d->host->loop, &d->retry, RETRY_NS);
}

static void report_full(struct device *d)
{
	if (!d->full)
		events_emit(d->events, "disk-full", d->name,
			    "%s: the host's disk is full; the guest gets an error",
			    medium_path(d->medium));
	d->full = true;
}

static void report_space(struct device *d)
{
	if (!d->full || d->waiting)
		return;
	d->full = false;
	events_emit(d->events, "disk-space", d->name, "%s: there is space again",
		    medium_path(d->medium));
}

/* A read of what is in memory, or a flush of nothing: it never was in the queue. */
static void done_at_once(struct device_request *rq)
{
	if (rq->op == DEVICE_FLUSH)
		report_space(rq->device);
	end(rq, 0);
}

static void completed(struct device_request *rq, int status)
{
	struct device *d = rq->device;

	if (is_full(status) && rq->op != DEVICE_READ) {
		if (d->on_full == DEVICE_FULL_WAIT && !d->quiesced && !rq->impatient) {
			wait_for_space(rq);
			return;
		}
		report_full(d);
		status = -ENOSPC;
	} else if (d->full && !status && rq->op != DEVICE_READ) {
		report_space(d);
	}
	list_remove(&d->active, rq);
	rq->status = status;
	rq->state = ENDED;
	call_done(rq);
}

/* ---------------------------------------------------------------------- storage that may stall */

static bool is_change(enum device_op op)
{
	return op == DEVICE_WRITE || op == DEVICE_WRITE_ZEROES || op == DEVICE_DISCARD;
}

static void bounce_free(struct bounce *b)
{
	medium_unref(b->medium);
	free(b->iov.iov_base);
	free(b);
}

/* By its op: an iov may be left from what the same request was before. */
static uint64_t data_length(const struct device_request *rq)
{
	if (rq->op == DEVICE_MAP)
		return rq->iovcnt ? rq->iov->iov_len : 0;
	return rq->op == DEVICE_READ || rq->op == DEVICE_WRITE ? rq->length : 0;
}

static int bounce_new(struct device_request *rq)
{
	struct bounce *b = calloc(1, sizeof(*b));
	uint64_t n = data_length(rq);

	if (!b)
		return -ENOMEM;
	b->vd = rq->vd;
	b->vd.opaque = b;
	b->vd.iov = NULL;
	b->vd.iovcnt = 0;
	b->rq = rq;
	b->device = rq->device;
	if (n) {
		b->iov.iov_len = n;
		b->iov.iov_base = malloc(n);
		b->vd.iov = &b->iov;
		b->vd.iovcnt = 1;
		if (!b->iov.iov_base) {
			free(b);
			return -ENOMEM;
		}
	}
	if (rq->op == DEVICE_WRITE && n)
		dma_fetch(rq->iov, rq->iovcnt, 0, b->iov.iov_base, rq->length);
	b->medium = medium_ref(rq->device->medium);
	rq->bounce = b;
	return 0;
}

/* The guest is told that it was ended; what it writes over the same place has to come after it. */
static void give_up(struct device_request *rq)
{
	struct bounce *b = rq->bounce;
	struct device *d = rq->device;

	b->rq = NULL;
	rq->bounce = NULL;
	d->host->orphans++;
	if (is_change(rq->op)) {
		b->next = d->orphans;
		d->orphans = b;
	} else {
		b->device = NULL;
	}
	end(rq, -ECANCELED);
}

static bool behind_orphan(const struct device *d, const struct device_request *rq)
{
	if (!is_change(rq->op))
		return false;
	for (const struct bounce *b = d->orphans; b; b = b->next)
		if (rq->offset < b->vd.offset + b->vd.length &&
		    b->vd.offset < rq->offset + rq->length)
			return true;
	return false;
}

static void start(struct device_request *rq);

static void orphan_done(struct bounce *b)
{
	struct device *d = b->device;
	struct device_request *rq, *next;

	if (!d)
		return;
	for (struct bounce **at = &d->orphans; *at; at = &(*at)->next)
		if (*at == b) {
			*at = b->next;
			break;
		}
	for (rq = d->active.first; rq; rq = next) {
		next = rq->next;
		if (rq->state == HELD)
			start(rq);
	}
}

static void bounce_completed(struct device_host *h, struct bounce *b)
{
	struct device_request *rq = b->rq;

	if (!rq) {
		h->orphans--;
		orphan_done(b);
		bounce_free(b);
		return;
	}
	rq->bounce = NULL;
	if ((rq->op == DEVICE_READ || rq->op == DEVICE_MAP) && !b->vd.status)
		dma_fill(rq->iov, rq->iovcnt, 0, b->iov.iov_base, data_length(rq));
	completed(rq, b->vd.status);
	bounce_free(b);
}

/* ------------------------------------------------------------------------------- the way there */

static void fill_request(struct device_request *rq)
{
	static const enum vd_op op[DEVICE_OPS] = {
		[DEVICE_READ] = VD_OP_READ,
		[DEVICE_WRITE] = VD_OP_WRITE,
		[DEVICE_WRITE_ZEROES] = VD_OP_WRITE_ZEROES,
		[DEVICE_DISCARD] = VD_OP_DISCARD,
		[DEVICE_FLUSH] = VD_OP_FLUSH,
		[DEVICE_MAP] = VD_OP_MAP,
	};

	rq->vd = (struct vd_request){
		.disk = medium_disk(rq->device->medium), .op = op[rq->op], .flags = rq->flags,
		.offset = rq->offset, .length = rq->length, .iov = rq->iov, .iovcnt = rq->iovcnt,
		.opaque = rq,
	};
}

/* rq is in the list of active ones. */
static void start(struct device_request *rq)
{
	struct device *d = rq->device;
	struct vd_request *vd = &rq->vd;
	int r = 0;

	if (d->orphans && behind_orphan(d, rq)) {
		rq->state = HELD;
		return;
	}
	rq->state = QUEUED;
	fill_request(rq);
	if (!vd->disk)
		r = -EIO;
	if (!r && d->may_stall) {
		r = bounce_new(rq);
		if (!r)
			vd = &rq->bounce->vd;
	}
	if (!r && rq->bounce)
		r = vd_queue_submit(d->host->queue, vd);
	else if (!r)
		r = vd_queue_submit_now(d->host->queue, vd);
	if (!r) {
		d->host->queued++;
		loop_defer(d->host->loop, &d->host->reap);
		return;
	}
	if (r > 0) {
		done_at_once(rq);
		return;
	}
	if (rq->bounce) {
		bounce_free(rq->bounce);
		rq->bounce = NULL;
	}
	end(rq, r);
}

static int check(const struct device *d, const struct device_request *rq)
{
	if (d->quiesced)
		return -ECANCELED;
	if (rq->op == DEVICE_FLUSH)
		return 0;
	if (!range_in(rq->offset, rq->length, d->size))
		return -EINVAL;
	return is_change(rq->op) && d->readonly ? -EROFS : 0;
}

void device_submit(struct device *d, struct device_request *rq)
{
	int r = check(d, rq);

	rq->device = d;
	rq->bounce = NULL;
	rq->begun = loop_round_time(d->host->loop);
	if (rq->op == DEVICE_FLUSH)
		rq->length = 0;
	count_begin(d);
	list_add(&d->active, rq);
	if (!r && rq->op == DEVICE_FLUSH && d->readonly) {
		end(rq, 0);	/* there is nothing to make durable */
		return;
	}
	if (r)
		end(rq, r);
	else
		start(rq);
}

void device_cancel(struct device_request *rq)
{
	struct device *d = rq->device;

	switch (rq->state) {
	case WAITING:
		count_waiting(d, -1);
		end(rq, -ECANCELED);
		break;
	case HELD:
		end(rq, -ECANCELED);
		break;
	case QUEUED:
		vd_queue_cancel(d->host->queue, rq->bounce ? &rq->bounce->vd : &rq->vd);
		loop_defer(d->host->loop, &d->host->reap);
		if (rq->bounce)
			give_up(rq);
		break;
	}
}

/* --------------------------------------------------------------------------------- the host */

static void reap(void *opaque)
{
	struct device_host *h = opaque;
	struct vd_request *done[REAP];
	struct device_request *rq;
	int n = 0;

	loop_new_time(h->loop);
	/* Those that come here from within have to wait for the next time. */
	for (unsigned i = 0; i < REAP && (rq = h->ended.first); i++) {
		list_remove(&h->ended, rq);
		call_done(rq);
	}
	/* Also when all is reaped the descriptor may tell late, and is reset by reaping. */
	if (h->queued || h->told)
		n = vd_queue_reap(h->queue, done, REAP, 0);
	h->told = false;
	if (n > 0)
		h->queued -= (unsigned)n;
	for (int i = 0; i < n; i++) {
		/* A bounced request is its bounce's own. */
		struct bounce *b = done[i]->opaque;

		if (done[i] == &b->vd) {
			bounce_completed(h, b);
			continue;
		}
		rq = done[i]->opaque;
		completed(rq, done[i]->status);
	}
	if (n == REAP || h->ended.first)
		loop_defer(h->loop, &h->reap);
}

static void queue_ready(void *opaque, uint32_t events)
{
	struct device_host *h = opaque;

	(void)events;
	h->told = true;
	loop_defer(h->loop, &h->reap);
}

int device_host_new(struct loop *loop, struct device_host **out)
{
	struct device_host *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return -ENOMEM;
	h->loop = loop;
	h->reap = (struct loop_task){.run = reap, .opaque = h};
	r = vd_queue_create(&h->queue);
	if (!r) {
		h->watch = (struct loop_watch){.fd = vd_queue_fd(h->queue), .ready = queue_ready,
					       .opaque = h};
		r = loop_watch(loop, &h->watch, EPOLLIN);
	}
	if (r) {
		vd_queue_destroy(h->queue);
		free(h);
		return r;
	}
	*out = h;
	return 0;
}

void device_host_free(struct device_host *h)
{
	struct vd_request *done;

	if (!h)
		return;
	/* What was given up still uses its buffers. */
	while (h->orphans && vd_queue_reap(h->queue, &done, 1, -1) == 1)
		bounce_completed(h, done->opaque);
	loop_unwatch(h->loop, &h->watch);
	loop_undefer(h->loop, &h->reap);
	vd_queue_destroy(h->queue);
	free(h);
}

/* ------------------------------------------------------------------------------------- quiesce */

static void quiesce_done(void *opaque)
{
	struct device *d = opaque;
	struct device_quiesce *q = d->quiesces;

	if (d->in_flight)
		return;
	d->quiesces = NULL;
	while (q) {
		struct device_quiesce *next = q->next;

		q->done(q->opaque);
		q = next;
	}
}

void device_quiesce(struct device *d, struct device_quiesce *q)
{
	struct device_request *rq, *next;

	d->quiesced++;
	q->next = d->quiesces;
	d->quiesces = q;
	for (rq = d->active.first; rq; rq = next) {
		next = rq->next;
		device_cancel(rq);
	}
	if (!d->in_flight)
		loop_defer(d->host->loop, &d->quiesce_done);
}

void device_resume(struct device *d)
{
	if (d->quiesced)
		d->quiesced--;
}

unsigned device_in_flight(const struct device *d)
{
	return d->in_flight;
}

void device_retry(struct device *d)
{
	struct device_request *rq, *next;

	loop_timer_cancel(d->host->loop, &d->retry);
	for (rq = d->active.first; rq; rq = next) {
		next = rq->next;
		if (rq->state != WAITING)
			continue;
		count_waiting(d, -1);
		start(rq);
	}
}

static void retry_fired(void *opaque)
{
	device_retry(opaque);
}

/* ---------------------------------------------------------------------------------- life cycle */

static uint64_t fnv(uint64_t hash, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	while (n--)
		hash = (hash ^ *p++) * 0x100000001b3u;
	return hash;
}

/* Lengths were checked. */
static void copy_text(char *to, size_t room, const char *text, const char *otherwise)
{
	if (!text)
		text = otherwise;
	memcpy(to, text, strnlen(text, room - 1));
}

/*
 * Two children of one base would look like one disk twice: one of them is told by its path, too. Not
 * by its own id, since that of an immutable disk's child is a new one each time.
 */
static void distinguish(struct vd_uuid *id, const char *path)
{
	uint64_t first = fnv(fnv(0xcbf29ce484222325u, id->byte, sizeof(id->byte)), path, strlen(path));
	uint64_t second = fnv(first, path, strlen(path));

	put_le64(id->byte, first);
	put_le64(id->byte + 8, second);
	id->byte[6] = (uint8_t)((id->byte[6] & 0x0f) | 0x80);	/* RFC 9562: one's own way, version 8 */
	id->byte[8] = (uint8_t)((id->byte[8] & 0x3f) | 0x80);
}

/*
 * VirtualBox makes the serial number from words 0 and 3 of the UUID of the base (host order, the
 * UUID in its GUID layout), so that snapshots do not change it. A file without a UUID has its path
 * instead.
 */
static void identify(struct device *d, const struct device_options *o)
{
	struct device_identity *id = &d->identity;
	struct vd_disk *disk = medium_disk(d->medium);
	struct vd_image_info info;
	const char *diff = medium_diff(d->medium);
	const char *leaf = o->distinct && diff ? diff : medium_path(d->medium);
	CLEANUP_FREE char *real = realpath(leaf, NULL);
	const char *path = real && o->distinct ? real : leaf;
	char serial[21];
	uint64_t hash;

	if (!vd_image_info(disk, vd_depth(disk) - 1, &info))
		id->uuid = info.uuid;
	if (o->distinct && !vd_uuid_is_null(&id->uuid))
		distinguish(&id->uuid, path);
	hash = vd_uuid_is_null(&id->uuid) ? fnv(0xcbf29ce484222325u, path, strlen(path)) :
	       fnv(0xcbf29ce484222325u, id->uuid.byte, sizeof(id->uuid.byte));
	if (vd_uuid_is_null(&id->uuid))
		snprintf(serial, sizeof(serial), "VB%08x-%08x", (unsigned)(hash >> 32),
			 (unsigned)hash);
	else
		snprintf(serial, sizeof(serial), "VB%08x-%08x", be32(id->uuid.byte),
			 le32(id->uuid.byte + 12));
	id->wwn = 3ull << 60 | hash >> 4;
	copy_text(id->vendor, sizeof(id->vendor), NULL, "VBOX");
	copy_text(id->product, sizeof(id->product), NULL, "HARDDISK");
	copy_text(id->model, sizeof(id->model), o->model, "VBOX HARDDISK");
	copy_text(id->firmware, sizeof(id->firmware), o->firmware, "1.0");
	copy_text(id->serial, sizeof(id->serial), o->serial, serial);
}

static int too_long(const char *what, const char *text, size_t most, struct vd_error *err)
{
	if (!text)
		return 0;
	if (strlen(text) > most) {
		snprintf(err->text, sizeof(err->text), "%s \"%.80s\" is longer than %zu characters",
			 what, text, most);
		return -EINVAL;
	}
	for (const char *c = text; *c; c++)
		if (*c < ' ' || *c > '~') {
			snprintf(err->text, sizeof(err->text), "%s has a character that is not "
				 "printable ASCII", what);
			return -EINVAL;
		}
	return 0;
}

static int check_options(const struct device_options *o, struct vd_error *err)
{
	struct vd_error unused;
	int r;

	if (!err)
		err = &unused;
	r = too_long("the serial number", o->serial, 20, err);
	if (!r)
		r = too_long("the model", o->model, 40, err);
	if (!r)
		r = too_long("the firmware revision", o->firmware, 8, err);
	if (!r && o->physical_block_size &&
	    (!is_power_of_2(o->physical_block_size) || o->physical_block_size < BLOCK ||
	     o->physical_block_size > 65536)) {
		snprintf(err->text, sizeof(err->text), "a physical block of %u bytes: a power of "
			 "two from 512 to 65536 is expected", o->physical_block_size);
		r = -EINVAL;
	}
	return r;
}

int device_new(struct medium *m, const struct device_options *o, struct device **out,
	       struct vd_error *err)
{
	struct device *d;
	int r = check_options(o, err);

	if (r)
		return r;
	d = calloc(1, sizeof(*d));
	if (d)
		d->name = strdup(o->name ? o->name : medium_path(m));
	if (!d || !d->name) {
		free(d);
		if (err)
			snprintf(err->text, sizeof(err->text), "out of memory");
		return -ENOMEM;
	}
	d->medium = medium_ref(m);
	d->events = o->events;
	d->physical_block = o->physical_block_size ? o->physical_block_size : BLOCK;
	d->rotational = !o->nonrotational;
	d->discard = o->discard && !medium_is_readonly(m);
	d->may_stall = o->may_stall;
	d->readonly = medium_is_readonly(m);
	d->on_full = o->on_full;
	d->retry = (struct loop_timer){.fired = retry_fired, .opaque = d};
	d->quiesce_done = (struct loop_task){.run = quiesce_done, .opaque = d};
	identify(d, o);
	device_refresh(d);
	*out = d;
	return 0;
}

void device_free(struct device *d)
{
	if (!d)
		return;
	for (struct bounce *b = d->orphans; b; b = b->next)
		b->device = NULL;
	medium_unref(d->medium);
	free(d->name);
	free(d);
}

void device_join(struct device *d, struct device_host *h)
{
	d->host = h;
}

void device_leave(struct device *d)
{
	if (!d->host)
		return;
	report_space(d);
	loop_timer_cancel(d->host->loop, &d->retry);
	loop_undefer(d->host->loop, &d->quiesce_done);
	for (struct bounce *b = d->orphans; b; b = b->next)
		b->device = NULL;
	d->orphans = NULL;
	d->host = NULL;
}

void device_refresh(struct device *d)
{
	/* An immutable medium that could not be made afresh has no disk: requests fail. */
	if (medium_disk(d->medium))
		d->size = align_down(vd_size(medium_disk(d->medium)), BLOCK);
}

const struct device_identity *device_identity(const struct device *d)
{
	return &d->identity;
}

uint64_t device_size(const struct device *d)
{
	return d->size;
}

uint32_t device_block_size(const struct device *d)
{
	(void)d;
	return BLOCK;
}

uint32_t device_physical_block_size(const struct device *d)
{
	return d->physical_block;
}

bool device_is_readonly(const struct device *d)
{
	return d->readonly;
}

bool device_is_rotational(const struct device *d)
{
	return d->rotational;
}

bool device_can_discard(const struct device *d)
{
	return d->discard;
}

const char *device_name(const struct device *d)
{
	return d->name;
}

struct medium *device_medium(const struct device *d)
{
	return d->medium;
}

void device_set_slot(struct device *d, void *slot)
{
	d->slot = slot;
}

void *device_slot(const struct device *d)
{
	return d->slot;
}
