/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user-dma.c - memory of the client: mapped, unmapped, reached by messages; see
 * vfio_user-int.h.
 *
 *	transfer  what a controller asked for: a range of remote memory and a buffer
 *	ticket	  one message of it on its way, no longer than the client allows; some at a time
 *
 * A client that waits for our answer to a reset or an unmap cannot answer our messages (QEMU holds
 * its lock meanwhile), and what they fetch is of no use any more: such transfers are cancelled. Nor
 * do new ones begin, for I/O that ends before the end of a reset, or in memory that was unmapped. A
 * ticket's number changes each time, so that an answer which comes late finds nobody.
 */
#include "front/vfio_user-int.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "bytes.h"
#include "checked.h"

#ifndef FUSE_SUPER_MAGIC
#define FUSE_SUPER_MAGIC 0x65735546
#endif

#define ANSWER_NS (30 * 1000000000ull)
/* Bytes of one message. QEMU takes an answer for sent of which the socket took only a part, and the
 * stream is lost: so its answers to us have to be small enough to be taken whole. */
#define MOST_OF_A_MESSAGE 32768u
#define MOST_UNSENT 262144u

enum { MAP_READ = 1, MAP_WRITE = 2, UNMAP_ALL = 2 };

struct vfio_transfer {
	struct vfio_transfer *next;
	void (*done)(void *arg, int status);
	void *arg;
	uint64_t address;
	uint8_t *buf;
	size_t length, begun;		/* bytes; of which messages were made */
	unsigned tickets;
	bool write;
	int status;
};

/* ------------------------------------------------------------------------------------- mapping */

static int check_file(struct vfio_user *v, int fd, uint64_t offset, uint64_t size)
{
	struct statfs fs;
	struct stat s;

	if (fstat(fd, &s) || !S_ISREG(s.st_mode)) {
		vfio_complain(v, "client-error", "memory that the client offers is refused: its "
			      "descriptor is not of a file");
		return -EINVAL;
	}
	/* Whoever serves such a file could stop this thread at any access. */
	if (!fstatfs(fd, &fs) && fs.f_type == FUSE_SUPER_MAGIC) {
		vfio_complain(v, "client-error", "memory that the client offers is refused: its "
			      "file lies on a FUSE file system");
		return -EINVAL;
	}
	if (!range_in(offset, size, (uint64_t)s.st_size)) {
		vfio_complain(v, "client-error", "memory that the client offers is refused: "
			      "%" PRIu64 " bytes at %" PRIu64 " of a file that has %" PRIu64,
			      size, offset, (uint64_t)s.st_size);
		return -EINVAL;
	}
	return 0;
}

/* argsz, flags, offset in the file, address, size; a descriptor or none. */
int vfio_dma_map(struct vfio_user *v, struct vfio_message *m)
{
	uint64_t offset, address, size;
	unsigned access;
	int fd, r;

	if (m->length != 32 || m->fds > 1 || le32(m->payload + 4) & ~(MAP_READ | MAP_WRITE))
		return -EINVAL;
	access = (le32(m->payload + 4) & MAP_READ ? MEMORY_READ : 0) |
		 (le32(m->payload + 4) & MAP_WRITE ? MEMORY_WRITE : 0);
	offset = le64(m->payload + 8);
	address = le64(m->payload + 16);
	size = le64(m->payload + 24);
	fd = m->fds ? m->fd[0] : -1;
	if (m->fds) {
		r = check_file(v, fd, offset, size);
		if (r)
			return r;
	}
	r = memory_map(v->c->memory, address, size, fd, offset, access);
	if (r)
		vfio_complain(v, "client-error", "memory that the client offers is refused: "
			      "%" PRIu64 " bytes at address 0x%" PRIx64 ": %s", size, address,
			      strerror(-r));
	else
		vfio_answer(v, m, 0);
	return r;
}

/* An unmap for whose pins the answer waits. */
struct vfio_unmap {
	struct vfio_user *v;
	struct vfio_unmap *next;
	uint64_t hold;
	bool done, returned;
};

static void unlink_unmap(struct vfio_unmap *u)
{
	struct vfio_unmap **at = &u->v->unmaps;

	while (*at && *at != u)
		at = &(*at)->next;
	if (*at)
		*at = u->next;
}

static void unmapped(void *opaque)
{
	struct vfio_unmap *u = opaque;

	u->done = true;
	if (!u->returned)
		return;
	if (u->v) {
		unlink_unmap(u);
		vfio_release(u->v, u->hold);
	}
	free(u);
}

void vfio_dma_late(struct vfio_user *v, uint64_t hold)
{
	for (struct vfio_unmap *u = v->unmaps; u; u = u->next)
		if (u->hold == hold)
			memory_forget(v->c->memory, u);
}

/* argsz, flags, address, size: also the answer. */
int vfio_dma_unmap(struct vfio_user *v, struct vfio_message *m)
{
	uint64_t address, size, last;
	struct vfio_unmap *u;
	uint8_t *out;
	int r = 0;

	if (m->length != 24 || le32(m->payload + 4) & ~UNMAP_ALL)
		return -EINVAL;
	address = le64(m->payload + 8);
	size = le64(m->payload + 16);
	if (le32(m->payload + 4) & UNMAP_ALL) {
		if (address || size)
			return -EINVAL;
		last = UINT64_MAX;
	} else if (!size || !add_u64(address, size - 1, &last)) {
		return -EINVAL;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->v = v;
	if (le32(m->payload + 4) & UNMAP_ALL)
		memory_unmap_all(v->c->memory, unmapped, u);
	else
		r = memory_unmap(v->c->memory, address, size, unmapped, u);
	if (!r && !u->done)
		vfio_dma_cancel(v, address, last, -ECANCELED);
	if (r || u->done) {
		free(u);
	} else {
		u->returned = true;
		u->hold = vfio_hold(v);
		u->next = v->unmaps;
		v->unmaps = u;
	}
	if (r)
		return r;
	out = vfio_answer(v, m, 24);
	if (out)
		memcpy(out, m->payload, 24);
	return 0;
}

/* ---------------------------------------------------------------------------------- transfers */

/* done() is called from the loop, when nothing of ours is half done. */
static void finish(struct vfio_user *v, struct vfio_transfer *t)
{
	t->next = NULL;
	*v->finished_end = t;
	v->finished_end = &t->next;
	loop_defer(v->loop, &v->finish_transfers);
}

static void finish_transfers(void *opaque)
{
	struct vfio_user *v = opaque;
	struct vfio_transfer *t;

	while ((t = v->finished)) {
		void (*done)(void *arg, int status) = t->done;
		void *arg = t->arg;
		int status = t->status;

		v->finished = t->next;
		if (!v->finished)
			v->finished_end = &v->finished;
		t->next = v->spare;
		v->spare = t;
		done(arg, status);
	}
}

static void end_if_over(struct vfio_user *v, struct vfio_transfer *t)
{
	if (t->begun == t->length && !t->tickets)
		finish(v, t);
}

static void begin(struct vfio_user *v, struct vfio_transfer t)
{
	struct vfio_transfer *kept = v->spare;

	if (kept)
		v->spare = kept->next;
	else
		kept = malloc(sizeof(*kept));
	if (!kept) {
		/* Without a place to keep it, it cannot even fail later. */
		t.done(t.arg, -ENOMEM);
		return;
	}
	*kept = t;
	/* The controller takes nothing new before the end of a reset: this is what began before it. */
	if (v->state != VFIO_CONNECTED || v->resetting || !t.length) {
		kept->status = !t.length ? 0 : v->resetting ? -ECANCELED : -ENOTCONN;
		kept->begun = kept->length;
		finish(v, kept);
		return;
	}
	*v->waiting_end = kept;
	v->waiting_end = &kept->next;
	loop_defer(v->loop, &v->turn);
}

static void remote_read(void *opaque, uint64_t address, void *buf, size_t length,
			void (*done)(void *arg, int status), void *arg)
{
	begin(opaque, (struct vfio_transfer){
		.done = done, .arg = arg, .address = address, .buf = buf, .length = length,
	});
}

static void remote_write(void *opaque, uint64_t address, const void *buf, size_t length,
			 void (*done)(void *arg, int status), void *arg)
{
	begin(opaque, (struct vfio_transfer){
		.done = done, .arg = arg, .address = address, .buf = (void *)buf,
		.length = length, .write = true,
	});
}

/* The next message of a transfer; false without memory for it. */
static bool send_ticket(struct vfio_user *v, struct vfio_ticket *k, struct vfio_transfer *t)
{
	uint32_t n = (uint32_t)min_u64(t->length - t->begun,
				       min_u64(v->max_transfer, MOST_OF_A_MESSAGE));
	uint16_t id = (uint16_t)(k->id + VFIO_TICKETS);
	uint8_t *out = vfio_command(v, t->write ? VFIO_DMA_WRITE : VFIO_DMA_READ, id,
				    16 + (t->write ? n : 0));

	if (!out)
		return false;
	*k = (struct vfio_ticket){
		.transfer = t, .address = t->address + t->begun, .buf = t->buf + t->begun,
		.length = n, .id = id, .deadline = loop_now() + ANSWER_NS,
	};
	put_le64(out, k->address);
	put_le64(out + 8, n);
	if (t->write)
		memcpy(out + 16, k->buf, n);
	t->begun += n;
	t->tickets++;
	if (!v->tickets++)
		loop_timer_set(v->loop, &v->dma_timer, ANSWER_NS);
	return true;
}

void vfio_dma_send(struct vfio_user *v)
{
	for (unsigned i = 0; i < VFIO_TICKETS && v->waiting; i++) {
		struct vfio_transfer *t = v->waiting;

		if (v->ticket[i].transfer)
			continue;
		if (vfio_unsent(v, VFIO_COMMANDS) > MOST_UNSENT ||
		    !send_ticket(v, &v->ticket[i], t))
			return;
		if (t->begun == t->length) {
			v->waiting = t->next;
			if (!v->waiting)
				v->waiting_end = &v->waiting;
		}
	}
}

static struct vfio_transfer *free_ticket(struct vfio_user *v, struct vfio_ticket *k)
{
	struct vfio_transfer *t = k->transfer;

	k->transfer = NULL;
	t->tickets--;
	if (!--v->tickets)
		loop_timer_cancel(v->loop, &v->dma_timer);
	return t;
}

/* Is it the answer to what was asked? QEMU answers a write with the same fields. */
static bool is_answer(const struct vfio_message *m, const struct vfio_ticket *k)
{
	if (k->transfer->write)
		return m->command == VFIO_DMA_WRITE;
	return m->command == VFIO_DMA_READ && m->length == 16 + k->length &&
	       le64(m->payload) == k->address && le64(m->payload + 8) == k->length;
}

void vfio_dma_replied(struct vfio_user *v, const struct vfio_message *m)
{
	struct vfio_ticket *k = &v->ticket[m->id % VFIO_TICKETS];
	struct vfio_transfer *t;

	if (!k->transfer || k->id != m->id)
		return;
	if (m->flags & VFIO_FLAG_ERROR) {
		k->transfer->status = -EFAULT;
	} else if (!is_answer(m, k)) {
		vfio_fail(v, "its answer to a request for memory is not one");
		return;
	} else if (!k->transfer->write) {
		memcpy(k->buf, m->payload + 16, k->length);
	}
	t = free_ticket(v, k);
	end_if_over(v, t);
}

/* -------------------------------------------------------------------------------------- endings */

static bool touches(const struct vfio_transfer *t, uint64_t address, uint64_t last)
{
	return t->address <= last && t->address + (t->length - 1) >= address;
}

void vfio_dma_cancel(struct vfio_user *v, uint64_t address, uint64_t last, int status)
{
	struct vfio_transfer **at = &v->waiting, *t;

	while ((t = *at)) {
		if (!touches(t, address, last)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->begun = t->length;
		t->status = status;
		end_if_over(v, t);
	}
	v->waiting_end = at;
	for (unsigned i = 0; i < VFIO_TICKETS; i++) {
		t = v->ticket[i].transfer;
		if (!t || !touches(t, address, last))
			continue;
		t->status = status;
		free_ticket(v, &v->ticket[i]);
		end_if_over(v, t);
	}
}

/* The client keeps silent on a message. */
static void tickets_due(void *opaque)
{
	struct vfio_user *v = opaque;
	uint64_t now = loop_now(), next = UINT64_MAX;

	for (unsigned i = 0; i < VFIO_TICKETS; i++) {
		const struct vfio_ticket *k = &v->ticket[i];

		if (k->transfer && k->deadline <= now) {
			vfio_complain(v, "client-error", "the client does not answer a request for "
				      "its memory at 0x%" PRIx64, k->address);
			vfio_dma_cancel(v, k->address, k->address + (k->length - 1), -ETIMEDOUT);
		}
	}
	for (unsigned i = 0; i < VFIO_TICKETS; i++)
		if (v->ticket[i].transfer)
			next = min_u64(next, v->ticket[i].deadline);
	if (v->tickets)
		loop_timer_set(v->loop, &v->dma_timer, next > now ? next - now : 0);
}

void vfio_dma_end(struct vfio_user *v)
{
	vfio_dma_cancel(v, 0, UINT64_MAX, -ENOTCONN);
	/* A virtual machine that took the controller out goes on without it. */
	memory_forget_all(v->c->memory);
	while (v->unmaps) {
		v->unmaps->v = NULL;
		v->unmaps = v->unmaps->next;
	}
}

void vfio_dma_init(struct vfio_user *v)
{
	struct memory_remote remote = {.read = remote_read, .write = remote_write, .opaque = v};

	v->waiting_end = &v->waiting;
	v->finished_end = &v->finished;
	v->finish_transfers = (struct loop_task){.run = finish_transfers, .opaque = v};
	v->dma_timer = (struct loop_timer){.fired = tickets_due, .opaque = v};
	for (unsigned i = 0; i < VFIO_TICKETS; i++)
		v->ticket[i].id = (uint16_t)i;
	memory_set_remote(v->c->memory, &remote);
}

void vfio_dma_free(struct vfio_user *v)
{
	memory_set_remote(v->c->memory, &(struct memory_remote){0});
	loop_undefer(v->loop, &v->finish_transfers);
	while (v->spare) {
		struct vfio_transfer *next = v->spare->next;

		free(v->spare);
		v->spare = next;
	}
}
