/* SPDX-License-Identifier: GPL-2.0-or-later */
/* buffers.c - aligned buffers for reading. */
#include "buffers.h"
#include "cleanup.h"

#include <sys/mman.h>

/* The link lies in the free buffer itself. */
struct buffer {
	struct buffer *next;
};

void buffers_init(struct buffers *pool)
{
	*pool = (struct buffers){ .lock = PTHREAD_MUTEX_INITIALIZER };
}

void buffers_free(struct buffers *pool)
{
	while (pool->free) {
		struct buffer *next = pool->free->next;

		munmap(pool->free, BUFFER_SIZE);
		pool->free = next;
	}
}

void *buffer_get(struct buffers *pool)
{
	void *fresh;

	{
		LOCK_SCOPE(&pool->lock);
		struct buffer *buffer = pool->free;

		if (buffer) {
			pool->free = buffer->next;
			return buffer;
		}
	}
	/* Pages that no request reaches are never there. */
	fresh = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return fresh == MAP_FAILED ? NULL : fresh;
}

void buffer_put(struct buffers *pool, void *pointer)
{
	struct buffer *buffer = pointer;

	LOCK_SCOPE(&pool->lock);
	buffer->next = pool->free;
	pool->free = buffer;
}
