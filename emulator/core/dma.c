/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dma.c - see dma.h. */
#include "core/dma.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"

/* One range as the guest gave it; while it is started, one iovec of it each. */
struct dma_piece {
	uint64_t address, length;
};

/* What an iovec stands on; parallel to iov. */
struct dma_hold {
	struct memory_region *region;
	uint64_t address;
	void *bounce;			/* NULL: mapped memory */
};

#define MAX_PIECES 65536u

void dma_init(struct dma *d, struct guest_memory *m, void *opaque)
{
	d->memory = m;
	d->opaque = opaque;
}

void dma_free(struct dma *d)
{
	free(d->piece);
	free(d->iov);
	free(d->hold);
	d->piece = NULL;
	d->iov = NULL;
	d->hold = NULL;
	d->room = d->iov_room = 0;
}

void dma_reset(struct dma *d)
{
	d->pieces = 0;
	d->length = 0;
	d->iovcnt = 0;
}

static int grow_pieces(struct dma *d)
{
	unsigned room = d->room ? d->room * 2 : 8;
	struct dma_piece *grown;

	if (d->pieces < d->room)
		return 0;
	if (d->pieces >= MAX_PIECES)
		return -E2BIG;
	grown = reallocarray(d->piece, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	d->piece = grown;
	d->room = room;
	return 0;
}

int dma_add(struct dma *d, uint64_t address, uint64_t length)
{
	struct dma_piece *last = d->pieces ? &d->piece[d->pieces - 1] : NULL;
	uint64_t end;
	int r;

	if (!length)
		return 0;
	if (!add_u64(address, length - 1, &end))
		return -EFAULT;
	if (length > DMA_MAX - d->length)
		return -E2BIG;
	if (last && last->address + last->length == address) {
		last->length += length;
	} else {
		r = grow_pieces(d);
		if (r)
			return r;
		d->piece[d->pieces++] = (struct dma_piece){address, length};
	}
	d->length += length;
	return 0;
}

static int grow_iov(struct dma *d)
{
	unsigned room = d->iov_room ? d->iov_room * 2 : 8;
	struct iovec *iov;
	struct dma_hold *hold;

	if ((unsigned)d->iovcnt < d->iov_room)
		return 0;
	iov = reallocarray(d->iov, room, sizeof(*iov));
	if (!iov)
		return -ENOMEM;
	d->iov = iov;
	hold = reallocarray(d->hold, room, sizeof(*hold));
	if (!hold)
		return -ENOMEM;
	d->hold = hold;
	d->iov_room = room;
	return 0;
}

static unsigned access_of(enum dma_direction direction)
{
	return direction == DMA_TO_DEVICE ? MEMORY_READ : MEMORY_WRITE;
}

/* One region's worth at address; returns its length, or -errno. */
static int64_t add_iov(struct dma *d, uint64_t address, uint64_t length)
{
	struct dma_hold *hold;
	void *at;
	int r = grow_iov(d);

	if (r)
		return r;
	hold = &d->hold[d->iovcnt];
	*hold = (struct dma_hold){.address = address};
	length = memory_pin(d->memory, address, length, access_of(d->direction), &hold->region,
			    &at);
	if (!length)
		return -EFAULT;
	if (!at) {
		/* Zeros: what the device does not write must not be our memory. */
		hold->bounce = at = calloc(1, length);
		if (!at) {
			memory_unpin(hold->region);
			return -ENOMEM;
		}
	}
	d->iov[d->iovcnt++] = (struct iovec){.iov_base = at, .iov_len = length};
	return (int64_t)length;
}

void dma_drop(struct dma *d)
{
	for (int i = 0; i < d->iovcnt; i++) {
		free(d->hold[i].bounce);
		memory_unpin(d->hold[i].region);
	}
	d->iovcnt = 0;
}

static int pin_all(struct dma *d)
{
	for (unsigned i = 0; i < d->pieces; i++) {
		uint64_t address = d->piece[i].address, left = d->piece[i].length;

		while (left) {
			int64_t n = add_iov(d, address, left);

			if (n < 0)
				return (int)n;
			address += (uint64_t)n;
			left -= (uint64_t)n;
		}
	}
	return 0;
}

/* ---------------------------------------------------------------------------------- transfers */

/* After the last message of a start. */
static void fetched(struct dma *d)
{
	if (d->status)
		dma_drop(d);
	d->callback(d, d->status);
}

static void fetch_done(void *arg, int status)
{
	struct dma *d = arg;

	if (status && !d->status)
		d->status = status;
	if (!--d->waiting)
		fetched(d);
}

static void sent(struct dma *d)
{
	dma_drop(d);
	d->callback(d, d->status);
}

static void send_done(void *arg, int status)
{
	struct dma *d = arg;

	if (status && !d->status)
		d->status = status;
	if (!--d->waiting)
		sent(d);
}

/* waiting starts at 1, so that a transfer that ends while others are begun does not end it all. */
static void transfer_remote(struct dma *d, bool to_guest)
{
	uint64_t left = to_guest ? d->moved : d->length;

	for (int i = 0; i < d->iovcnt && left; i++) {
		const struct memory_remote *remote = memory_remote_of(d->hold[i].region);
		size_t n = min_u64(left, d->iov[i].iov_len);

		left -= n;
		if (!d->hold[i].bounce)
			continue;
		if (to_guest ? !remote->write : !remote->read) {
			d->status = -EFAULT;
			continue;
		}
		d->waiting++;
		if (to_guest)
			remote->write(remote->opaque, d->hold[i].address, d->hold[i].bounce, n,
				      send_done, d);
		else
			remote->read(remote->opaque, d->hold[i].address, d->hold[i].bounce, n,
				     fetch_done, d);
	}
}

void dma_start(struct dma *d, enum dma_direction direction, void (*ready)(struct dma *d, int status))
{
	d->direction = direction;
	d->callback = ready;
	d->moved = d->length;
	d->iovcnt = 0;
	d->status = pin_all(d);
	d->waiting = 1;
	if (!d->status && direction == DMA_TO_DEVICE)
		transfer_remote(d, false);
	if (!--d->waiting)
		fetched(d);
}

void dma_finish(struct dma *d, void (*finished)(struct dma *d, int status))
{
	d->callback = finished;
	d->status = 0;
	d->waiting = 1;
	if (d->direction == DMA_FROM_DEVICE)
		transfer_remote(d, true);
	if (!--d->waiting)
		sent(d);
}

/* ------------------------------------------------------------------------------------- budget */

void dma_charge(struct dma_budget *b, uint64_t *charge, uint64_t bytes)
{
	bool spent = dma_budget_spent(b);

	*charge += bytes;
	b->charged += bytes;
	if (!spent && dma_budget_spent(b))
		b->changed(b->opaque, true);
}

void dma_discharge(struct dma_budget *b, uint64_t *charge)
{
	bool spent = dma_budget_spent(b);

	b->charged -= *charge;
	*charge = 0;
	if (spent && !dma_budget_spent(b))
		b->changed(b->opaque, false);
}

/* ----------------------------------------------------------------------------- small answers */

enum copy_kind { FILL, FETCH, CLEAR };

static size_t walk(const struct iovec *iov, int iovcnt, uint64_t offset, void *buf, size_t n,
		   enum copy_kind kind)
{
	size_t done = 0;

	for (int i = 0; i < iovcnt && done < n; i++) {
		uint8_t *at = iov[i].iov_base;
		size_t length = iov[i].iov_len, part;

		if (offset >= length) {
			offset -= length;
			continue;
		}
		part = min_u64(length - offset, n - done);
		if (kind == FILL)
			memcpy(at + offset, (uint8_t *)buf + done, part);
		else if (kind == FETCH)
			memcpy((uint8_t *)buf + done, at + offset, part);
		else
			memset(at + offset, 0, part);
		done += part;
		offset = 0;
	}
	return done;
}

size_t dma_fill(const struct iovec *iov, int iovcnt, uint64_t offset, const void *buf, size_t n)
{
	return walk(iov, iovcnt, offset, (void *)buf, n, FILL);
}

size_t dma_fetch(const struct iovec *iov, int iovcnt, uint64_t offset, void *buf, size_t n)
{
	return walk(iov, iovcnt, offset, buf, n, FETCH);
}

size_t dma_clear(const struct iovec *iov, int iovcnt, uint64_t offset, size_t n)
{
	return walk(iov, iovcnt, offset, NULL, n, CLEAR);
}
