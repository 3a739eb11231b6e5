/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user.c - see vfio_user.h: the life of a connection. The parts are told in vfio_user-int.h.
 *
 *	listening --accept--> powering --vfio_user_power_on()--> connected
 *	    ^						 |  it left, misbehaved, or we stop
 *	    +-- listen again <-- flush <-- reset <-- leaving <---+
 *
 * While a client leaves, the next one waits in the queue of the listening socket. While one is
 * there, others are refused with a reply to their first message.
 */
#include "front/vfio_user-int.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "checked.h"
#include "device/medium.h"

#define ANSWER_MS 4000u			/* QEMU's patience ends after 5 s */
#define STALL_MS 10000u
#define REFUSAL_NS (2 * 1000000000ull)
#define ACCEPT_AGAIN_NS 1000000000ull
#define MOST_COMPLAINTS 16u

/* ---------------------------------------------------------------------------------- complaints */

void vfio_fail(struct vfio_user *v, const char *format, ...)
{
	va_list args;

	if (*v->failure)
		return;
	va_start(args, format);
	vsnprintf(v->failure, sizeof(v->failure), format, args);
	va_end(args);
	loop_defer(v->loop, &v->turn);
}

void vfio_complain(struct vfio_user *v, const char *name, const char *format, ...)
{
	char text[512];
	va_list args;

	if (v->complaints++ >= MOST_COMPLAINTS)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	events_emit(v->events, name, v->c->name, "%s: %s", v->c->name, text);
}

void vfio_look_at_memory(struct vfio_user *v)
{
	if (v->state != VFIO_CONNECTED)
		return;
	if (memory_broken(v->c->memory))
		vfio_fail(v, "it took away memory that it had given, by truncating its file");
	if (memory_missed(v->c->memory) && !v->told_not_shared) {
		v->told_not_shared = true;
		vfio_complain(v, "memory-not-shared", "the guest's memory is not shared with this "
			      "process, so that its driver cannot work; QEMU needs -object "
			      "memory-backend-memfd,id=mem,share=on,size=... and "
			      "-machine memory-backend=mem");
	}
}

/* -------------------------------------------------------------------------------------- leaving */

static void next_step(struct vfio_user *v, void (*run)(void *opaque))
{
	v->step = (struct loop_task){.run = run, .opaque = v};
	loop_defer(v->loop, &v->step);
}

static void listen_again(void *opaque)
{
	struct vfio_user *v = opaque;

	if (!v->listen.active && v->state != VFIO_LEAVING && v->listen.fd >= 0)
		loop_watch(v->loop, &v->listen, EPOLLIN);
}

/* Everything is durable, and as at power-on. */
static void gone(void *opaque)
{
	struct vfio_user *v = opaque;
	bool powered = v->powered;

	v->c->running = false;
	v->powered = false;
	v->state = v->stopping ? VFIO_STOPPED : VFIO_LISTENING;
	if (v->flush_status)
		events_emit(v->events, "flush-failed", v->c->name, "%s: what the guest wrote last "
			    "may be lost: %s", v->c->name, strerror(-v->flush_status));
	if (powered && v->callbacks.power_off)
		v->callbacks.power_off(v->callbacks.opaque);
	if (v->state == VFIO_STOPPED)
		v->stopped(v->stopped_opaque);
	else
		listen_again(v);
}

struct flush {
	struct device_request rq;
	struct vfio_user *v;
};

static void flush_over(struct vfio_user *v)
{
	if (!--v->flushing)
		next_step(v, gone);
}

static void flushed(struct device_request *rq)
{
	struct flush *f = rq->opaque;
	struct vfio_user *v = f->v;

	/* Cancelled: the drive is being taken out, which flushes it. */
	if (rq->status && rq->status != -ECANCELED)
		v->flush_status = rq->status;
	free(f);
	flush_over(v);
}

static void flush_all(void *opaque)
{
	struct vfio_user *v = opaque;

	memory_unmap_all(v->c->memory, NULL, NULL);
	v->flush_status = 0;
	v->flushing = 1;
	for (unsigned i = 0; i < v->c->devices; i++) {
		struct flush *f;

		if (device_is_readonly(v->c->device[i]))
			continue;
		f = calloc(1, sizeof(*f));
		if (!f) {
			v->flush_status = -ENOMEM;
			continue;
		}
		f->v = v;
		f->rq = (struct device_request){
			.op = DEVICE_FLUSH, .impatient = true, .done = flushed, .opaque = f,
		};
		v->flushing++;
		device_submit(v->c->device[i], &f->rq);
	}
	flush_over(v);
}

static void leave(void *opaque);

static void reset_over(void *opaque)
{
	struct vfio_user *v = opaque;

	v->resetting = false;
	if (v->state == VFIO_LEAVING) {
		next_step(v, v->reset_again ? leave : flush_all);
		v->reset_again = false;
	} else if (v->reset_waits) {
		v->reset_waits = false;
		vfio_release(v, v->reset_hold);
	}
}

/* One that began before the client left may have been overtaken by commands after a late answer. */
static void leave(void *opaque)
{
	struct vfio_user *v = opaque;

	if (v->resetting) {
		v->reset_again = true;
		return;
	}
	v->resetting = true;
	controller_reset(v->c, reset_over, v);
}

void vfio_begin_reset(struct vfio_user *v)
{
	vfio_dma_cancel(v, 0, UINT64_MAX, -ECANCELED);
	vfio_forget_commands(v);
	/* One that is late may have been overtaken by what this one has to undo. */
	v->resetting = true;
	controller_reset(v->c, reset_over, v);
}

void vfio_drop(struct vfio_user *v)
{
	events_emit(v->events, "client-disconnected", v->c->name, "%s: the client is gone: %s",
		    v->c->name, v->failure);
	v->state = VFIO_LEAVING;
	v->reset_waits = v->function_reset = false;
	loop_unwatch(v->loop, &v->listen);
	vfio_stream_end(v);
	vfio_irq_end(v);
	vfio_dma_end(v);
	if (!v->power_pending)
		leave(v);
}

/* ------------------------------------------------------------------------------------- refusals */

static void refusal_end(struct vfio_refusal *r)
{
	loop_unwatch(r->v->loop, &r->watch);
	loop_timer_cancel(r->v->loop, &r->timer);
	if (r->watch.fd >= 0)
		close(r->watch.fd);
	r->watch.fd = -1;
}

static void refusal_due(void *opaque)
{
	refusal_end(opaque);
}

/* Its first message is read to its end, so that closing does not take the answer away; what is no
 * message has none. */
static bool refusal_waits(const struct vfio_refusal *r)
{
	uint32_t size = le32(r->header + 4);

	return r->got < VFIO_HEADER || (r->got < size && size <= VFIO_MAX_SIZE);
}

static void refusal_ready(void *opaque, uint32_t events)
{
	struct vfio_refusal *r = opaque;
	uint32_t size = r->got < VFIO_HEADER ? VFIO_HEADER : le32(r->header + 4);
	uint8_t rest[4096], *to = r->got < VFIO_HEADER ? r->header + r->got : rest;
	size_t most = size > r->got ? size - r->got : 0;
	ssize_t n;

	(void)events;
	n = recv(r->watch.fd, to, min_u64(most, sizeof(rest)), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		r->got += (uint32_t)n;
	if (n > 0 && refusal_waits(r))
		return;
	if (r->got >= VFIO_HEADER) {
		vfio_put_header(r->header, le16(r->header), le16(r->header + 2), VFIO_HEADER,
				VFIO_FLAG_REPLY | VFIO_FLAG_ERROR, r->error);
		send(r->watch.fd, r->header, VFIO_HEADER, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	refusal_end(r);
}

static void refuse(struct vfio_user *v, int fd, int error)
{
	struct vfio_refusal *r = NULL;

	for (unsigned i = 0; i < VFIO_REFUSALS && !r; i++)
		if (v->refusal[i].watch.fd < 0)
			r = &v->refusal[i];
	if (!r) {
		close(fd);
		return;
	}
	*r = (struct vfio_refusal){
		.v = v, .error = error,
		.watch = {.fd = fd, .ready = refusal_ready, .opaque = r},
		.timer = {.fired = refusal_due, .opaque = r},
	};
	if (loop_watch(v->loop, &r->watch, EPOLLIN)) {
		refusal_end(r);
		return;
	}
	loop_timer_set(v->loop, &r->timer, REFUSAL_NS);
}

/* -------------------------------------------------------------------------------------- arriving */

static void function_reset(struct pci *p)
{
	struct vfio_user *v = (struct vfio_user *)((char *)p->host -
						   offsetof(struct vfio_user, host));

	v->function_reset = true;
}

void vfio_user_power_on(struct vfio_user *v, int status)
{
	int fd = v->watch.fd;

	if (!v->power_pending)
		return;
	v->power_pending = false;
	v->powered = !status;
	if (v->state == VFIO_LEAVING) {
		leave(v);
	} else if (v->state == VFIO_POWERING && status) {
		loop_unwatch(v->loop, &v->watch);
		v->watch.fd = -1;
		refuse(v, fd, -status);
		snprintf(v->failure, sizeof(v->failure), "it was refused: %s", strerror(-status));
		vfio_drop(v);
	} else if (v->state == VFIO_POWERING) {
		v->state = VFIO_CONNECTED;
		v->c->running = true;
		v->c->pci.host = &v->host;
		v->c->pci.function_reset = function_reset;
		loop_defer(v->loop, &v->turn);
	}
}

static void arrive(struct vfio_user *v, int fd)
{
	*v->failure = '\0';
	v->complaints = 0;
	v->told_not_shared = v->greeted = false;
	v->state = VFIO_POWERING;
	v->statistics.connections++;
	v->power_pending = true;
	vfio_stream_start(v, fd);
	events_emit(v->events, "client-connected", v->c->name, "%s: a client is there", v->c->name);
	if (v->callbacks.power_on)
		v->callbacks.power_on(v->callbacks.opaque);
	else
		vfio_user_power_on(v, 0);
}

int vfio_user_adopt(struct vfio_user *v, int fd)
{
	if (v->state != VFIO_LISTENING)
		return -EBUSY;
	arrive(v, fd);
	return 0;
}

static void accept_client(void *opaque, uint32_t events)
{
	struct vfio_user *v = opaque;
	int fd = accept4(v->listen.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
		/* Out of descriptors: it would be ready for ever. */
		loop_unwatch(v->loop, &v->listen);
		loop_timer_set(v->loop, &v->listen_again, ACCEPT_AGAIN_NS);
	}
	if (fd < 0)
		return;
	if (v->state == VFIO_LISTENING) {
		arrive(v, fd);
		return;
	}
	events_emit(v->events, "client-refused", v->c->name, "%s: a second client was refused: "
		    "this controller has one", v->c->name);
	refuse(v, fd, EBUSY);
}

/* ----------------------------------------------------------------------------------- life cycle */

int vfio_user_new(struct controller *c, int listen_fd, const struct vfio_user_callbacks *callbacks,
		  struct events *events, struct vfio_user **out, struct vd_error *err)
{
	struct vfio_user *v = calloc(1, sizeof(*v));
	int r = -ENOMEM;

	if (v) {
		v->c = c;
		v->loop = c->loop;
		v->events = events;
		if (callbacks)
			v->callbacks = *callbacks;
		v->watch.fd = -1;
		for (unsigned i = 0; i < VFIO_REFUSALS; i++) {
			v->refusal[i].v = v;
			v->refusal[i].watch.fd = -1;
		}
		v->listen = (struct loop_watch){
			.fd = listen_fd, .ready = accept_client, .opaque = v,
		};
		v->listen_again = (struct loop_timer){.fired = listen_again, .opaque = v};
		vfio_user_set_limits(v, ANSWER_MS, STALL_MS);
		vfio_dma_init(v);
		r = vfio_irq_init(v);
	}
	if (!r && listen_fd >= 0)
		r = loop_watch(v->loop, &v->listen, EPOLLIN);
	if (!r) {
		*out = v;
		return 0;
	}
	if (err)
		snprintf(err->text, sizeof(err->text), "%s: %s", c->name, strerror(-r));
	if (v)
		vfio_user_free(v);
	else if (listen_fd >= 0)
		close(listen_fd);
	return r;
}

void vfio_user_set_limits(struct vfio_user *v, unsigned answer_ms, unsigned stall_ms)
{
	v->answer_ns = answer_ms * 1000000ull;
	v->stall_ns = stall_ms * 1000000ull;
}

static void stop_listening(struct vfio_user *v)
{
	loop_unwatch(v->loop, &v->listen);
	loop_timer_cancel(v->loop, &v->listen_again);
	if (v->listen.fd >= 0)
		close(v->listen.fd);
	v->listen.fd = -1;
	for (unsigned i = 0; i < VFIO_REFUSALS; i++)
		refusal_end(&v->refusal[i]);
}

void vfio_user_stop(struct vfio_user *v, void (*done)(void *opaque), void *opaque)
{
	bool awaited = v->power_pending;

	v->stopping = true;
	v->stopped = done;
	v->stopped_opaque = opaque;
	v->power_pending = false;
	stop_listening(v);
	if (v->state == VFIO_POWERING || v->state == VFIO_CONNECTED) {
		vfio_fail(v, "this server stops");
		vfio_drop(v);
	} else if (v->state == VFIO_LISTENING || awaited) {
		/* Disks that were attached, but not used, are as they were: still, end in order. */
		v->state = VFIO_LEAVING;
		leave(v);
	}
}

void vfio_user_free(struct vfio_user *v)
{
	if (!v)
		return;
	stop_listening(v);
	vfio_stream_end(v);
	loop_undefer(v->loop, &v->step);
	if (v->irq[VFIO_REQ].fd)
		vfio_irq_end(v);
	vfio_irq_free(v);
	vfio_dma_free(v);
	free(v);
}

void vfio_user_get_statistics(const struct vfio_user *v, struct vfio_user_statistics *out)
{
	*out = v->statistics;
}
