/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buffers.h - aligned buffers for reading, as many as there are requests at a time. The last one
 * given back is the next one given out, so a mount that is read by one program keeps to one buffer,
 * which stays in the processor's cache.
 */
#ifndef BUFFERS_H
#define BUFFERS_H

#include <pthread.h>
#include <stddef.h>

#define BUFFER_SIZE (1u << 20)	/* the longest request we agree to with the kernel */

struct buffers {
	pthread_mutex_t lock;
	struct buffer *free;
};

void buffers_init(struct buffers *pool);
void buffers_free(struct buffers *pool);
/* BUFFER_SIZE bytes, or NULL. */
void *buffer_get(struct buffers *pool);
void buffer_put(struct buffers *pool, void *buffer);

#endif
