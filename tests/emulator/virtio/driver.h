/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * driver.h - the guest's side of virtio for tests: a driver that keeps to the rules, with both
 * layouts of rings, and the means to break the rules. Descriptors are never freed: a test adds few.
 */
#ifndef VIRTIO_DRIVER_H
#define VIRTIO_DRIVER_H

#include "emulator-test.h"
#include "front/in_process.h"
#include "virtio/virtio.h"

/* Registers in BAR 4. */
enum {
	R_DEVICE_FEATURE_SELECT = 0x00, R_DEVICE_FEATURE = 0x04, R_DRIVER_FEATURE_SELECT = 0x08,
	R_DRIVER_FEATURE = 0x0c, R_CONFIG_VECTOR = 0x10, R_NUM_QUEUES = 0x12, R_STATUS = 0x14,
	R_GENERATION = 0x15, R_QUEUE_SELECT = 0x16, R_QUEUE_SIZE = 0x18, R_QUEUE_VECTOR = 0x1a,
	R_QUEUE_ENABLE = 0x1c, R_QUEUE_NOTIFY_OFF = 0x1e, R_QUEUE_DESC = 0x20,
	R_QUEUE_DRIVER = 0x28, R_QUEUE_DEVICE = 0x30, R_QUEUE_RESET = 0x3a,
	R_ISR = 0x1000, R_CONFIG = 0x2000, R_NOTIFY = 0x3000,
};

#define BAR 4
#define MOST_SLOTS 1024

struct driver_queue {
	struct driver *d;
	unsigned index;
	uint16_t size;
	uint64_t descriptors, driver, device;	/* the areas */
	bool packed, event_idx;
	uint16_t next;			/* split: available index; packed: slot */
	uint16_t kicked;		/* split: index as of the last look at kicks */
	uint16_t seen;			/* split: used index; packed: slot */
	bool next_wrap, seen_wrap;
	uint16_t unkicked;		/* packed: slots since */
	bool busy[MOST_SLOTS];		/* split: descriptor is in a chain that is out */
	uint16_t slots[MOST_SLOTS];	/* packed: of the chain with that id */
	unsigned kicks;			/* sent */
};

struct driver {
	struct in_process *p;
	uint64_t features;		/* negotiated */
	uint64_t free;			/* guest memory from here on is unused */
	unsigned queues;
	struct driver_queue *queue;
};

/* What a test wants of a driver. */
struct driver_options {
	uint64_t features;		/* as far as they are offered; VERSION_1 is added */
	uint16_t size;			/* of queues; 0: the device's */
};

struct piece {
	uint64_t address;
	uint32_t length;
	bool writable;
};

uint32_t reg_read(struct in_process *p, unsigned offset, unsigned n);
void reg_write(struct in_process *p, unsigned offset, uint64_t value, unsigned n);
/* Waits until the device has become 0 in its status register. */
void driver_reset(struct in_process *p);
uint64_t driver_offered(struct in_process *p);
/* Up to FEATURES_OK; true if the device took them. */
bool driver_negotiate(struct in_process *p, uint64_t features);
/* A queue's areas in fresh memory, enabled. */
void driver_queue_start(struct driver *d, unsigned index, uint16_t size);
/* All of it: reset, negotiation, vectors (queue n has vector n + 1), DRIVER_OK. */
void driver_start(struct driver *d, struct in_process *p, const struct driver_options *o);
void driver_free(struct driver *d);
uint64_t driver_alloc(struct driver *d, uint64_t bytes);	/* zeroed; aligned to 16 */
void *driver_at(struct driver *d, uint64_t address);

/* Makes a chain available and returns its id; the device is not told. */
uint16_t queue_add(struct driver_queue *q, const struct piece *piece, unsigned n, bool indirect);
/* Kicks if the device wants it, after what was added since the last time. True: it did. */
bool queue_kick(struct driver_queue *q);
void queue_notify(struct driver_queue *q);	/* whatever it wants */
/* The next used chain. */
bool queue_get(struct driver_queue *q, uint16_t *id, uint32_t *written);
/* Waits for it. */
uint32_t queue_wait(struct driver_queue *q, uint16_t *id);
/* Interrupts: none; for each; or, with EVENT_IDX, when `more` slots from now have been used. */
void queue_want_interrupts(struct driver_queue *q, bool wanted);
void queue_want_interrupt_after(struct driver_queue *q, uint16_t more);

/* Raw descriptors: split has `other` as next, packed as id. */
void put_descriptor(struct driver_queue *q, uint64_t at, uint64_t address, uint32_t length,
		    uint16_t flags, uint16_t other);

#endif
