/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user-stream.c - bytes and descriptors in, answers and commands out; see vfio_user-int.h.
 *
 * Descriptors: the kernel gives those of one sendmsg() with its first byte, and ends a recvmsg()
 * there, so that they belong to the message that the last byte received is part of.
 *
 * Nothing here waits. While an answer to a reset is due, or the client does not read its answers,
 * nothing more is read from it; in the latter case it is dropped when it takes too long.
 */
#include "front/vfio_user-int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bytes.h"
#include "checked.h"

#define LEAST_ROOM 65536u		/* for one recvmsg() */
#define INPUT_ROOM (VFIO_MAX_SIZE + LEAST_ROOM)
#define MOST_UNSENT 262144u		/* then no more messages are carried out */

/* -------------------------------------------------------------------------------------- output */

void vfio_put_header(uint8_t *header, uint16_t id, uint16_t command, uint32_t size, uint32_t flags,
		     int error)
{
	put_le16(header, id);
	put_le16(header + 2, command);
	put_le32(header + 4, size);
	put_le32(header + 8, flags);
	put_le32(header + 12, (uint32_t)error);
}

static size_t filled(const struct vfio_buffer *b)
{
	return b->end - b->start;
}

size_t vfio_unsent(const struct vfio_user *v, enum vfio_queue queue)
{
	return filled(&v->out.queue[queue]);
}

/* Room for n bytes at its end; bounded by MOST_UNSENT and one message. */
static uint8_t *reserve(struct vfio_user *v, struct vfio_buffer *b, size_t n)
{
	size_t room = b->room ? b->room : 4096;
	uint8_t *data;

	if (b->start == b->end)
		b->start = b->end = 0;
	if (b->room - b->end < n && b->start && b->start >= filled(b)) {
		memmove(b->data, b->data + b->start, filled(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->room - b->end < n) {
		while (room - b->end < n)
			room *= 2;
		data = realloc(b->data, room);
		if (!data) {
			vfio_fail(v, "out of memory");
			return NULL;
		}
		b->data = data;
		b->room = room;
	}
	return b->data + b->end;
}

uint8_t *vfio_answer(struct vfio_user *v, const struct vfio_message *m, size_t length)
{
	struct vfio_buffer *b = &v->out.queue[VFIO_ANSWERS];
	size_t size = VFIO_HEADER + length;
	uint8_t *at = reserve(v, b, size);

	if (!at)
		return NULL;
	memset(at + VFIO_HEADER, 0, length);
	/* What nobody wants to have is written beside. */
	if (m->flags & VFIO_FLAG_NO_REPLY)
		return at + VFIO_HEADER;
	vfio_put_header(at, m->id, m->command, (uint32_t)size, VFIO_FLAG_REPLY, 0);
	b->end += size;
	v->statistics.messages_out++;
	return at + VFIO_HEADER;
}

void vfio_answer_error(struct vfio_user *v, const struct vfio_message *m, int error)
{
	uint8_t *payload = vfio_answer(v, m, 0);

	if (payload && !(m->flags & VFIO_FLAG_NO_REPLY))
		vfio_put_header(payload - VFIO_HEADER, m->id, m->command, VFIO_HEADER,
				VFIO_FLAG_REPLY | VFIO_FLAG_ERROR, error);
}

uint8_t *vfio_command(struct vfio_user *v, enum vfio_command command, uint16_t id, size_t length)
{
	struct vfio_buffer *b = &v->out.queue[VFIO_COMMANDS];
	size_t size = VFIO_HEADER + length;
	uint8_t *at = reserve(v, b, size);

	if (!at)
		return NULL;
	vfio_put_header(at, id, command, (uint32_t)size, 0, 0);
	b->end += size;
	v->statistics.messages_out++;
	return at + VFIO_HEADER;
}

void vfio_forget_commands(struct vfio_user *v)
{
	struct vfio_buffer *b = &v->out.queue[VFIO_COMMANDS];

	b->end = b->start + (v->out.sending == VFIO_COMMANDS ? v->out.rest : 0);
}

/* How many bytes of answers do not wait for anything. */
static size_t answers_ready(const struct vfio_user *v)
{
	if (v->hold_first != v->hold_end)
		return v->hold[v->hold_first % VFIO_HOLDS].position - v->out.answered;
	return filled(&v->out.queue[VFIO_ANSWERS]);
}

/* Answers first: a client may wait for one with a lock held that it needs for our commands. */
static void choose_queue(struct vfio_user *v)
{
	v->out.sending = VFIO_ANSWERS;
	v->out.rest = answers_ready(v);
	if (!v->out.rest) {
		v->out.sending = VFIO_COMMANDS;
		v->out.rest = filled(&v->out.queue[VFIO_COMMANDS]);
	}
}

/*
 * QEMU loses track of a header that comes in two parts. So no more is sent at once than the kernel
 * takes or leaves as a whole, and that ends with a message, or inside of a long one.
 */
static size_t next_part(const struct vfio_output *out, const struct vfio_buffer *b)
{
	size_t n = out->inside;

	if (out->rest <= VFIO_AT_ONCE)
		return out->rest;
	while (n < VFIO_AT_ONCE) {
		uint32_t size = le32(b->data + b->start + n + 4);

		if (n && n + size > VFIO_AT_ONCE)
			break;
		n += size;
	}
	return min_u64(n, VFIO_AT_ONCE);
}

static void sent(struct vfio_user *v, size_t n)
{
	struct vfio_buffer *b = &v->out.queue[v->out.sending];

	v->out.rest -= n;
	if (v->out.sending == VFIO_ANSWERS)
		v->out.answered += n;
	while (n) {
		size_t step;

		if (!v->out.inside)
			v->out.inside = le32(b->data + b->start + 4);
		step = min_u64(n, v->out.inside);
		b->start += step;
		v->out.inside -= step;
		n -= step;
	}
}

static void send_all(struct vfio_user *v)
{
	bool progress = false;

	while (!v->out.full) {
		struct vfio_buffer *b;
		ssize_t n;

		if (!v->out.rest)
			choose_queue(v);
		if (!v->out.rest)
			break;
		b = &v->out.queue[v->out.sending];
		n = send(v->watch.fd, b->data + b->start, next_part(&v->out, b),
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			sent(v, (size_t)n);
			progress = true;
		} else if (errno == EAGAIN) {
			v->out.full = true;
		} else if (errno != EINTR) {
			vfio_fail(v, "it left");
			return;
		}
	}
	if (!v->out.full)
		loop_timer_cancel(v->loop, &v->stall);
	else if (progress || !v->stall.set)
		loop_timer_set(v->loop, &v->stall, v->stall_ns);
}

static void stalled(void *opaque)
{
	struct vfio_user *v = opaque;

	vfio_fail(v, "it did not read its answers for %u ms", (unsigned)(v->stall_ns / 1000000));
}

/* ----------------------------------------------------------------------------- waiting answers */

uint64_t vfio_hold(struct vfio_user *v)
{
	struct vfio_hold *h = &v->hold[v->hold_end % VFIO_HOLDS];

	*h = (struct vfio_hold){
		.position = v->out.answered + filled(&v->out.queue[VFIO_ANSWERS]),
		.deadline = loop_now() + v->answer_ns,
	};
	if (v->hold_first == v->hold_end)
		loop_timer_set(v->loop, &v->hold_timer, v->answer_ns);
	return v->hold_end++;
}

static void drop_ready_holds(struct vfio_user *v)
{
	uint64_t now = loop_now(), deadline;

	while (v->hold_first != v->hold_end && v->hold[v->hold_first % VFIO_HOLDS].ready)
		v->hold_first++;
	loop_timer_cancel(v->loop, &v->hold_timer);
	if (v->hold_first != v->hold_end) {
		deadline = v->hold[v->hold_first % VFIO_HOLDS].deadline;
		loop_timer_set(v->loop, &v->hold_timer, deadline > now ? deadline - now : 0);
	}
	loop_defer(v->loop, &v->turn);
}

void vfio_release(struct vfio_user *v, uint64_t number)
{
	if (number < v->hold_first || number >= v->hold_end)
		return;			/* its time was up, or it was another connection's */
	v->hold[number % VFIO_HOLDS].ready = true;
	drop_ready_holds(v);
}

/* Time is up: what it waited for is late, and the answer must not be. What the client is told is so:
 * nothing that began before comes to its memory afterwards. */
static void holds_due(void *opaque)
{
	struct vfio_user *v = opaque;
	uint64_t now = loop_now();

	for (uint64_t i = v->hold_first; i != v->hold_end; i++) {
		struct vfio_hold *h = &v->hold[i % VFIO_HOLDS];

		if (h->deadline > now || h->ready)
			continue;
		h->ready = true;
		if (v->reset_waits && v->reset_hold == i)
			memory_forget_all(v->c->memory);
		else
			vfio_dma_late(v, i);
	}
	drop_ready_holds(v);
}

static bool reset_holds_input(const struct vfio_user *v)
{
	return v->reset_waits && v->reset_hold >= v->hold_first &&
	       !v->hold[v->reset_hold % VFIO_HOLDS].ready;
}

/* --------------------------------------------------------------------------------------- input */

static bool input_held(const struct vfio_user *v)
{
	return v->state != VFIO_CONNECTED || *v->failure || reset_holds_input(v) ||
	       v->hold_end - v->hold_first == VFIO_HOLDS ||
	       vfio_unsent(v, VFIO_ANSWERS) > MOST_UNSENT;
}

static void lose_fds(struct vfio_user *v, size_t at)
{
	if (v->in.lost && v->in.lost_at != at)
		vfio_fail(v, "it sends more descriptors than can be taken");
	v->in.lost = true;
	v->in.lost_at = at;
}

static void keep_fds(struct vfio_user *v, struct msghdr *h, size_t at)
{
	struct vfio_input *in = &v->in;

	if (h->msg_flags & MSG_CTRUNC)
		lose_fds(v, at);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		const uint8_t *data = CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); n; n--) {
			int fd;

			memcpy(&fd, data, sizeof(fd));
			data += sizeof(fd);
			if (in->fds < VFIO_KEPT_FDS) {
				in->fd[in->fds].fd = fd;
				in->fd[in->fds++].at = at;
			} else {
				close(fd);
				lose_fds(v, at);
			}
		}
	}
}

static void compact(struct vfio_input *in)
{
	struct vfio_buffer *b = &in->buffer;

	if (filled(b) && b->room - b->end >= LEAST_ROOM)
		return;
	memmove(b->data, b->data + b->start, filled(b));
	for (unsigned i = 0; i < in->fds; i++)
		in->fd[i].at -= b->start;
	in->lost_at -= b->start;
	b->end -= b->start;
	b->start = 0;
}

static void receive(struct vfio_user *v)
{
	struct vfio_buffer *b = &v->in.buffer;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(VFIO_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov;
	struct msghdr h = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	ssize_t n;

	compact(&v->in);
	iov = (struct iovec){b->data + b->end, b->room - b->end};
	n = recvmsg(v->watch.fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n > 0) {
		b->end += (size_t)n;
		if (h.msg_controllen || h.msg_flags & MSG_CTRUNC)
			keep_fds(v, &h, b->end - 1);
	} else if (!n) {
		vfio_fail(v, filled(b) ? "it left in the middle of a message" : "it left");
	} else if (errno != EAGAIN && errno != EINTR) {
		vfio_fail(v, "it left (%s)", strerror(errno));
	}
}

/* Descriptors of the message that ends at `end` go to it. */
static void hand_fds_over(struct vfio_input *in, struct vfio_message *m, size_t end)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < in->fds; i++)
		if (in->fd[i].at < end)
			m->fd[m->fds++] = in->fd[i].fd;
		else
			in->fd[kept++] = in->fd[i];
	in->fds = kept;
	if (in->lost && in->lost_at < end) {
		m->fds_lost = true;
		in->lost = false;
	}
}

int vfio_take_fd(struct vfio_message *m, unsigned i)
{
	int fd = m->fd[i];

	m->fd[i] = -1;
	return fd;
}

/* Who does not speak vfio-user at all is told so in its manner, and may know by that where it is. */
static void answer_nonsense(struct vfio_user *v, const uint8_t *header)
{
	const struct vfio_message m = {.id = le16(header), .command = le16(header + 2)};

	if (!v->greeted)
		vfio_answer_error(v, &m, EPROTO);
}

/* The next message, if all of it is there. */
static bool next_message(struct vfio_user *v, struct vfio_message *m)
{
	struct vfio_buffer *b = &v->in.buffer;
	const uint8_t *header = b->data + b->start;
	uint32_t size;

	if (filled(b) < VFIO_HEADER)
		return false;
	size = le32(header + 4);
	m->flags = le32(header + 8);
	if (size < VFIO_HEADER || size > VFIO_MAX_SIZE) {
		vfio_fail(v, "it sent a message of %u bytes; %u to %u are possible", size,
			  VFIO_HEADER, VFIO_MAX_SIZE);
		answer_nonsense(v, header);
		return false;
	}
	if ((m->flags & VFIO_FLAG_TYPE) > VFIO_FLAG_REPLY) {
		vfio_fail(v, "it sent a message that is neither a command nor a reply");
		return false;
	}
	if (filled(b) < size)
		return false;
	m->id = le16(header);
	m->command = le16(header + 2);
	m->error = le32(header + 12);
	m->payload = b->data + b->start + VFIO_HEADER;
	m->length = size - VFIO_HEADER;
	m->fds = 0;
	m->fds_lost = false;
	b->start += size;
	if (v->in.fds || v->in.lost)
		hand_fds_over(&v->in, m, b->start);
	return true;
}

static void handle_messages(struct vfio_user *v)
{
	struct vfio_message m;

	while (!input_held(v) && next_message(v, &m)) {
		v->statistics.messages_in++;
		vfio_handle(v, &m);
		for (unsigned i = 0; i < m.fds; i++)
			if (m.fd[i] >= 0)
				close(m.fd[i]);
	}
}

/* ---------------------------------------------------------------------------------------- turns */

/* Also while nothing is read it is to be seen when the client leaves. */
static void watch(struct vfio_user *v)
{
	uint32_t events = EPOLLRDHUP;

	if (!input_held(v))
		events |= EPOLLIN;
	if (v->out.full)
		events |= EPOLLOUT;
	if (events != v->watched && !loop_watch_change(v->loop, &v->watch, events))
		v->watched = events;
}

void vfio_turn(void *opaque)
{
	struct vfio_user *v = opaque;
	bool again;

	if (v->state != VFIO_CONNECTED && v->state != VFIO_POWERING)
		return;
	do {
		bool held;

		handle_messages(v);
		vfio_look_at_memory(v);
		vfio_dma_send(v);
		held = input_held(v);
		send_all(v);
		again = held && !input_held(v);
	} while (again);
	if (*v->failure)
		vfio_drop(v);
	else
		watch(v);
}

static void ready(void *opaque, uint32_t events)
{
	struct vfio_user *v = opaque;

	if (events & EPOLLOUT)
		v->out.full = false;
	if (!input_held(v) && events & ~EPOLLOUT)
		receive(v);
	else if (events & (EPOLLHUP | EPOLLRDHUP | EPOLLERR))
		vfio_fail(v, "it left");
	vfio_turn(v);
}

void vfio_stream_start(struct vfio_user *v, int fd)
{
	v->turn.run = vfio_turn;
	v->turn.opaque = v;
	v->stall.fired = stalled;
	v->hold_timer.fired = holds_due;
	v->stall.opaque = v->hold_timer.opaque = v;
	v->watch = (struct loop_watch){.fd = fd, .ready = ready, .opaque = v};
	v->watched = EPOLLRDHUP;
	v->in.buffer.room = INPUT_ROOM;
	v->in.buffer.data = malloc(INPUT_ROOM);
	if (!v->in.buffer.data || loop_watch(v->loop, &v->watch, v->watched))
		vfio_fail(v, "out of memory");
	loop_defer(v->loop, &v->turn);
}

void vfio_stream_end(struct vfio_user *v)
{
	loop_unwatch(v->loop, &v->watch);
	loop_timer_cancel(v->loop, &v->stall);
	loop_timer_cancel(v->loop, &v->hold_timer);
	loop_undefer(v->loop, &v->turn);
	if (v->watch.fd >= 0)
		close(v->watch.fd);
	v->watch.fd = -1;
	for (unsigned i = 0; i < v->in.fds; i++)
		close(v->in.fd[i].fd);
	free(v->in.buffer.data);
	memset(&v->in, 0, sizeof(v->in));
	for (unsigned i = 0; i < VFIO_QUEUES; i++)
		free(v->out.queue[i].data);
	memset(&v->out, 0, sizeof(v->out));
	v->hold_first = v->hold_end;
}
