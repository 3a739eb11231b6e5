/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user.h - a controller on a socket, for virtual machine monitors that speak vfio-user
 * (protocol 0.0 as in QEMU's docs/interop/vfio-user.rst, server's side).
 *
 * One socket serves one controller to one client at a time. A new connection is the guest's
 * power-on, a lost one its power-off: I/O is ended and made durable, the controller brought to its
 * power-on state, and the socket listens again.
 *
 * Threads     All calls and callbacks in the controller's thread, before its loop runs, or posted.
 */
#ifndef VIMG_VFIO_USER_H
#define VIMG_VFIO_USER_H

#include "controllers/controller.h"
#include "core/events.h"

struct vfio_user;

struct vfio_user_callbacks {
	/* A client came; before its first message is read. It goes on when vfio_user_power_on() is
	 * called, perhaps from within: an immutable disk is made afresh in the meantime. NULL: goes
	 * on at once. */
	void (*power_on)(void *opaque);
	/* The client is gone and everything is quiesced, reset and flushed. Only after a
	 * vfio_user_power_on(v, 0). May be NULL. */
	void (*power_off)(void *opaque);
	void *opaque;
};

/* Takes listen_fd over, of socket_listen(). */
int vfio_user_new(struct controller *c, int listen_fd, const struct vfio_user_callbacks *callbacks,
		  struct events *events, struct vfio_user **out, struct vd_error *err);
/* status 0, or why not: then the client is dropped. */
void vfio_user_power_on(struct vfio_user *v, int status);
/* Drops the client as if it had left, and listens no more; done() is called from the loop when all
 * is flushed. Not from within a callback. */
void vfio_user_stop(struct vfio_user *v, void (*done)(void *opaque), void *opaque);
void vfio_user_free(struct vfio_user *v);	/* after stop, or never started */

/* A client whose connection was made by other means: tests, fuzzers. Takes the socket over. -EBUSY
 * while there is a client. Where all clients come so, listen_fd may be -1. */
int vfio_user_adopt(struct vfio_user *v, int fd);
/* Other time limits, for tests: when an answer to a reset or an unmap is due whatever happens (4 s),
 * and for how long a client may leave its answers unread (10 s). */
void vfio_user_set_limits(struct vfio_user *v, unsigned answer_ms, unsigned stall_ms);

/* Messages since it was made: for status and tests. */
struct vfio_user_statistics {
	uint64_t connections;
	uint64_t posted, synchronous;	/* register accesses without and with an answer */
	uint64_t messages_in, messages_out, interrupts;
};
void vfio_user_get_statistics(const struct vfio_user *v, struct vfio_user_statistics *out);

#endif
