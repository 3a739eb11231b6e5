/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - see memory.h. Regions are kept sorted in an array; the one found last is asked first,
 * since a guest's rings and buffers mostly lie in one or two of them.
 *
 * A client may truncate the file behind a mapping; touching it then raises SIGBUS. The handler finds
 * the mapping in a table of all of the process, puts zeros in its place and marks it; whoever looks
 * next ends the connection.
 */
#include "core/memory.h"

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "checked.h"
#include "cleanup.h"

#define PAGE 4096u
#define MAX_REGIONS 65536u

struct memory_region {
	struct guest_memory *memory;	/* NULL once it is unmapped */
	uint64_t address, size;
	uint8_t *at;			/* NULL: remote */
	void *map;			/* what was mapped for it, in whole pages of the file */
	uint64_t map_size;
	unsigned access;
	unsigned pins;			/* and 1 while it is in the memory's array */
	struct memory_remote remote;
	struct unmapping *unmapping;
	int slot;			/* in the table of mappings, -1: none */
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
	struct memory_remote remote;
	bool missed;			/* remote memory, where it must be mapped */
};

/* ------------------------------------------------------------------------------------ SIGBUS */

/*
 * Read by the signal handler, so without a lock: an entry is in use while its start is not 0, which
 * is set last and cleared first.
 */
#define MAPPINGS 4096
static struct {
	uintptr_t start, end;
	uint64_t page;
	int protection;
	bool broken;
} mapping[MAPPINGS];
static pthread_mutex_t mapping_lock = PTHREAD_MUTEX_INITIALIZER;

static int mapping_add(void *at, uint64_t size, uint64_t page, int protection)
{
	LOCK_SCOPE(&mapping_lock);
	for (int i = 0; i < MAPPINGS; i++)
		if (!mapping[i].start) {
			mapping[i].end = (uintptr_t)at + size;
			mapping[i].page = page;
			mapping[i].protection = protection;
			mapping[i].broken = false;
			__atomic_store_n(&mapping[i].start, (uintptr_t)at, __ATOMIC_RELEASE);
			return i;
		}
	return -1;
}

static void mapping_remove(int slot)
{
	LOCK_SCOPE(&mapping_lock);
	if (slot >= 0)
		__atomic_store_n(&mapping[slot].start, 0, __ATOMIC_RELEASE);
}

static bool replace_page(uintptr_t address)
{
	uint64_t page;

	for (int i = 0; i < MAPPINGS; i++) {
		uintptr_t start = __atomic_load_n(&mapping[i].start, __ATOMIC_ACQUIRE);

		if (!start || address < start || address >= mapping[i].end ||
		    start != __atomic_load_n(&mapping[i].start, __ATOMIC_ACQUIRE))
			continue;
		page = mapping[i].page;
		__atomic_store_n(&mapping[i].broken, true, __ATOMIC_RELAXED);
		return mmap((void *)(address & ~(uintptr_t)(page - 1)), page,
			    mapping[i].protection, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0) != MAP_FAILED;
	}
	return false;
}

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	int saved = errno;

	(void)context;
	if (!replace_page((uintptr_t)info->si_addr)) {
		/* Not guest memory: a bug of ours, to be seen as such when the access is repeated. */
		signal(signal_number, SIG_DFL);
	}
	errno = saved;
}

void memory_catch_sigbus(void)
{
	struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGBUS, &action, NULL);
}

bool memory_broken(const struct guest_memory *m)
{
	for (unsigned i = 0; i < m->count; i++)
		if (m->region[i]->slot >= 0 &&
		    __atomic_load_n(&mapping[m->region[i]->slot].broken, __ATOMIC_RELAXED))
			return true;
	return false;
}

/* ----------------------------------------------------------------------------------- regions */

int memory_new(struct guest_memory **out)
{
	*out = calloc(1, sizeof(**out));
	return *out ? 0 : -ENOMEM;
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
	if (r->at) {
		mapping_remove(r->slot);
		munmap(r->map, r->map_size);
	}
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

/* Files of huge pages are mapped by those alone. */
static uint64_t page_of(int fd)
{
	struct statfs s;

	if (fstatfs(fd, &s) || s.f_type != HUGETLBFS_MAGIC || s.f_bsize < (long)PAGE)
		return PAGE;
	return (uint64_t)s.f_bsize;
}

static int map_file(struct memory_region *r, int fd, uint64_t fd_offset)
{
	int protection = (r->access & MEMORY_READ ? PROT_READ : 0) |
			 (r->access & MEMORY_WRITE ? PROT_READ | PROT_WRITE : 0);
	uint64_t page = page_of(fd), before = fd_offset % page, size;
	void *at;

	if (!add_u64(before, r->size, &size) || !align_up(size, page, &size))
		return -EINVAL;
	at = mmap(NULL, size, protection, MAP_SHARED, fd, (off_t)(fd_offset - before));
	if (at == MAP_FAILED)
		return -errno;
	r->map = at;
	r->map_size = size;
	r->at = (uint8_t *)at + before;
	r->slot = mapping_add(at, size, page, protection);
	return r->slot < 0 ? -ENOSPC : 0;
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
		.remote = m->remote, .slot = -1,
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
			gone[i]->memory = NULL;
			gone[i]->unmapping = u;
			u->waiting++;
			memory_unpin(gone[i]);
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
			m->region[i]->memory = NULL;
			memory_unpin(m->region[i]);
		}
		m->count = 0;
		m->last = NULL;
		if (done)
			done(opaque);
	}
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
		if (!r->at)
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

	if (r && !r->at)
		m->missed = true;
	if (!r || !r->at || !allowed(r, access) || length > r->size - (address - r->address))
		return NULL;
	return r->at + (address - r->address);
}

static bool copy(struct guest_memory *m, uint64_t address, void *out, const void *in, size_t length)
{
	while (length) {
		struct memory_region *r = lookup(m, address);
		size_t n;

		if (r && !r->at)
			m->missed = true;
		if (!r || !r->at || !allowed(r, out ? MEMORY_READ : MEMORY_WRITE))
			return false;
		n = min_u64(length, r->size - (address - r->address));
		if (out) {
			memcpy(out, r->at + (address - r->address), n);
			out = (uint8_t *)out + n;
		} else {
			memcpy(r->at + (address - r->address), in, n);
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
	*at = r->at ? r->at + (address - r->address) : NULL;
	return min_u64(length, r->size - (address - r->address));
}

const struct memory_remote *memory_remote_of(struct memory_region *region)
{
	return &region->remote;
}
