/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lib-nvme.h - a small driver for the tests of the NVMe controller: rings in the in-process front
 * end's memory, commands as 16 dwords, completions taken one by one.
 */
#ifndef LIB_NVME_H
#define LIB_NVME_H

#include "bytes.h"
#include "checked.h"
#include "controllers/nvme-spec.h"
#include "emulator-test.h"
#include "front/in_process.h"

#define PAGE 4096u
#define DISK_SIZE (8u << 20)
#define DNR NVME_DNR

struct ring {
	uint16_t sq, cq;		/* queue ids */
	uint64_t sq_base, cq_base;
	uint32_t sq_size, cq_size, tail, head;
	uint16_t phase;
	bool silent;			/* no doorbells for heads */
};

struct guest {
	struct in_process *p;
	struct ring admin;
	uint64_t next_page;
	uint16_t next_cid;
	uint64_t data;			/* 2 MiB for data */
};

/* A command: dwords that are 0 need not be given. */
struct command {
	uint8_t opcode, flags;		/* FUSE, PSDT */
	uint32_t nsid;
	uint64_t prp1, prp2;		/* or the SGL descriptor */
	uint32_t d10, d11, d12, d13;
};

struct completion {
	uint32_t result;
	uint16_t sq, cid, status;	/* without phase */
};

/* An in-process controller that is not enabled; options may be NULL. */
void guest_new(struct guest *g, const struct in_process_options *options);
void guest_free(struct guest *g);
/* With admin rings, and ready. */
void guest_enable(struct guest *g);
void guest_start(struct guest *g);	/* both, without options */

uint32_t reg(struct guest *g, uint32_t offset);
void set_reg(struct guest *g, uint32_t offset, uint32_t value);
bool wait_csts(struct guest *g, uint32_t mask, uint32_t value);

/* Zeroed pages of guest memory, one after the other. */
uint64_t pages(struct guest *g, unsigned n);
void *at(struct guest *g, uint64_t address);

/* Puts it into the ring without the doorbell; returns its id. */
uint16_t put(struct guest *g, struct ring *r, const struct command *c);
void ring_doorbell(struct guest *g, struct ring *r);
/* Both. */
uint16_t submit(struct guest *g, struct ring *r, const struct command *c);
/* The next completion, if there is one now. */
bool take(struct guest *g, struct ring *r, struct completion *out);
/* Waits for it; fails the test after 5 s. */
struct completion await(struct guest *g, struct ring *r);
/* One command from begin to end: its completion, or its status. */
struct completion complete(struct guest *g, struct ring *r, const struct command *c);
uint16_t status_of(struct guest *g, struct ring *r, const struct command *c);
uint16_t admin(struct guest *g, const struct command *c);
/* Rounds of the loop. */
void turn(struct guest *g, unsigned rounds);

/* A pair of I/O queues, with that id, vector = id. */
void ring_create(struct guest *g, struct ring *r, uint16_t id, uint32_t size);
uint16_t create_cq(struct guest *g, uint16_t id, uint64_t base, uint32_t size, uint32_t d11);
uint16_t create_sq(struct guest *g, uint16_t id, uint64_t base, uint32_t size, uint32_t d11);
uint16_t delete_queue(struct guest *g, uint8_t opcode, uint16_t id);

/* Blocks from or to guest->data. */
struct command rw(uint8_t opcode, uint64_t address, uint64_t lba, uint32_t blocks);
uint16_t set_feature(struct guest *g, uint8_t id, uint32_t value, uint32_t *result);
uint16_t get_feature(struct guest *g, uint8_t id, uint32_t *result);
/* A log page's first 4 KiB, into data. */
uint16_t get_log(struct guest *g, uint8_t id);

#endif
