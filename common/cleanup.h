/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cleanup.h - give back what a function holds, on every way out of it.
 *
 *	CLEANUP_FREE char *name = NULL;		free(name)
 *	CLEANUP_CLOSE int fd = -1;		close(fd) unless negative
 *	LOCK_SCOPE(&disk->lock);		unlocked where the enclosing block ends
 *
 * A variable marked so must be initialised where it is declared. To hand its content on, take it:
 * return TAKE_PTR(name), return TAKE_FD(fd). errno survives.
 */
#ifndef CLEANUP_H
#define CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP_FREE __attribute__((cleanup(cleanup_free)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close)))

#define LOCK_SCOPE(mutex) LOCK_SCOPE_NAMED(mutex, __LINE__)
#define LOCK_SCOPE_NAMED(mutex, line) LOCK_SCOPE_VARIABLE(mutex, line)
#define LOCK_SCOPE_VARIABLE(mutex, line)						\
	__attribute__((cleanup(cleanup_unlock), unused))				\
	pthread_mutex_t *lock_scope_##line = cleanup_lock(mutex)

#define TAKE_PTR(pointer)					\
	({							\
		__typeof__(pointer) taken_ = (pointer);		\
		(pointer) = NULL;				\
		taken_;						\
	})

#define TAKE_FD(fd)						\
	({							\
		int taken_ = (fd);				\
		(fd) = -1;					\
		taken_;						\
	})

static inline void cleanup_free(void *variable)
{
	int saved = errno;

	free(*(void **)variable);
	errno = saved;
}

static inline void cleanup_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

/* A mutex that cannot be taken is a bug of ours: going on would corrupt. */
static inline pthread_mutex_t *cleanup_lock(pthread_mutex_t *mutex)
{
	if (pthread_mutex_lock(mutex))
		abort();
	return mutex;
}

static inline void cleanup_unlock(pthread_mutex_t **mutex)
{
	if (pthread_mutex_unlock(*mutex))
		abort();
}

#endif
