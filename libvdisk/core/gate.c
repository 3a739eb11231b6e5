/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate.c - see gate.h. */
#include "core/gate.h"

#include "cleanup.h"

#define GATE_SHUT (1u << 31)

void gate_init(struct gate *g)
{
	g->inside = 0;
	g->shut = false;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
}

void gate_free(struct gate *g)
{
	pthread_mutex_destroy(&g->lock);
	pthread_cond_destroy(&g->changed);
}

void gate_leave(struct gate *g)
{
	if (__atomic_fetch_sub(&g->inside, 1, __ATOMIC_SEQ_CST) != (GATE_SHUT | 1))
		return;
	LOCK_SCOPE(&g->lock);
	pthread_cond_broadcast(&g->changed);
}

bool gate_try_enter(struct gate *g)
{
	if (!(__atomic_fetch_add(&g->inside, 1, __ATOMIC_SEQ_CST) & GATE_SHUT))
		return true;
	gate_leave(g);
	return false;
}

void gate_enter(struct gate *g)
{
	while (!gate_try_enter(g)) {
		LOCK_SCOPE(&g->lock);
		while (g->shut)
			pthread_cond_wait(&g->changed, &g->lock);
	}
}

void gate_shut(struct gate *g)
{
	LOCK_SCOPE(&g->lock);
	while (g->shut)
		pthread_cond_wait(&g->changed, &g->lock);
	g->shut = true;
	__atomic_fetch_or(&g->inside, GATE_SHUT, __ATOMIC_SEQ_CST);
}

void gate_await(struct gate *g)
{
	LOCK_SCOPE(&g->lock);
	while (__atomic_load_n(&g->inside, __ATOMIC_SEQ_CST) != GATE_SHUT)
		pthread_cond_wait(&g->changed, &g->lock);
}

void gate_open(struct gate *g)
{
	LOCK_SCOPE(&g->lock);
	__atomic_fetch_and(&g->inside, ~GATE_SHUT, __ATOMIC_SEQ_CST);
	g->shut = false;
	pthread_cond_broadcast(&g->changed);
}
