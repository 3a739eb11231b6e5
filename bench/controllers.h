/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * controllers.h - a driver of the least kind for each controller, for controllers.c: reads of 4 KiB
 * in up to DEPTH slots, each with a page of guest memory. Setting up takes pages from `free` on.
 */
#ifndef BENCH_CONTROLLERS_H
#define BENCH_CONTROLLERS_H

#include "bytes.h"
#include "front/in_process.h"

#define DEPTH 32
#define PAGE 4096u

struct guest {
	struct in_process *p;
	uint64_t free;
	uint64_t data;			/* DEPTH pages */
};

struct driver {
	const char *name;
	unsigned vectors;		/* of MSI-X; 0: MSI */
	void (*start)(struct guest *g);
	/* Prepares a read; ring() then tells of all that were prepared. */
	void (*put)(struct guest *g, unsigned slot, uint64_t offset);
	void (*ring)(struct guest *g);
	/* The slots of what has completed, up to DEPTH. */
	unsigned (*take)(struct guest *g, unsigned *slot);
};

extern const struct driver nvme_driver, virtio_scsi_driver, ahci_driver;

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t guest_pages(struct guest *g, unsigned n);

#endif
