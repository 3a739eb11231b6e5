/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* rangelock.c - see rangelock.h. A list: as many are held as writers are allocating. */
#include "core/rangelock.h"

#include <stdbool.h>

void rangelocks_init(struct rangelocks *r)
{
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->released, NULL);
	r->held = NULL;
}

void rangelocks_free(struct rangelocks *r)
{
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->released);
}

static bool overlaps_held(const struct rangelocks *r, const struct rangelock *l)
{
	for (const struct rangelock *h = r->held; h; h = h->next)
		if (l->start < h->end && h->start < l->end)
			return true;
	return false;
}

void range_lock(struct rangelocks *r, struct rangelock *l, uint64_t start, uint64_t end)
{
	l->start = start;
	l->end = end;
	pthread_mutex_lock(&r->mutex);
	while (overlaps_held(r, l))
		pthread_cond_wait(&r->released, &r->mutex);
	l->next = r->held;
	r->held = l;
	pthread_mutex_unlock(&r->mutex);
}

void range_unlock(struct rangelocks *r, struct rangelock *l)
{
	struct rangelock **p;

	pthread_mutex_lock(&r->mutex);
	for (p = &r->held; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	pthread_cond_broadcast(&r->released);
	pthread_mutex_unlock(&r->mutex);
}
