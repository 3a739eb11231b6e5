/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * in_process.h - the front end of tests, fuzzers and benchmarks: a controller without a socket.
 *
 * It has the guest's memory (one mapped region, and one that is remote if asked for), makes register
 * accesses as plain calls, and counts interrupts. Everything runs in the caller's thread;
 * in_process_run() turns the controller's loop.
 */
#ifndef VIMG_IN_PROCESS_H
#define VIMG_IN_PROCESS_H

#include "controllers/controller.h"
#include "device/medium.h"

#define IN_PROCESS_VECTORS 2048

struct in_process {
	struct loop *loop;
	struct controller *c;
	uint8_t *memory;		/* the guest's, from address 0 */
	uint64_t memory_size;
	uint8_t *remote;		/* what only messages reach, from IN_PROCESS_REMOTE; or NULL */
	uint64_t remote_size;
	uint64_t messages[IN_PROCESS_VECTORS];	/* interrupts by vector */
	bool level;			/* of INTx */
	uint64_t rises;			/* of it */

	/* private */
	struct pci_host host;
	int memory_fd;
};

#define IN_PROCESS_REMOTE 0x100000000ull

struct in_process_options {
	const char *controller;		/* type's name; or */
	const struct controller_type *type;	/* one of the test's own */
	struct option_values options;
	uint64_t memory_size;		/* bytes; 0: 64 MiB */
	uint64_t remote_size;		/* 0: none */
	enum pci_irq_kind irq;		/* switched on from the start */
	unsigned vectors;		/* of it */
};

/* Connected, after power-on, bus mastering on. */
int in_process_new(const struct in_process_options *options, struct in_process **out,
		   struct vd_error *err);
/* Ends I/O, detaches and frees the devices. */
void in_process_free(struct in_process *p);

/* A drive with this disk, which the medium takes over: closed when the drive is freed. `address`:
 * "nsid=2" and the like, separated by commas; NULL: the next free one. */
int in_process_attach(struct in_process *p, struct vd_disk *disk,
		      const struct device_options *options, const char *address,
		      struct device **out, struct vd_error *err);
/* Detaches and frees; waits. */
void in_process_detach(struct in_process *p, struct device *d);

uint64_t in_process_read(struct in_process *p, unsigned bar, uint64_t offset, unsigned n);
void in_process_write(struct in_process *p, unsigned bar, uint64_t offset, uint64_t value,
		      unsigned n);
uint32_t in_process_config_read(struct in_process *p, uint32_t offset, unsigned n);
void in_process_config_write(struct in_process *p, uint32_t offset, uint32_t value, unsigned n);
/* PCI reset; waits. */
void in_process_reset(struct in_process *p);

/* Turns the loop until condition(opaque), at most timeout_ms. False: timed out. */
bool in_process_run(struct in_process *p, bool (*condition)(void *opaque), void *opaque,
		    int timeout_ms);
/* Turns it until no device has anything in flight and nothing is ready. */
void in_process_settle(struct in_process *p);

#endif
