/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - see memory.h. Regions are kept sorted in an array; the one found last is asked first,
 * since a guest's rings and buffers mostly lie in one or two of them.
 *
 *	memory --> region ... in the array: can be found; lives on while it is pinned
 *	  +-> left: those that are pinned, but not in the array any more
 */
#include "core/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "checked.h"
#include "core/mapping.h"

#define PAGE 4096u
#define MAX_REGIONS 65536u

struct memory_region {
	struct guest_memory *memory;
	struct memory_region *next_left, **left;	/* NULL: it is in the array */
	uint64_t address, size;
	struct mapping mapping;		/* none: remote */
	unsigned access;
	unsigned pins;			/* and 1 while it is in the memory's array */
	struct memory_remote remote;
	struct unmapping *unmapping;
};

/* One call of memory_unmap that waits for pins. */
struct unmapping {
	unsigned waiting;
	void (*done)(void *opaque);
	void *opaque;
};

struct guest_memory {
	struct memory_region **region;	/* sorted by address */
	unsigned count, room;
	struct memory_region *last;	/* found last, or NULL */
	struct memory_region *left;
	struct mapping_files files;
	unsigned breaks;		/* mapping_breaks() when no region was broken */
	struct memory_remote remote;
	bool missed;			/* remote memory, where it must be mapped */
};

void memory_catch_sigbus(void)
{
	mapping_catch_sigbus();
}

bool memory_broken(struct guest_memory *m)
{
	unsigned breaks = mapping_breaks();

	/* Asked in every round, so the regions are looked at only after something broke. */
	if (m->breaks == breaks)
		return false;
	for (unsigned i = 0; i < m->count; i++)
		if (mapping_is_broken(&m->region[i]->mapping))
			return true;
	m->breaks = breaks;
	return false;
}

/* ----------------------------------------------------------------------------------- regions */

int memory_new(struct guest_memory **out)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	(*out)->breaks = mapping_breaks();
	return 0;
}

void memory_free(struct guest_memory *m)
{
	if (!m)
		return;
	memory_unmap_all(m, NULL, NULL);
	free(m->region);
	free(m);
}

void memory_set_remote(struct guest_memory *m, const struct memory_remote *remote)
{
	m->remote = *remote;
}

static void region_free(struct memory_region *r)
{
	if (r->left) {
		*r->left = r->next_left;
		if (r->next_left)
			r->next_left->left = r->left;
	}
	mapping_free(&r->mapping, &r->memory->files);
	free(r);
}

/* The first region that ends after the address: its index, or count. */
static unsigned find(const struct guest_memory *m, uint64_t address)
{
	unsigned low = 0, high = m->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		const struct memory_region *r = m->region[middle];

		if (r->address + (r->size - 1) < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct memory_region *lookup(struct guest_memory *m, uint64_t address)
{
	struct memory_region *r = m->last;
	unsigned i;

	if (r && address - r->address < r->size)
		return r;
	i = find(m, address);
	if (i == m->count || m->region[i]->address > address)
		return NULL;
	m->last = m->region[i];
	return m->last;
}

static int map_file(struct memory_region *r, int fd, uint64_t fd_offset)
{
	int protection = (r->access & MEMORY_READ ? PROT_READ : 0) |
			 (r->access & MEMORY_WRITE ? PROT_READ | PROT_WRITE : 0);

	return mapping_make(&r->mapping, &r->memory->files, fd, fd_offset, r->size, protection);
}

static int make_room(struct guest_memory *m)
{
	unsigned room = m->room ? m->room * 2 : 16;
	struct memory_region **grown;

	if (m->count < m->room)
		return 0;
	if (m->count >= MAX_REGIONS)
		return -ENOSPC;
	grown = reallocarray(m->region, room, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	m->region = grown;
	m->room = room;
	return 0;
}

static int check_region(const struct guest_memory *m, uint64_t address, uint64_t size,
			uint64_t fd_offset, unsigned *index)
{
	uint64_t end;

	if (!size || size % PAGE || address % PAGE || fd_offset % PAGE ||
	    !add_u64(address, size - 1, &end) || !add_u64(fd_offset, size, &end) ||
	    end > INT64_MAX)
		return -EINVAL;
	*index = find(m, address);
	if (*index < m->count && m->region[*index]->address <= address + (size - 1))
		return -EEXIST;
	return 0;
}

int memory_map(struct guest_memory *m, uint64_t address, uint64_t size, int fd, uint64_t fd_offset,
	       unsigned access)
{
	struct memory_region *r;
	unsigned index = 0;
	int status = check_region(m, address, size, fd < 0 ? 0 : fd_offset, &index);

	if (!status)
		status = make_room(m);
	if (status)
		return status;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct memory_region){
		.memory = m, .address = address, .size = size, .access = access, .pins = 1,
		.remote = m->remote,
	};
	if (fd >= 0 && access)
		status = map_file(r, fd, fd_offset);
	if (status) {
		region_free(r);
		return status;
	}
	memmove(m->region + index + 1, m->region + index, (m->count - index) * sizeof(r));
	m->region[index] = r;
	m->count++;
	return 0;
}

void memory_unpin(struct memory_region *r)
{
	struct unmapping *u = r->unmapping;

	if (--r->pins)
		return;
	region_free(r);
	if (u && !--u->waiting) {
		if (u->done)
			u->done(u->opaque);
		free(u);
	}
}

/* It cannot be found any more; nor are messages sent for those who still have it. */
static void leave_array(struct memory_region *r)
{
	struct guest_memory *m = r->memory;

	r->remote = (struct memory_remote){0};
	r->left = &m->left;
	r->next_left = m->left;
	if (m->left)
		m->left->left = &r->next_left;
	m->left = r;
	memory_unpin(r);
}

/* Takes `count` regions from `first` on out of the array. */
static int unpublish(struct guest_memory *m, unsigned first, unsigned count,
		     void (*done)(void *opaque), void *opaque)
{
	struct memory_region *gone[64];
	struct unmapping *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	*u = (struct unmapping){.waiting = 1, .done = done, .opaque = opaque};
	m->last = NULL;
	while (count) {
		unsigned n = count < ARRAY_SIZE(gone) ? count : ARRAY_SIZE(gone);

		memcpy(gone, m->region + first, n * sizeof(*gone));
		memmove(m->region + first, m->region + first + n,
			(m->count - first - n) * sizeof(*gone));
		m->count -= n;
		count -= n;
		for (unsigned i = 0; i < n; i++) {
			gone[i]->unmapping = u;
			u->waiting++;
			leave_array(gone[i]);
		}
	}
	if (!--u->waiting) {
		if (done)
			done(opaque);
		free(u);
	}
	return 0;
}

int memory_unmap(struct guest_memory *m, uint64_t address, uint64_t size,
		 void (*done)(void *opaque), void *opaque)
{
	unsigned first = find(m, address), last;
	uint64_t end;

	if (!size || !add_u64(address, size - 1, &end))
		return -EINVAL;
	for (last = first; last < m->count && m->region[last]->address <= end; last++)
		if (m->region[last]->address < address ||
		    m->region[last]->address + (m->region[last]->size - 1) > end)
			return -EINVAL;
	if (first == last)
		return -ENOENT;
	return unpublish(m, first, last - first, done, opaque);
}

void memory_unmap_all(struct guest_memory *m, void (*done)(void *opaque), void *opaque)
{
	/* Without memory for the account the caller is told at once: what is pinned lives on. */
	if (unpublish(m, 0, m->count, done, opaque)) {
		for (unsigned i = 0; i < m->count; i++) {
			leave_array(m->region[i]);
		}
		m->count = 0;
		m->last = NULL;
		if (done)
			done(opaque);
	}
}

/* ------------------------------------------------------------------------------------ late I/O */

static void make_private(struct memory_region *r)
{
	if (r->access & MEMORY_WRITE)
		mapping_make_private(&r->mapping);
}

void memory_forget(struct guest_memory *m, const void *opaque)
{
	for (struct memory_region *r = m->left; r; r = r->next_left)
		if (r->unmapping && r->unmapping->opaque == opaque)
			make_private(r);
}

/* A region in its place in the array that is the same but for its pins; the old one leaves. */
static void renew(struct guest_memory *m, unsigned i)
{
	struct memory_region *old = m->region[i], *new = malloc(sizeof(*new));

	if (!new)
		return;
	*new = *old;
	new->pins = 1;
	if (mapping_again(&new->mapping, &old->mapping)) {
		free(new);
		return;
	}
	m->region[i] = new;
	m->last = NULL;
	leave_array(old);
}

void memory_forget_all(struct guest_memory *m)
{
	for (unsigned i = 0; i < m->count; i++)
		if (m->region[i]->pins > 1 && m->region[i]->mapping.at)
			renew(m, i);
	for (struct memory_region *r = m->left; r; r = r->next_left)
		make_private(r);
}

/* ------------------------------------------------------------------------------------- access */

static bool allowed(const struct memory_region *r, unsigned access)
{
	return (r->access & access) == access;
}

/* Walks the regions of a range; false where there is a gap or no such access. */
bool memory_reachable(struct guest_memory *m, uint64_t address, uint64_t length, unsigned access)
{
	while (length) {
		struct memory_region *r = lookup(m, address);
		uint64_t n;

		if (!r || !allowed(r, access))
			return false;
		n = min_u64(length, r->size - (address - r->address));
		address += n;
		length -= n;
		if (length && !address)
			return false;
	}
	return true;
}

bool memory_is_remote(struct guest_memory *m, uint64_t address, uint64_t length)
{
	while (length) {
		struct memory_region *r = lookup(m, address);
		uint64_t n;

		if (!r)
			return false;
		if (!r->mapping.at)
			return true;
		n = min_u64(length, r->size - (address - r->address));
		address += n;
		length -= n;
	}
	return false;
}

bool memory_missed(struct guest_memory *m)
{
	bool missed = m->missed;

	m->missed = false;
	return missed;
}

void *memory_at(struct guest_memory *m, uint64_t address, size_t length, unsigned access)
{
	struct memory_region *r = lookup(m, address);

	if (r && !r->mapping.at)
		m->missed = true;
	if (!r || !r->mapping.at || !allowed(r, access) || length > r->size - (address - r->address))
		return NULL;
	return r->mapping.at + (address - r->address);
}

static bool copy(struct guest_memory *m, uint64_t address, void *out, const void *in, size_t length)
{
	while (length) {
		struct memory_region *r = lookup(m, address);
		size_t n;

		if (r && !r->mapping.at)
			m->missed = true;
		if (!r || !r->mapping.at || !allowed(r, out ? MEMORY_READ : MEMORY_WRITE))
			return false;
		n = min_u64(length, r->size - (address - r->address));
		if (out) {
			memcpy(out, r->mapping.at + (address - r->address), n);
			out = (uint8_t *)out + n;
		} else {
			memcpy(r->mapping.at + (address - r->address), in, n);
			in = (const uint8_t *)in + n;
		}
		address += n;
		length -= n;
	}
	return true;
}

bool memory_read(struct guest_memory *m, uint64_t address, void *buf, size_t length)
{
	return copy(m, address, buf, NULL, length);
}

bool memory_write(struct guest_memory *m, uint64_t address, const void *buf, size_t length)
{
	return copy(m, address, NULL, buf, length);
}

uint64_t memory_pin(struct guest_memory *m, uint64_t address, uint64_t length, unsigned access,
		    struct memory_region **region, void **at)
{
	struct memory_region *r = lookup(m, address);

	if (!r || !allowed(r, access))
		return 0;
	r->pins++;
	*region = r;
	*at = r->mapping.at ? r->mapping.at + (address - r->address) : NULL;
	return min_u64(length, r->size - (address - r->address));
}

const struct memory_remote *memory_remote_of(struct memory_region *region)
{
	return &region->remote;
}
