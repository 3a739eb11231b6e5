/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h - the guest's memory, as its front end mapped it.
 *
 * A region is a range of guest-physical addresses. One with a descriptor is mapped here, and
 * controllers work in it. One without is reached by messages (struct memory_remote) and good for
 * data only: rings and command tables must lie in mapped memory.
 *
 * The guest and its client are not trusted. Every address is checked against the regions; a page
 * that a client took away under us by truncating its file reads as zeros from then on and marks the
 * memory as broken (memory_broken), upon which the front end ends the connection. The guest writes
 * to its memory while we read it: copy first, then check the copy.
 *
 * Threads     The controller's thread alone calls these. Data may move to and from pinned regions
 *             in other threads and in the kernel.
 */
#ifndef VIMG_MEMORY_H
#define VIMG_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_memory;
struct memory_region;

enum memory_access {			/* what the device may do */
	MEMORY_READ = 1,
	MEMORY_WRITE = 2,
};

/* How a front end reaches regions without a descriptor. `done` is called from the loop, never from
 * within; each transfer ends exactly once, also when the connection is lost (-ENOTCONN). */
struct memory_remote {
	void (*read)(void *opaque, uint64_t address, void *buf, size_t length,
		     void (*done)(void *arg, int status), void *arg);
	void (*write)(void *opaque, uint64_t address, const void *buf, size_t length,
		      void (*done)(void *arg, int status), void *arg);
	void *opaque;
};

int memory_new(struct guest_memory **out);
/* All pins must be gone. NULL is allowed. */
void memory_free(struct guest_memory *m);
void memory_set_remote(struct guest_memory *m, const struct memory_remote *remote);

/*
 * Adds a region. fd is not taken over (-1: none). 0; -EEXIST where it overlaps another; -EINVAL for
 * sizes of 0, that wrap, or are not in whole pages; -ENOSPC with too many regions; or what mmap
 * said.
 */
int memory_map(struct guest_memory *m, uint64_t address, uint64_t size, int fd, uint64_t fd_offset,
	       unsigned access);
/*
 * Removes the regions that lie inside the range; one that sticks out of it is an error (-EINVAL),
 * none -ENOENT. They cannot be found any more at once, and remote ones have no functions any more
 * (memory_remote_of); `done` is called when nobody uses them, perhaps before this returns.
 */
int memory_unmap(struct guest_memory *m, uint64_t address, uint64_t size,
		 void (*done)(void *opaque), void *opaque);
/* The same for all of it. */
void memory_unmap_all(struct guest_memory *m, void (*done)(void *opaque), void *opaque);

/*
 * What waits for pins takes too long, and the client is told that its memory is its own again: I/O
 * that still goes on moves data of nobody's from now on (mapping.h says how, and where that ends).
 * For what was unmapped with that opaque; or for all that is pinned, which stays mapped for others.
 * Remote memory is none of this: there the front end, which sends the messages, has to refuse to.
 */
void memory_forget(struct guest_memory *m, const void *opaque);
void memory_forget_all(struct guest_memory *m);

/* Does the range lie in regions with that access? For messages to people: is one of them remote? */
bool memory_reachable(struct guest_memory *m, uint64_t address, uint64_t length, unsigned access);
bool memory_is_remote(struct guest_memory *m, uint64_t address, uint64_t length);
/* A page of a region was taken away by the client. */
bool memory_broken(struct guest_memory *m);
/* Was memory_at, memory_read or memory_write asked for remote memory, since this was asked last? */
bool memory_missed(struct guest_memory *m);
/* SIGBUS in a mapping marks it broken instead of ending the process. Once per process, at start. */
void memory_catch_sigbus(void);

/*
 * The bytes at [address, address + length), if they lie in one mapped region with that access; else
 * NULL. Valid until the loop's next round. The guest may change them at any time.
 */
void *memory_at(struct guest_memory *m, uint64_t address, size_t length, unsigned access);
/* Copies; the range may span regions. False if any of it is not mapped with that access. */
bool memory_read(struct guest_memory *m, uint64_t address, void *buf, size_t length);
bool memory_write(struct guest_memory *m, uint64_t address, const void *buf, size_t length);

/*
 * For dma.c. The longest piece at `address`, at most `length`: its region, pinned, and where it is
 * mapped (NULL: remote). Returns its length, 0 where there is nothing with that access.
 */
uint64_t memory_pin(struct guest_memory *m, uint64_t address, uint64_t length, unsigned access,
		    struct memory_region **region, void **at);
void memory_unpin(struct memory_region *region);
const struct memory_remote *memory_remote_of(struct memory_region *region);

#endif
