/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * controller.h - what every controller is: the vtable of the controllers' layer and its contract.
 *
 * A controller is one file with one struct controller_type, and a line in controllers.c. It knows
 * registers, rings and interrupts; it does not know the socket (front/) nor image formats.
 *
 * Contract
 *  - Everything runs in the controller's thread. A register access never waits for I/O: a command
 *    is begun, and its completion comes back through the loop.
 *  - The guest is not trusted: what comes from its memory is copied once, then checked. Bad input
 *    becomes a status of the protocol. Loops over guest-made lists are bounded. Every command
 *    completes exactly once or is ended by a reset.
 *  - Resets: `reset` ends all I/O, and calls controller_reset_done() when nothing is in flight any
 *    more and registers are in their power-on state, perhaps at once. Register accesses may come in
 *    between, and find the controller in its in-progress state: since the guest may have been told
 *    that it is over, what it writes then is either ignored or stays. `reset` may come again before
 *    the end, which is one for all. Resets by the guest through
 *    registers are the controller's own business, with the same device_quiesce().
 *  - attach, detach and changed may come at any time while a guest runs: hot plug.
 */
#ifndef VIMG_CONTROLLER_H
#define VIMG_CONTROLLER_H

#include "core/dma.h"
#include "core/loop.h"
#include "core/memory.h"
#include "device/device.h"
#include "pci/pci.h"

struct controller;

/* One "name=value" that a controller or a disk on it understands. Ends with a NULL name. */
struct controller_option {
	const char *name;
	const char *help;		/* "what it means" */
};

/* What was given. Values are text; a controller turns them into what it wants, and says what is
 * wrong. */
struct option_value {
	const char *name, *value;
};
struct option_values {
	const struct option_value *value;
	unsigned count;
};
/* NULL: not given. */
const char *option_get(const struct option_values *o, const char *name);
/* 0 and *out untouched when it is not given; -EINVAL with a sentence when it is no number between
 * low and high. */
int option_number(const struct option_values *o, const char *name, uint64_t low, uint64_t high,
		  uint64_t *out, struct vd_error *err);
/* on/off, yes/no, true/false, 1/0. */
int option_bool(const struct option_values *o, const char *name, bool *out, struct vd_error *err);

enum device_change {
	DEVICE_RESIZED,
};

struct controller_type {
	const char *name;		/* of --controller: "nvme" */
	const char *summary;
	size_t size;			/* of the structure that begins with struct controller */
	const struct controller_option *options;
	const struct controller_option *disk_options;	/* the address: "nsid", "port", "target" */

	/* Fills c->pci in, takes c->options; nothing may be connected yet. On failure unrealize is
	 * not called. */
	int (*realize)(struct controller *c, struct vd_error *err);
	/* Nothing is in flight, all devices are detached. */
	void (*unrealize)(struct controller *c);

	/* A BAR's registers. Any length up to 8 or more, any alignment, inside the BAR: what the
	 * specification does not allow is ignored or reads as 0 (or ones). */
	void (*read)(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n);
	void (*write)(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n);
	void (*reset)(struct controller *c);

	/*
	 * Puts a device in the slot that `address` names, or in the next free one; -EBUSY where
	 * there is one already, -ENOSPC when all are taken, -EINVAL. While a guest runs it is told.
	 */
	int (*attach)(struct controller *c, struct device *d, const struct option_values *address,
		      struct vd_error *err);
	/* Takes it out: ends its I/O, tells the guest, forgets the device, and calls
	 * controller_detached(), perhaps at once. */
	void (*detach)(struct controller *c, struct device *d);
	/* NULL: not interested. */
	void (*changed)(struct controller *c, struct device *d, enum device_change change);
	/* "nsid=1", "port=0", "target=3,lun=0": the slot's address, for status and for stable
	 * addresses. */
	void (*address)(struct controller *c, struct device *d, char *text, size_t room);
};

struct controller {
	const struct controller_type *type;
	struct pci pci;
	struct loop *loop;
	struct guest_memory *memory;
	struct device_host *host;	/* of its devices: queue and completions */
	const char *name;		/* for messages: "nvme0" */
	unsigned index;			/* among those of its type in the machine, from 0 */
	struct option_values options;
	bool running;			/* a client is connected */

	/* private to controller.c and the front end */
	void (*reset_done)(void *opaque);
	void *reset_opaque;
	void (*detached)(void *opaque, struct device *d);
	void *detached_opaque;
	bool resetting;
	struct device **device;
	unsigned devices;
};

/* What there is; ends with NULL. A new controller is a line in controllers.c. */
extern const struct controller_type *const controller_types[];
const struct controller_type *controller_type_find(const char *name);

/* Makes one, with its memory and its devices' host. options must stay. */
int controller_new(const struct controller_type *type, const char *name, unsigned index,
		   struct loop *loop, const struct option_values *options,
		   struct controller **out, struct vd_error *err);
/* All devices are detached, nothing is connected. NULL is allowed. */
void controller_free(struct controller *c);

/* The outer face of the vtable: what front ends and the program call. */
void controller_read(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n);
void controller_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n);
/* Configuration space is reset at once. done() is called when all is over, perhaps before this returns;
 * once, for the last caller, when it is asked for again in the meantime. */
void controller_reset(struct controller *c, void (*done)(void *opaque), void *opaque);
int controller_attach(struct controller *c, struct device *d, const struct option_values *address,
		      struct vd_error *err);
void controller_detach(struct controller *c, struct device *d,
		       void (*done)(void *opaque, struct device *d), void *opaque);

/* For controllers. */
void controller_reset_done(struct controller *c);
void controller_detached(struct controller *c, struct device *d);

#endif
