/* SPDX-License-Identifier: GPL-2.0-or-later */
/* coherence.c - answers writes, after the kernel has dropped the same bytes of other nodes. */
#include "coherence.h"
#include "cleanup.h"

#include <errno.h>

static void give(const struct answer *a)
{
	if (!a->request)
		return;
	if (a->error || !a->is_write)
		fuse_reply_err(a->request, a->error);
	else
		fuse_reply_write(a->request, a->length);
}

/* A failure means that the kernel has nothing of that node, or is gone. */
static void invalidate_others(struct coherence *c, const struct answer *a)
{
	struct tree *tree = c->tree;
	uint64_t offset, length;

	for (size_t i = 0; i < tree->count; i++)
		if (&tree->node[i] != a->node &&
		    node_shadow(&tree->node[i], a->node->offset + a->offset, a->length, &offset,
				&length))
			fuse_lowlevel_notify_inval_inode(c->session, tree_ino(tree, &tree->node[i]),
							 offset, length);
}

static struct answer *next_answer(struct coherence *c)
{
	struct answer *a;

	LOCK_SCOPE(&c->lock);
	c->busy = false;
	while (!c->first && !c->stop) {
		pthread_cond_broadcast(&c->changed);
		pthread_cond_wait(&c->changed, &c->lock);
	}
	a = c->first;
	if (!a)
		return NULL;
	c->first = a->next;
	if (!c->first)
		c->last = &c->first;
	c->busy = true;
	return a;
}

static void given(struct coherence *c, const struct answer *a)
{
	LOCK_SCOPE(&c->lock);
	c->waiting -= !!a->request;
}

static void *coherence_thread(void *opaque)
{
	struct coherence *c = opaque;
	struct answer *a;

	while ((a = next_answer(c))) {
		invalidate_others(c, a);
		give(a);
		given(c, a);
		free(a);
	}
	return NULL;
}

int coherence_start(struct coherence *c, struct tree *tree, struct fuse_session *session)
{
	int status;

	*c = (struct coherence){
		.tree = tree,
		.session = session,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.last = &c->first,
	};
	/* One node, or no writes: nothing can disagree. */
	if (!tree->rw || tree->count < 2)
		return 0;
	status = pthread_create(&c->thread, NULL, coherence_thread, c);
	c->running = !status;
	return -status;
}

void coherence_limit(struct coherence *c, unsigned background)
{
	LOCK_SCOPE(&c->lock);
	c->most = background / 2;
}

/* False where nothing is invalidated any more. *early: it is to be answered by the caller. */
static bool enqueue(struct coherence *c, struct answer *a, bool *early)
{
	LOCK_SCOPE(&c->lock);
	*early = c->bypass || c->waiting >= c->most;
	if (c->bypass)
		return false;
	if (*early)
		a->request = NULL;
	else
		c->waiting++;
	*c->last = a;
	c->last = &a->next;
	pthread_cond_broadcast(&c->changed);
	return true;
}

void coherence_answer(struct coherence *c, const struct answer *answer)
{
	struct answer *a;
	bool early;

	/* Also after an error: what is on the disk then is unknown. */
	if (!tree_written(c->tree, answer->node, answer->node->offset + answer->offset,
			  answer->length) || !c->running) {
		give(answer);
		return;
	}
	a = malloc(sizeof(*a));
	if (!a) {
		fuse_reply_err(answer->request, ENOMEM);
		return;
	}
	*a = *answer;
	a->next = NULL;
	if (!enqueue(c, a, &early))
		free(a);
	if (early)
		give(answer);
}

void coherence_drain(struct coherence *c)
{
	if (!c->running)
		return;
	LOCK_SCOPE(&c->lock);
	c->bypass = true;
	while (c->first || c->busy)
		pthread_cond_wait(&c->changed, &c->lock);
}

void coherence_stop(struct coherence *c)
{
	if (!c->running)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->running = false;
}
