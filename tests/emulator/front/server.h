/* SPDX-License-Identifier: GPL-2.0-or-later */
/* server.h - a controller on a socket with a thread of its own, for tests. */
#ifndef VIMG_TEST_SERVER_H
#define VIMG_TEST_SERVER_H

#include <pthread.h>
#include <semaphore.h>

#include "device/medium.h"
#include "front/vfio_user.h"

struct server {
	char *path;
	struct loop *loop;
	struct controller *c;
	struct vfio_user *v;
	struct events *events;
	pthread_t thread;
	unsigned drives;
	struct device *drive[8];

	/* What happened; read by server_saw(). */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char log[16384];
	unsigned power_ons, power_offs;

	/* Set before the start, or with server_call. */
	struct vfio_user_callbacks callbacks;	/* the default counts, and goes on */
	unsigned answer_ms, stall_ms;	/* 0: as they are */
};

/* Zeroed, or with what is to be set. Type: "nvme" and the like, or NULL for the toy. */
void server_new(struct server *s, const char *type);
/* A drive with that disk; before the start. */
void server_attach(struct server *s, struct vd_disk *disk);
void server_start(struct server *s);
/* Runs it in the server's thread, and waits until it has. */
void server_call(struct server *s, void (*run)(void *opaque), void *opaque);
/* Within 10 s: is this word in the log of events ("name: text" lines)? How often is it now? */
bool server_saw(struct server *s, const char *word);
unsigned server_count(struct server *s, const char *word);
/* Waits until so many clients have come and gone altogether. */
void server_await_power_offs(struct server *s, unsigned n);
struct vfio_user_statistics server_statistics(struct server *s);
/* Stops it in order, and frees all. */
void server_stop(struct server *s);

#endif
