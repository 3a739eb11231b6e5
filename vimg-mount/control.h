/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control.h - how a mount is told to end, and tells how it ended.
 *
 * The server listens on an abstract socket that is named after its user and the mount's device
 * number. `vimg-mount -u` connects, unmounts, and then reads until the server closes the
 * connection, which it does once the image is closed: "ok", or why the last flush failed. A
 * connection has no other meaning. Connections of other users are dropped, except root's.
 *
 * The same thread takes SIGHUP, SIGINT and SIGTERM, which are blocked in every other.
 */
#ifndef CONTROL_H
#define CONTROL_H

#include "mounts.h"

#include <pthread.h>
#include <stddef.h>

#define CONTROL_OK "ok"

struct control {
	pthread_t thread, main_thread;
	int signals, listener, wake;	/* descriptors: signalfd, socket, eventfd */
	int *clients;
	size_t client_count;

	pthread_mutex_t lock;
	void (*end)(void *opaque);	/* under the lock: called at a signal; NULL: just leave */
	void *opaque;
	bool kick, stop;		/* under the lock */
};

/* Blocks the signals and begins to wait for them. To be called before other threads are made, in
 * the thread that will serve. 0 or -errno. */
int control_start(struct control *c);

/* From now on a signal calls `end`, and then interrupts what this thread waits for, until
 * control_serving(c, NULL, NULL). */
void control_serving(struct control *c, void (*end)(void *opaque), void *opaque);

/* Listens for those who want to know how it ends. Failing only means that nobody can ask. */
void control_listen(struct control *c, const struct mount_entry *mount);

/* No more signals, no more connections. */
void control_stop(struct control *c);

/* Tells all who asked, and hangs up. NULL: all went well. */
void control_report(struct control *c, const char *failure);

/* For the other side: a connection, or -errno. */
int control_connect(const struct mount_entry *mount);

#endif
