/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user-int.h - what the files of the vfio-user front end share.
 *
 *	vfio_user.c		the life of a connection: accept, power-on, leave, flush, stop
 *	vfio_user-stream.c	bytes and descriptors in, answers and commands out
 *	vfio_user-message.c	one message: checked, carried out, answered
 *	vfio_user-dma.c		memory of the client: mapped, unmapped, reached by messages
 *	vfio_user-irq.c		interrupts: who gets them, and sending them
 *
 * A round: what the socket holds is read into one buffer, every whole message in it is carried out,
 * answers gather in another buffer, and are sent at its end. Answers go out in the order of the
 * commands. One that has to wait (unmap, reset) takes its place in the buffer at once; bytes behind
 * it stay until it is released, at the latest when its time is up.
 */
#ifndef VIMG_VFIO_USER_INT_H
#define VIMG_VFIO_USER_INT_H

#include "core/brief.h"
#include "front/vfio_user.h"

#define VFIO_HEADER 16u
#define VFIO_MAX_DATA (1u << 20)	/* of one message */
#define VFIO_MAX_SIZE (VFIO_HEADER + 16 + VFIO_MAX_DATA)
/* What a Unix socket takes or leaves as a whole, with room to spare. */
#define VFIO_AT_ONCE 40960u
#define VFIO_MAX_FDS 16u		/* told to the client */
#define VFIO_KEPT_FDS (2 * VFIO_MAX_FDS)
#define VFIO_HOLDS 64u			/* answers that wait */
#define VFIO_TICKETS 16u		/* DMA messages without an answer yet */
#define VFIO_REFUSALS 4u

enum vfio_command {
	VFIO_VERSION = 1,
	VFIO_DMA_MAP = 2,
	VFIO_DMA_UNMAP = 3,
	VFIO_GET_INFO = 4,
	VFIO_GET_REGION_INFO = 5,
	VFIO_GET_IRQ_INFO = 7,
	VFIO_SET_IRQS = 8,
	VFIO_REGION_READ = 9,
	VFIO_REGION_WRITE = 10,
	VFIO_DMA_READ = 11,
	VFIO_DMA_WRITE = 12,
	VFIO_RESET = 13,
	VFIO_WRITE_MULTI = 15,
};

enum {
	VFIO_FLAG_TYPE = 0xf, VFIO_FLAG_REPLY = 1, VFIO_FLAG_NO_REPLY = 0x10,
	VFIO_FLAG_ERROR = 0x20,
};

enum vfio_irq_index { VFIO_INTX, VFIO_MSI, VFIO_MSIX, VFIO_ERR, VFIO_REQ, VFIO_IRQS };
enum { VFIO_REGION_CONFIG = 7, VFIO_REGIONS = 9 };

/* A message in the input buffer. Descriptors that its handler wants it takes with vfio_take_fd;
 * the others are closed afterwards. */
struct vfio_message {
	uint16_t id, command;
	uint32_t flags, error;
	uint8_t *payload;
	uint32_t length;		/* of the payload */
	int fd[VFIO_KEPT_FDS];
	unsigned fds;
	bool fds_lost;			/* there were more, which we could not get */
};

struct vfio_buffer {
	uint8_t *data;
	size_t start, end, room;
};

struct vfio_input {
	struct vfio_buffer buffer;
	/* A descriptor belongs to the message that contains this byte of the buffer. */
	struct {
		int fd;
		size_t at;
	} fd[VFIO_KEPT_FDS];
	unsigned fds;
	bool lost;			/* descriptors did not fit, at: */
	size_t lost_at;
};

enum vfio_queue { VFIO_ANSWERS, VFIO_COMMANDS, VFIO_QUEUES };

struct vfio_output {
	struct vfio_buffer queue[VFIO_QUEUES];
	uint64_t answered;		/* bytes of answers ever sent */
	/* Of what was begun to be sent: whole messages, so the other queue must wait for it. */
	enum vfio_queue sending;
	size_t rest;
	size_t inside;			/* bytes left of a message that is partly sent */
	bool full;			/* the socket takes no more now */
};

/* An answer that waits; numbered in their order. */
struct vfio_hold {
	uint64_t position;		/* of its first byte, as `answered` counts */
	uint64_t deadline;
	bool ready;
};

struct vfio_irq {
	unsigned count;
	bool enabled;
	int *fd;			/* -1: none */
	uint64_t *pending;		/* messages for vectors without a descriptor yet */
};

struct vfio_transfer;

/* A DMA message that was sent. */
struct vfio_ticket {
	struct vfio_transfer *transfer;	/* NULL: free */
	uint64_t address, deadline;
	uint8_t *buf;
	uint32_t length;
	uint16_t id;
};

struct vfio_refusal {
	struct vfio_user *v;
	struct loop_watch watch;	/* its fd is -1 when free */
	struct loop_timer timer;
	uint8_t header[VFIO_HEADER];
	uint32_t got;			/* bytes of the message read */
	int error;
};

enum vfio_state {
	VFIO_LISTENING,
	VFIO_POWERING,			/* a client is there; vfio_user_power_on() is awaited */
	VFIO_CONNECTED,
	VFIO_LEAVING,			/* the client is gone: reset, flush */
	VFIO_STOPPED,
};

struct vfio_user {
	struct controller *c;
	struct loop *loop;
	struct events *events;
	struct vfio_user_callbacks callbacks;
	struct vfio_user_statistics statistics;
	struct pci_host host;
	uint64_t answer_ns, stall_ns;	/* time limits */

	enum vfio_state state;
	struct loop_watch listen;	/* its fd is -1 when there is none */
	struct loop_timer listen_again;
	struct vfio_refusal refusal[VFIO_REFUSALS];
	void (*stopped)(void *opaque);
	void *stopped_opaque;
	bool stopping;
	bool power_pending;		/* the callback was called and not answered */
	bool powered;			/* answered with 0: power_off is due */
	struct loop_task step;		/* the next one of leaving */
	unsigned flushing;		/* flushes under way, while leaving */
	int flush_status;

	/* The connection. */
	struct loop_watch watch;
	uint32_t watched;		/* events */
	struct loop_task turn;		/* vfio_turn() at the end of this round */
	struct loop_timer stall;	/* the client does not read its answers */
	bool greeted;			/* VERSION was answered */
	char failure[256];		/* it is to be dropped, and why */
	unsigned complaints;
	bool told_not_shared;
	struct vfio_input in;
	struct vfio_output out;
	struct vfio_hold hold[VFIO_HOLDS];
	uint64_t hold_first, hold_end;	/* numbers of those in use */
	struct loop_timer hold_timer;

	/* Reset. */
	bool resetting;			/* controller_reset() is under way */
	bool reset_again;		/* it began before the client left */
	bool reset_waits;		/* its answer, the hold: */
	uint64_t reset_hold;
	bool function_reset;		/* asked for by the configuration access being made */

	/* Memory. */
	uint32_t max_transfer;		/* the client's limit for data of a message */
	struct vfio_unmap *unmaps;	/* unanswered or late ones */
	struct vfio_transfer *waiting, **waiting_end;	/* not wholly sent */
	struct vfio_transfer *finished, **finished_end;	/* done() is to be called */
	struct vfio_transfer *spare;
	struct loop_task finish_transfers;
	struct loop_timer dma_timer;
	struct vfio_ticket ticket[VFIO_TICKETS];
	unsigned tickets;

	/* Interrupts. */
	struct vfio_irq irq[VFIO_IRQS];
	struct brief *brief;		/* for the client's eventfds; NULL: it gave none yet */
	bool intx_level, intx_masked;
	struct loop_watch unmask;	/* a descriptor that unmasks INTx; -1: none */
};

/* vfio_user.c */
/* The connection is to end after this message or at the end of the round. */
void vfio_fail(struct vfio_user *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Something that a person should know of; a few per connection. */
void vfio_complain(struct vfio_user *v, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Drops the connection at once. */
void vfio_drop(struct vfio_user *v);
/* A message asked for a reset; reset_hold is released when it is over, maybe before this returns. */
void vfio_begin_reset(struct vfio_user *v);
/*
 * Was the memory of the client found broken or not shared? Then the connection ends, or a person is
 * told. After each turn, and after each interrupt, which is the trace that work leaves which no message
 * began: a completion of a disk's.
 */
void vfio_look_at_memory(struct vfio_user *v);

/* vfio_user-stream.c */
void vfio_stream_start(struct vfio_user *v, int fd);
void vfio_stream_end(struct vfio_user *v);
/* Carries out what is in the buffer, and sends what there is. Deferred: at the end of the round. */
void vfio_turn(void *opaque);
/* Room for an answer; returns its payload, zeroed. NULL: the connection is to be dropped. */
uint8_t *vfio_answer(struct vfio_user *v, const struct vfio_message *m, size_t length);
void vfio_answer_error(struct vfio_user *v, const struct vfio_message *m, int error);
/* The next answer, and all after it, wait for vfio_release. */
uint64_t vfio_hold(struct vfio_user *v);
void vfio_release(struct vfio_user *v, uint64_t number);
/* Room for a command; returns its payload, not zeroed, or NULL. */
uint8_t *vfio_command(struct vfio_user *v, enum vfio_command command, uint16_t id, size_t length);
size_t vfio_unsent(const struct vfio_user *v, enum vfio_queue queue);
int vfio_take_fd(struct vfio_message *m, unsigned i);
/* Takes commands back of which nothing was sent. */
void vfio_forget_commands(struct vfio_user *v);
void vfio_put_header(uint8_t *header, uint16_t id, uint16_t command, uint32_t size, uint32_t flags,
		     int error);

/* vfio_user-message.c */
void vfio_handle(struct vfio_user *v, struct vfio_message *m);

/* vfio_user-dma.c */
void vfio_dma_init(struct vfio_user *v);
void vfio_dma_free(struct vfio_user *v);
int vfio_dma_map(struct vfio_user *v, struct vfio_message *m);
int vfio_dma_unmap(struct vfio_user *v, struct vfio_message *m);
/* The answer to an unmap, that hold, does not wait any longer. */
void vfio_dma_late(struct vfio_user *v, uint64_t hold);
void vfio_dma_replied(struct vfio_user *v, const struct vfio_message *m);
/* Makes messages of what waits. */
void vfio_dma_send(struct vfio_user *v);
/* Ends all transfers that touch [address, last]. */
void vfio_dma_cancel(struct vfio_user *v, uint64_t address, uint64_t last, int status);
/* The connection is lost. */
void vfio_dma_end(struct vfio_user *v);

/* vfio_user-irq.c */
int vfio_irq_init(struct vfio_user *v);
void vfio_irq_free(struct vfio_user *v);
int vfio_irq_info(struct vfio_user *v, struct vfio_message *m);
int vfio_irq_set(struct vfio_user *v, struct vfio_message *m);
void vfio_irq_end(struct vfio_user *v);

#endif
