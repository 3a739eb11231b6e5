/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.c - a storage in memory, for tests and for images that are made to be sent elsewhere.
 *
 * Content is in pieces of 4 KiB, which are the leaves of a tree; what was never written has none.
 * Clones share nodes: one that has several owners is copied before it is changed.
 *
 *	root (level 1) -+- node (level 0) -+- piece
 *	                |                  `- piece
 *	                `- (nothing: 1 MiB of zeros)
 *
 * Bytes of a piece past the size are zeros always, so growing needs no clearing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "internal.h"
#include "memory.h"

#define PIECE_BITS 12
#define PIECE_SIZE (1u << PIECE_BITS)
#define NODE_BITS 8
#define NODE_SLOTS (1u << NODE_BITS)
#define ALIGN_MAX 4096u
#define LEVEL_MAX ((64 - PIECE_BITS - 1) / NODE_BITS)	/* of the root: there it covers all */

/* Begins every node and piece. A node of level 0 holds pieces, of level n nodes of level n - 1. */
struct shared {
	_Atomic unsigned owners;
};

struct piece {
	struct shared shared;
	uint8_t data[PIECE_SIZE];
};

struct node {
	struct shared shared;
	struct shared *slot[NODE_SLOTS];
};

struct memory {
	struct vd_storage base;
	pthread_rwlock_t lock;		/* of all below and what hangs there */
	uint64_t size;
	unsigned level;			/* the root's */
	struct node *root;		/* NULL: all is zeros */
};

static const struct vd_storage_ops memory_ops;

static struct memory *memory_of(struct vd_storage *s)
{
	return (struct memory *)s;
}

/* How many bytes a slot of a node of this level stands for. */
static uint64_t slot_bytes(unsigned level)
{
	return (uint64_t)PIECE_SIZE << (NODE_BITS * level);
}

static bool covers(unsigned level, uint64_t offset)
{
	return level >= LEVEL_MAX || offset < slot_bytes(level + 1);
}

/* `height`: 0 for a piece, else one more than the node's level. */
static void release(struct shared *shared, unsigned height)
{
	struct node *node = (struct node *)shared;

	if (!shared || atomic_fetch_sub(&shared->owners, 1) > 1)
		return;
	if (height > 0)
		for (unsigned i = 0; i < NODE_SLOTS; i++)
			release(node->slot[i], height - 1);
	free(shared);
}

/* Makes what the slot points to ours alone, and there at all. */
static int own(struct shared **slot, unsigned height)
{
	size_t size = height == 0 ? sizeof(struct piece) : sizeof(struct node);
	struct shared *old = *slot, *copy;

	if (old && atomic_load(&old->owners) == 1)
		return 0;
	copy = old ? malloc(size) : calloc(1, size);
	if (!copy)
		return -ENOMEM;
	if (old && height == 0) {
		memcpy(((struct piece *)copy)->data, ((struct piece *)old)->data, PIECE_SIZE);
	} else if (old) {
		for (unsigned i = 0; i < NODE_SLOTS; i++) {
			struct shared *below = ((struct node *)old)->slot[i];

			((struct node *)copy)->slot[i] = below;
			if (below)
				atomic_fetch_add(&below->owners, 1);
		}
	}
	atomic_init(&copy->owners, 1);
	release(old, height);
	*slot = copy;
	return 0;
}

static int own_root(struct memory *m, unsigned level)
{
	struct shared *root = (struct shared *)m->root;
	int err = own(&root, level + 1);

	m->root = (struct node *)root;
	return err;
}

/* The piece that holds `offset`, or NULL where there is none. */
static const struct piece *find(const struct memory *m, uint64_t offset)
{
	const struct shared *at = (const struct shared *)m->root;

	if (!covers(m->level, offset))
		return NULL;
	for (unsigned level = m->level + 1; at && level-- > 0;)
		at = ((const struct node *)at)->slot[offset / slot_bytes(level) % NODE_SLOTS];
	return (const struct piece *)at;
}

/* The same to be written: it is made, and the tree made higher, as needed. */
static int find_own(struct memory *m, uint64_t offset, struct piece **out)
{
	struct node *node;
	int err;

	while (!covers(m->level, offset)) {
		struct node *above = m->root;

		if (above) {
			above = calloc(1, sizeof(*above));
			if (!above)
				return -ENOMEM;
			atomic_init(&above->shared.owners, 1);
			above->slot[0] = &m->root->shared;
		}
		m->root = above;
		m->level++;
	}
	err = own_root(m, m->level);
	if (err < 0)
		return err;
	node = m->root;
	for (unsigned level = m->level;; level--) {
		struct shared **slot = &node->slot[offset / slot_bytes(level) % NODE_SLOTS];

		err = own(slot, level);
		if (err < 0)
			return err;
		if (level == 0) {
			*out = (struct piece *)*slot;
			return 0;
		}
		node = (struct node *)*slot;
	}
}

/* Makes [from, to) zeros below a node that is ours alone and begins at `base`. */
static int clear(struct node *node, unsigned level, uint64_t base, uint64_t from, uint64_t to)
{
	const uint64_t step = slot_bytes(level);
	uint64_t at;
	int err;

	for (unsigned i = from <= base ? 0 : (from - base) / step; i < NODE_SLOTS; i++) {
		at = base + i * step;
		if (at >= to)
			break;
		if (!node->slot[i])
			continue;
		if (from <= at && to - at >= step) {
			release(node->slot[i], level);
			node->slot[i] = NULL;
			continue;
		}
		err = own(&node->slot[i], level);
		if (err < 0)
			return err;
		if (level > 0) {
			err = clear((struct node *)node->slot[i], level - 1, at, from, to);
			if (err < 0)
				return err;
		} else {
			uint64_t first = from > at ? from - at : 0;
			uint64_t last = to - at < step ? to - at : step;

			memset(((struct piece *)node->slot[i])->data + first, 0, last - first);
		}
	}
	return 0;
}

static int clear_range(struct memory *m, uint64_t from, uint64_t to)
{
	int err;

	if (!m->root || from >= to)
		return 0;
	/* The last piece may go as a whole. */
	if (to == m->size)
		to = div_up(to, PIECE_SIZE) * PIECE_SIZE;
	err = own_root(m, m->level);
	return err < 0 ? err : clear(m->root, m->level, 0, from, to);
}

static int memory_preadv(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	struct memory *m = memory_of(s);
	int err = 0;

	pthread_rwlock_rdlock(&m->lock);
	if (offset + storage_iov_length(iov, n) > m->size)
		err = -EINVAL;
	for (int i = 0; i < n && err == 0; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left > 0) {
			const struct piece *piece = find(m, offset);
			uint32_t at = offset % PIECE_SIZE;
			size_t part = left < PIECE_SIZE - at ? left : PIECE_SIZE - at;

			if (piece)
				memcpy(to, piece->data + at, part);
			else
				memset(to, 0, part);
			to += part;
			left -= part;
			offset += part;
		}
	}
	pthread_rwlock_unlock(&m->lock);
	return err;
}

static int memory_write_locked(struct memory *m, const uint8_t *from, size_t left, uint64_t offset)
{
	while (left > 0) {
		uint32_t at = offset % PIECE_SIZE;
		size_t part = left < PIECE_SIZE - at ? left : PIECE_SIZE - at;
		struct piece *piece;
		int err = find_own(m, offset, &piece);

		if (err < 0)
			return err;
		memcpy(piece->data + at, from, part);
		from += part;
		left -= part;
		offset += part;
		if (m->size < offset)
			m->size = offset;
	}
	return 0;
}

static int memory_pwritev(struct vd_storage *s, const struct iovec *iov, int n, uint64_t offset)
{
	struct memory *m = memory_of(s);
	int err = 0;

	pthread_rwlock_wrlock(&m->lock);
	for (int i = 0; i < n && err == 0; i++) {
		err = memory_write_locked(m, iov[i].iov_base, iov[i].iov_len, offset);
		offset += iov[i].iov_len;
	}
	pthread_rwlock_unlock(&m->lock);
	return err;
}

static int memory_truncate(struct vd_storage *s, uint64_t size)
{
	struct memory *m = memory_of(s);
	int err = 0;

	pthread_rwlock_wrlock(&m->lock);
	if (size < m->size)
		err = clear_range(m, size, m->size);
	if (err == 0)
		m->size = size;
	pthread_rwlock_unlock(&m->lock);
	return err;
}

static int memory_punch(struct vd_storage *s, uint64_t offset, uint64_t length)
{
	struct memory *m = memory_of(s);
	int err;

	pthread_rwlock_wrlock(&m->lock);
	err = clear_range(m, offset, offset + length);
	pthread_rwlock_unlock(&m->lock);
	return err;
}

static int memory_size(struct vd_storage *s, uint64_t *size)
{
	struct memory *m = memory_of(s);

	pthread_rwlock_rdlock(&m->lock);
	*size = m->size;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

/* Where, from `from` on and before `to`, a piece is there (or not); `to` if nowhere. */
static uint64_t seek(const struct node *node, unsigned level, uint64_t base, uint64_t from,
		     uint64_t to, bool there)
{
	const uint64_t step = slot_bytes(level);

	for (unsigned i = from <= base ? 0 : (from - base) / step; i < NODE_SLOTS; i++) {
		uint64_t at = base + i * step, end = at + step < to ? at + step : to, found;
		const struct shared *below = node->slot[i];

		if (at >= to)
			return to;
		if (at < from)
			at = from;
		if (!below || level == 0) {
			if (!!below == there)
				return at;
			continue;
		}
		found = seek((const struct node *)below, level - 1, base + i * step, from, end,
			     there);
		if (found < end)
			return found;
	}
	return to;
}

static int memory_extent(struct vd_storage *s, uint64_t offset, uint64_t limit, bool *data,
			 uint64_t *length)
{
	struct memory *m = memory_of(s);
	uint64_t end = offset + limit, reach, next = end;

	pthread_rwlock_rdlock(&m->lock);
	*data = find(m, offset) != NULL;
	if (m->root && covers(m->level, offset)) {
		reach = m->level >= LEVEL_MAX ? UINT64_MAX : slot_bytes(m->level + 1);
		next = seek(m->root, m->level, 0, offset, end < reach ? end : reach, !*data);
		/* Past what the tree reaches is a hole. */
		if (!*data && next == reach)
			next = end;
	}
	pthread_rwlock_unlock(&m->lock);
	*length = next - offset;
	return 0;
}

static uint64_t count_pieces(const struct shared *shared, unsigned height)
{
	uint64_t sum = 0;

	if (!shared || height == 0)
		return shared != NULL;
	for (unsigned i = 0; i < NODE_SLOTS; i++)
		sum += count_pieces(((const struct node *)shared)->slot[i], height - 1);
	return sum;
}

static int memory_allocated(struct vd_storage *s, uint64_t *bytes)
{
	struct memory *m = memory_of(s);

	pthread_rwlock_rdlock(&m->lock);
	*bytes = count_pieces((struct shared *)m->root, m->level + 1) * PIECE_SIZE;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static void memory_close(struct vd_storage *s)
{
	struct memory *m = memory_of(s);

	release((struct shared *)m->root, m->level + 1);
	pthread_rwlock_destroy(&m->lock);
	free(s->path);
	free(m);
}

static const struct vd_storage_ops memory_ops = {
	.name = "memory",
	.preadv = memory_preadv,
	.pwritev = memory_pwritev,
	.truncate = memory_truncate,
	.punch = memory_punch,
	.size = memory_size,
	.extent = memory_extent,
	.allocated = memory_allocated,
	.close = memory_close,
};

int storage_open_memory(uint64_t size, uint32_t align, struct vd_storage **out)
{
	struct memory *m;

	if (align == 0 || align > ALIGN_MAX || (align & (align - 1)) || size & (align - 1))
		return -EINVAL;
	if (size > INT64_MAX)
		return -EFBIG;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->base.ops = &memory_ops;
	m->base.align = align;
	m->base.writable = true;
	m->base.path = strdup("memory");
	m->size = size;
	pthread_rwlock_init(&m->lock, NULL);
	if (!m->base.path) {
		memory_close(&m->base);
		return -ENOMEM;
	}
	*out = &m->base;
	return 0;
}

int storage_memory_clone(struct vd_storage *s, struct vd_storage **out)
{
	struct memory *m = memory_of(s), *copy;
	int err;

	if (s->ops != &memory_ops)
		return -EINVAL;
	err = storage_open_memory(0, s->align, out);
	if (err < 0)
		return err;
	copy = memory_of(*out);
	pthread_rwlock_wrlock(&m->lock);
	copy->size = m->size;
	copy->level = m->level;
	copy->root = m->root;
	if (m->root)
		atomic_fetch_add(&m->root->shared.owners, 1);
	pthread_rwlock_unlock(&m->lock);
	return 0;
}
