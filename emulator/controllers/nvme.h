/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme.h - what the files of the NVMe controller share.
 *
 *	nvme.c		  the controller: registers, attach and detach
 *	nvme-state.c	  enabling, stopping, resets, shutdown
 *	nvme-queue.c	  rings, doorbells, arbitration, completions, interrupts
 *	nvme-data.c	  PRP lists and SGLs; data of commands to and from the guest
 *	nvme-admin.c	  admin commands: queues, abort
 *	nvme-identify.c	  identify
 *	nvme-log.c	  log pages and asynchronous events
 *	nvme-features.c	  get and set features
 *	nvme-io.c	  NVM commands
 *
 * A command's way: nvme_doorbell() marks its submission queue ready; nvme_process(), at the end of
 * the loop's round, takes it from the ring into a struct nvme_command of the queue's pool and calls
 * nvme_admin() or nvme_io(). These give a status, or NVME_PENDING and call nvme_finish() later,
 * which puts the entry into the completion ring. nvme_signal(), again at the end of a round, sends
 * one interrupt for all that came to a vector.
 */
#ifndef VIMG_NVME_H
#define VIMG_NVME_H

#include "bytes.h"
#include "checked.h"
#include "controllers/controller.h"
#include "controllers/nvme-spec.h"

#define NVME_IO_QUEUES 64
#define NVME_QUEUES (1 + NVME_IO_QUEUES)
#define NVME_ENTRIES 4096		/* of a ring, at most */
#define NVME_COMMANDS 128		/* taken from one ring and not completed yet */
#define NVME_NAMESPACES 255
#define NVME_TRANSFER (1u << 20)	/* bytes of data of one command */
#define NVME_EVENT_REQUESTS 5
#define NVME_ABORTS 4			/* abort commands that wait for what they abort */
#define NVME_ERRORS 64			/* entries of the error log */
#define NVME_VECTORS NVME_QUEUES

#define NVME_PENDING 0xffff		/* no status: the command ends later */

struct nvme;
struct nvme_command;

struct nvme_namespace {
	struct nvme *n;
	struct device *device;		/* NULL: there is none */
	uint32_t id;
	unsigned active;		/* commands that use it */
	struct dma_budget budget;	/* of those */
	uint16_t recovery;		/* TLER of the error recovery feature */
	bool changed;			/* in the changed namespace list */

	bool leaving;			/* being detached: no command sees it */
	bool left;			/* its device is quiet for that */
	bool stopping, stopped;		/* the same for a reset: asked for, reached */
	struct device_quiesce leave, stop;
};

/* A list of commands, first in first out. */
struct nvme_list {
	struct nvme_command *first, *last;
};

struct nvme_cq {
	uint16_t id;
	uint16_t vector;
	bool interrupts;
	uint32_t size, head, tail;
	uint16_t phase;
	unsigned users;			/* submission queues that complete here */
	struct nvme_list waiting;	/* ended, but the ring was full */
	uint64_t base;
	uint64_t shadow, event;		/* shadow doorbell and its EventIdx, 0: none */
	uint32_t event_written;
};

struct nvme_sq {
	struct nvme *n;
	struct nvme_cq *cq;
	uint16_t id;
	uint32_t size, head, tail;
	uint64_t base;
	uint64_t shadow, event;
	struct nvme_sq *next;		/* among those that are ready */
	bool ready;
	struct nvme_command *deletion;	/* the command that deletes it, while that waits */
	struct nvme_namespace *held;	/* whose budget its first command waits for, or NULL */
	struct nvme_command *free;
	unsigned in_flight;		/* taken from the pool */
	unsigned commands;
	struct nvme_command *command;	/* the pool */
};

enum nvme_command_state {
	NVME_COMMAND_FREE,
	NVME_COMMAND_BUSY,		/* counted in n->active */
	NVME_COMMAND_WAITING,		/* for other commands to end */
	NVME_COMMAND_ENDED,		/* in a completion queue's waiting list */
};

struct nvme_skip {
	uint32_t offset, length;
};

struct nvme_command {
	struct nvme *n;
	struct nvme_sq *sq;
	struct nvme_namespace *ns;	/* whose `active` it is counted in, or NULL */
	struct nvme_command *next;	/* free or waiting */
	uint8_t state;
	bool at_device;			/* rq is submitted */
	bool aborted;			/* by an abort command */
	uint16_t cid;
	uint16_t status;
	uint32_t result;		/* dword 0 of the completion */
	uint8_t sqe[NVME_SQE];		/* our copy */

	struct dma dma;
	struct device_request rq;
	void (*then)(struct nvme_command *c);	/* when its data is in `buffer` */
	uint8_t *buffer;		/* owned */
	uint32_t buffer_length;
	uint64_t charged;		/* bytes of data, of the namespace's budget */
	struct iovec bounce;		/* of `buffer`, for the device */
	struct nvme_skip *skip;		/* parts of the data that the guest does not want; owned */
	unsigned skips;

	uint32_t position;		/* of those that take several steps */
	uint64_t begun;			/* an abort: when */
	struct nvme_command *target;	/* an abort: what it waits for */
};

enum nvme_state {
	NVME_OFF,			/* CSTS.RDY = 0 */
	NVME_READY,
	NVME_STOPPING,			/* CC.EN = 0 or a reset; RDY is 1 until all is quiet */
};

/* A host's settings; a reset brings them back to their defaults. */
struct nvme_settings {
	uint32_t arbitration, coalescing, atomicity, events;
	uint16_t over, under;		/* temperature thresholds, kelvins */
	bool cache;			/* volatile write cache enabled */
	uint64_t vectors_direct[2];	/* bits: coalescing disabled for that vector */
	bool timestamp_set;
	uint64_t timestamp, timestamp_at;	/* ms, and loop_now() when it was that */
	uint8_t host_id[16];
};

struct nvme_error {
	uint64_t number, lba;
	uint32_t nsid;
	uint16_t sq, cid, status;
};

struct nvme_counters {
	uint64_t blocks_read, blocks_written;	/* of 512 bytes */
	uint64_t reads, writes;
	uint64_t media_errors;
	uint64_t since;			/* loop_now() at power-on */
};

struct nvme {
	struct controller c;
	char serial[21];
	unsigned io_queues;		/* as configured */

	/* registers */
	uint32_t intms, cc, csts, aqa;
	uint64_t asq, acq;

	enum nvme_state state;
	bool report_reset;		/* controller_reset_done() is waited for */
	bool halted;			/* shutting or shut down, or fatal: takes no commands */
	bool flushing, flush_again;	/* for a shutdown; for one that came in between, too */
	struct device_request flush;	/* the shutdown's */
	uint32_t flush_position;

	uint32_t page;			/* bytes of a memory page: CC.MPS */
	struct nvme_sq *sq[NVME_QUEUES];
	struct nvme_cq *cq[NVME_QUEUES];
	struct nvme_sq *ready, *ready_last;
	uint64_t shadows, shadow_events;	/* shadow doorbell pages, 0: off */
	unsigned active;		/* commands that move data or use a device */
	struct nvme_command *aborts[NVME_ABORTS];

	struct loop_task process, signal;
	struct loop_timer resume;	/* processing, in the next round */
	struct loop_timer abort_timer;
	uint64_t signals[2];		/* bits of vectors */

	struct nvme_settings set;
	uint16_t event_request[NVME_EVENT_REQUESTS];	/* ids of commands */
	unsigned event_requests;
	uint32_t event_pending[NVME_EVENT_TYPES];	/* bits of informations */
	bool event_masked[NVME_EVENT_TYPES];		/* until its log page is read */

	struct nvme_error error[NVME_ERRORS];
	uint64_t errors;		/* since power-on; the newest is number `errors` */
	struct nvme_counters count;
	struct nvme_namespace ns[NVME_NAMESPACES + 1];	/* by id; 0 is none */
};

static inline struct nvme *nvme_of(struct controller *c)
{
	return (struct nvme *)c;
}

/* Dword `i` of a command. */
static inline uint32_t nvme_dword(const struct nvme_command *c, unsigned i)
{
	return le32(c->sqe + 4 * i);
}

static inline uint32_t nvme_nsid(const struct nvme_command *c)
{
	return nvme_dword(c, 1);
}

/* nvme-state.c */
void nvme_write_cc(struct nvme *n, uint32_t value);
/* Ends all I/O, then resets: registers, too, where `full`. */
void nvme_stop(struct nvme *n, bool full);
/* Something ended that a stop or a shutdown may wait for. */
void nvme_drained(struct nvme *n);
/* CSTS.CFS: a ring cannot be reached. The host has to reset. */
void nvme_fatal(struct nvme *n);
void nvme_settings_default(struct nvme_settings *set);
/* Submits a flush of the next namespace after *position. False: that was the last one. */
bool nvme_flush_next(struct nvme *n, struct device_request *rq, uint32_t *position);

/* nvme-queue.c */
struct nvme_cq *nvme_cq_new(struct nvme *n, uint16_t id, uint64_t base, uint32_t size);
void nvme_cq_free(struct nvme *n, uint16_t id);
/* NULL: no memory. */
struct nvme_sq *nvme_sq_new(struct nvme *n, uint16_t id, struct nvme_cq *cq, uint64_t base,
			    uint32_t size);
void nvme_sq_free(struct nvme *n, uint16_t id);	/* nothing of it is in flight */
void nvme_queues_free(struct nvme *n);		/* all of them */
void nvme_shadow(struct nvme *n);		/* all queues use shadow doorbells from now on */
void nvme_doorbell(struct nvme *n, uint32_t index, uint32_t value);
void nvme_process(void *opaque);
void nvme_budget_changed(void *opaque, bool spent);
void nvme_signal(void *opaque);
void nvme_update_level(struct nvme *n);
/* False: no room in the ring. */
bool nvme_post(struct nvme *n, struct nvme_sq *sq, uint16_t cid, uint32_t result, uint16_t status);
/* Ends a command that is BUSY. */
void nvme_finish(struct nvme_command *c, uint16_t status);
/* Gives it back without a completion. */
void nvme_release(struct nvme_command *c);
/* BUSY to WAITING and back. */
void nvme_wait(struct nvme_command *c);
void nvme_wake(struct nvme_command *c);
/* Drops the completions of a submission queue that wait for room. */
void nvme_drop_waiting(struct nvme_cq *cq, const struct nvme_sq *sq);

/* nvme-data.c */
/* The ranges of the command's data, from its PRPs or SGL, into c->dma: a status. */
uint16_t nvme_map(struct nvme_command *c, uint32_t length, bool to_guest);
/* Gives `length` bytes to the guest: `have` of data, which is copied, and zeros. */
uint16_t nvme_send(struct nvme_command *c, const void *data, uint32_t have, uint32_t length);
/* Fetches them into c->buffer, then calls then(), which goes on. */
uint16_t nvme_fetch(struct nvme_command *c, uint32_t length, void (*then)(struct nvme_command *c));
uint16_t nvme_dma_status(int status);
bool nvme_buffer(struct nvme_command *c, uint32_t length);
/* What uses no namespace, as admin commands, is bounded by the room of its ring's pool. */
static inline void nvme_charge(struct nvme_command *c, uint32_t bytes)
{
	if (c->ns)
		dma_charge(&c->ns->budget, &c->charged, bytes);
}

/* nvme-admin.c */
uint16_t nvme_admin(struct nvme_command *c);
/* Something of that submission queue ended: is that the end of its deletion? */
void nvme_sq_drained(struct nvme_sq *sq);
/* One that an abort command asked to end did so. */
void nvme_abort_ended(struct nvme *n, const struct nvme_command *target, uint16_t status);
void nvme_abort_timeout(void *opaque);

/* nvme-identify.c */
uint16_t nvme_identify(struct nvme_command *c);

/* nvme-log.c */
#define NVME_TEMPERATURE 313		/* kelvins; it never changes */
#define NVME_TEMPERATURE_OVER 343	/* its upper threshold, unless the host sets one */
uint16_t nvme_get_log(struct nvme_command *c);
uint16_t nvme_event_request(struct nvme_command *c);
/* An event happened; it is told now or when the host asks for it. */
void nvme_event(struct nvme *n, enum nvme_event_type type, unsigned information);
void nvme_events_run(struct nvme *n);
void nvme_namespace_changed(struct nvme_namespace *ns);
void nvme_check_temperature(struct nvme *n);
/* A command failed in a way that the error log keeps. sq 0xffff: none. */
void nvme_log_error(struct nvme *n, const struct nvme_error *e);

/* nvme-features.c */
uint16_t nvme_set_features(struct nvme_command *c);
uint16_t nvme_get_features(struct nvme_command *c);

/* nvme-io.c */
uint16_t nvme_io(struct nvme_command *c);
/* Flushes all namespaces, then ends the command. */
uint16_t nvme_flush_all(struct nvme_command *c);

/* nvme.c */
/* The namespace, NULL with its status where there is none. */
struct nvme_namespace *nvme_namespace(struct nvme *n, uint32_t id, uint16_t *status);
static inline bool nvme_is_there(const struct nvme_namespace *ns)
{
	return ns->device && !ns->leaving;
}
/* A command stopped using it. */
void nvme_namespace_idle(struct nvme_namespace *ns);

#endif
