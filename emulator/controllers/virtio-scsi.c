/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-scsi.c - the SCSI host of virtio (virtio 1.2, 5.6).
 *
 *	queue 0		control: task management, asynchronous notification
 *	queue 1		events: hot plug, changed capacity
 *	queue 2...	requests: header, data out | response, data in
 *
 * A request goes through the bus of scsi.h in two steps with the guest's memory pinned in between:
 *
 *	take -> scsi_prepare -> dma_start -> scsi_submit -> command_done -> dma_finish -> finish
 *
 * While its unit has no room (struct room) it waits after scsi_prepare, where task management finds it.
 * Its structure comes from a list of unused ones, so that nothing is allocated once the guest's
 * depth has been reached.
 *
 * Limits: no bidirectional requests (INOUT), no protection information, no REPORT LUNS well-known
 * unit. Events that find no buffer are lost, and the next one says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "checked.h"
#include "controllers/controller.h"
#include "scsi/scsi.h"
#include "virtio/virtio.h"

enum { CONTROL_QUEUE, EVENT_QUEUE, REQUEST_QUEUE };

#define MOST_TARGETS 256u
#define MOST_QUEUES 64u
#define DEFAULT_QUEUES 4u		/* as VirtualBox has it */
#define QUEUE_SIZE 256			/* entries; two more than seg_max are needed without indirect */

enum {					/* features */
	F_HOTPLUG = 1 << 1,
	F_CHANGE = 1 << 2,
};

enum {					/* the configuration space */
	CONFIG_NUM_QUEUES = 0,
	CONFIG_SEG_MAX = 4,
	CONFIG_MAX_SECTORS = 8,
	CONFIG_CMD_PER_LUN = 12,
	CONFIG_EVENT_INFO_SIZE = 16,
	CONFIG_SENSE_SIZE = 20,
	CONFIG_CDB_SIZE = 24,
	CONFIG_MAX_CHANNEL = 28,
	CONFIG_MAX_TARGET = 30,
	CONFIG_MAX_LUN = 32,
	CONFIG_SIZE = 36,
};

#define SEG_MAX 126
#define MAX_SECTORS 0x10000
#define CMD_PER_LUN 128
#define SENSE_SIZE 96			/* until the driver says otherwise */
#define SENSE_SIZE_MOST 4096u
#define CDB_SIZE 32
#define CDB_SIZE_MOST 255u

enum {					/* responses */
	S_OK = 0,
	S_OVERRUN = 1,
	S_ABORTED = 2,
	S_BAD_TARGET = 3,
	S_RESET = 4,
	S_FAILURE = 9,
	S_FUNCTION_SUCCEEDED = 10,
	S_FUNCTION_REJECTED = 11,
	S_INCORRECT_LUN = 12,
};

/* A request's header is these, then the CDB. */
enum { REQ_LUN = 0, REQ_ID = 8, REQ_ATTRIBUTE = 16, REQ_CDB = 19 };
/* A response is these, then sense data. */
enum { RESP_SENSE_LEN = 0, RESP_RESIDUAL = 4, RESP_STATUS = 10, RESP_RESPONSE = 11, RESP_SENSE = 12 };

enum { CTRL_TMF = 0, CTRL_AN_QUERY = 1, CTRL_AN_SUBSCRIBE = 2 };
enum { TMF_SUBTYPE = 4, TMF_LUN = 8, TMF_ID = 16, TMF_SIZE = 24 };
enum { AN_LUN = 4, AN_SIZE = 16, AN_RESPONSE_SIZE = 5 };

enum {
	EVENT_NONE = 0,
	EVENT_TRANSPORT_RESET = 1,
	EVENT_PARAM_CHANGE = 3,
	EVENT_SIZE = 16,
	RESET_RESCAN = 1,
	RESET_REMOVED = 2,
	CAPACITY_CHANGED = 0x2a | 0x09 << 8,	/* additional sense code and qualifier */
};
#define EVENTS_MISSED 0x80000000u

/* What commands such as WRITE SAME may work in, besides the data. */
#define WORK_ROOM (1u << 20)

struct virtio_scsi;
struct request;

/* What the commands of one unit may take, and those that wait for some of it. It stays when the unit
 * goes, for commands may outlive that, and for the next one there. */
struct room {
	struct virtio_scsi *s;
	unsigned target, lun;
	struct dma_budget budget;
	struct request *first, *last;
	struct loop_task go_on;
	struct room *next;
};

struct request {
	struct scsi_command cmd;
	struct virtio_queue *queue;
	struct virtio_chain chain;
	struct dma dma;
	uint32_t sense_size;		/* when it was taken */
	uint64_t data;			/* bytes that the guest gives or has room for */
	uint8_t response;
	uint64_t header, out, in;	/* bytes: of the header, of data each way */
	struct room *room;		/* NULL until it is prepared */
	uint64_t charge;		/* memory it may take */
	bool started;			/* its data is pinned */
	struct request *next;		/* in the list of unused ones, or in its room's */
};

/* A task management function. */
struct control {
	struct scsi_task task;
	struct virtio_queue *queue;
	struct virtio_chain chain;
	struct control *next;		/* in the list of unused ones */
};

struct virtio_scsi {
	struct controller c;
	struct virtio_device v;
	struct scsi_bus *bus;
	unsigned targets;
	uint32_t sense_size, cdb_size;	/* as the driver has them */
	bool events_missed;
	struct virtio_chain event;	/* kept for its array */
	struct room *rooms;		/* one for each address that had a unit */
	struct room nowhere;		/* for commands to none */
	struct request *unused;
	struct control *unused_control;
	unsigned in_flight;		/* requests and controls */
	struct scsi_task power_on;	/* of a reset */
	bool resetting, powered_on;
};

static struct virtio_scsi *of_controller(struct controller *c)
{
	return (struct virtio_scsi *)c;
}

static struct virtio_scsi *of_device(struct virtio_device *v)
{
	return (struct virtio_scsi *)v->c;
}

static void check_reset(struct virtio_scsi *s);
static void command_done(struct scsi_command *cmd);

/* ------------------------------------------------------------------------------------ requests */

static struct request *request_get(struct virtio_scsi *s)
{
	struct request *rq = s->unused;

	if (rq) {
		s->unused = rq->next;
		return rq;
	}
	rq = calloc(1, sizeof(*rq));
	if (!rq)
		return NULL;
	dma_init(&rq->dma, s->c.memory, rq);
	rq->cmd.done = command_done;
	rq->cmd.opaque = rq;
	return rq;
}

static void request_put(struct virtio_scsi *s, struct request *rq)
{
	rq->next = s->unused;
	s->unused = rq;
}

static struct virtio_scsi *of_request(const struct request *rq)
{
	return of_device(rq->queue->device);
}

static uint8_t response_of(enum scsi_response response)
{
	switch (response) {
	case SCSI_COMPLETE:
		return S_OK;
	case SCSI_NO_TARGET:
	case SCSI_GONE:
		return S_BAD_TARGET;
	case SCSI_ABORTED:
		return S_ABORTED;
	case SCSI_RESET:
		return S_RESET;
	}
	return S_FAILURE;
}

/* The whole response with all its room for sense, so that no old memory is taken for it. */
static bool write_response(struct virtio_scsi *s, struct request *rq)
{
	static const uint8_t zeros[SENSE_SIZE_MOST];
	const struct scsi_command *cmd = &rq->cmd;
	bool ok = rq->response == S_OK;
	uint32_t sense = ok ? (uint32_t)min_u64(cmd->sense_length, rq->sense_size) : 0;
	uint64_t residual = rq->data - (ok ? min_u64(cmd->transferred, rq->data) : 0);
	uint8_t head[RESP_SENSE + SCSI_SENSE_MAX] = {0};

	put_le32(head + RESP_SENSE_LEN, sense);
	put_le32(head + RESP_RESIDUAL, (uint32_t)min_u64(residual, UINT32_MAX));
	head[RESP_STATUS] = ok ? (uint8_t)cmd->status : 0;
	head[RESP_RESPONSE] = rq->response;
	memcpy(head + RESP_SENSE, cmd->sense, sense);
	if (rq->sense_size <= SCSI_SENSE_MAX)
		return virtio_chain_write(&rq->chain, s->c.memory, 0, head,
					  RESP_SENSE + rq->sense_size);
	return virtio_chain_write(&rq->chain, s->c.memory, 0, head, sizeof(head)) &&
	       virtio_chain_write(&rq->chain, s->c.memory, sizeof(head), zeros,
				  rq->sense_size - SCSI_SENSE_MAX);
}

static bool is_plain(uint8_t opcode)
{
	static const uint8_t plain[] = {0x08, 0x0a, 0x28, 0x2a, 0x88, 0x8a, 0xa8, 0xaa};

	return memchr(plain, opcode, sizeof(plain)) != NULL;
}

static void charge(struct request *rq)
{
	dma_charge(&rq->room->budget, &rq->charge,
		   rq->cmd.length + (is_plain(rq->cmd.cdb[0]) ? 0 : WORK_ROOM));
}

static void finish(struct request *rq)
{
	struct virtio_scsi *s = of_request(rq);
	uint32_t written = RESP_SENSE + rq->sense_size;

	if (rq->cmd.direction == SCSI_DATA_IN && rq->response == S_OK && rq->started)
		written += (uint32_t)rq->cmd.transferred;
	if (!s->resetting && !write_response(s, rq))
		virtio_break(&s->v, "a response that does not lie in guest memory");
	virtio_push(rq->queue, &rq->chain, (uint32_t)min_u64(written, rq->chain.in));
	if (rq->room)
		dma_discharge(&rq->room->budget, &rq->charge);
	request_put(s, rq);
	s->in_flight--;
	check_reset(s);
}

static void finish_with(struct request *rq, uint8_t response)
{
	rq->response = response;
	finish(rq);
}

static void data_done(struct dma *d, int status)
{
	struct request *rq = d->opaque;

	if (status && rq->response == S_OK)
		rq->response = S_FAILURE;
	finish(rq);
}

static void command_done(struct scsi_command *cmd)
{
	struct request *rq = cmd->opaque;

	rq->response = response_of(cmd->response);
	rq->dma.moved = cmd->transferred;
	if (rq->started)
		dma_finish(&rq->dma, data_done);
	else
		finish(rq);
}

static void data_ready(struct dma *d, int status)
{
	struct request *rq = d->opaque;

	if (status) {
		scsi_drop(&rq->cmd);
		finish_with(rq, S_FAILURE);
		return;
	}
	rq->started = true;
	scsi_submit(&rq->cmd, d->iov, d->iovcnt, d->length);
}

/* What is asked for must be there; what is there beyond that stays untouched. */
static void move_data(struct request *rq)
{
	struct scsi_command *cmd = &rq->cmd;
	bool from_device = cmd->direction == SCSI_DATA_IN;
	enum dma_direction part = from_device ? DMA_FROM_DEVICE : DMA_TO_DEVICE;
	int r;

	if (cmd->length > (from_device ? rq->in : rq->out)) {
		scsi_drop(cmd);
		finish_with(rq, S_OVERRUN);
		return;
	}
	dma_reset(&rq->dma);
	r = virtio_chain_to_dma(&rq->chain, part, from_device ? RESP_SENSE + rq->sense_size : rq->header,
				cmd->length, &rq->dma);
	if (r) {
		scsi_drop(cmd);
		finish_with(rq, S_FAILURE);
		return;
	}
	dma_start(&rq->dma, part, data_ready);
}

/* Byte 0 is 1, then the target, then a single level LUN as SAM has it. False: no such form. */
static bool parse_lun(const uint8_t *lun, unsigned *target, uint64_t *encoded)
{
	if (lun[0] != 1 || le32(lun + 4))
		return false;
	*target = lun[1];
	*encoded = (uint64_t)be16(lun + 2) << 48;
	return true;
}

static bool parse_request(struct request *rq, const uint8_t *header, uint32_t cdb_size)
{
	static const enum scsi_attribute attribute[] = {
		SCSI_SIMPLE, SCSI_ORDERED, SCSI_HEAD_OF_QUEUE, SCSI_ACA,
	};
	struct scsi_command *cmd = &rq->cmd;

	if (!parse_lun(header + REQ_LUN, &cmd->target, &cmd->lun))
		return false;
	cmd->tag = le64(header + REQ_ID);
	cmd->attribute = header[REQ_ATTRIBUTE] < ARRAY_SIZE(attribute) ?
			 attribute[header[REQ_ATTRIBUTE]] : SCSI_SIMPLE;
	cmd->cdb_length = (unsigned)min_u64(cdb_size, SCSI_CDB_MAX);
	memcpy(cmd->cdb, header + REQ_CDB, cmd->cdb_length);
	memset(cmd->cdb + cmd->cdb_length, 0, SCSI_CDB_MAX - cmd->cdb_length);
	return true;
}

/* --------------------------------------------------------------------------------- their room */

static struct room *room_find(struct virtio_scsi *s, unsigned target, int lun)
{
	struct room *r = s->rooms;

	while (r && (r->target != target || (int)r->lun != lun))
		r = r->next;
	return r;
}

static void go_on(struct request *rq)
{
	charge(rq);
	if (rq->cmd.direction == SCSI_NO_DATA || !rq->cmd.length)
		scsi_submit(&rq->cmd, NULL, 0, 0);
	else
		move_data(rq);
}

static void hold(struct request *rq)
{
	struct room *r = rq->room;

	rq->next = NULL;
	if (r->first)
		r->last->next = rq;
	else
		r->first = rq;
	r->last = rq;
}

static struct request *take_held(struct room *r)
{
	struct request *rq = r->first;

	r->first = rq->next;
	return rq;
}

static void room_go_on(void *opaque)
{
	struct room *r = opaque;

	while (r->first && !dma_budget_spent(&r->budget))
		go_on(take_held(r));
}

static void budget_changed(void *opaque, bool spent)
{
	struct room *r = opaque;

	if (!spent && r->first)
		loop_defer(r->s->c.loop, &r->go_on);
}

static void room_init(struct virtio_scsi *s, struct room *r, unsigned target, unsigned lun)
{
	*r = (struct room){
		.s = s, .target = target, .lun = lun,
		.budget = {.changed = budget_changed, .opaque = r},
		.go_on = {.run = room_go_on, .opaque = r},
	};
}

static int room_add(struct virtio_scsi *s, unsigned target, unsigned lun)
{
	struct room *r;

	if (room_find(s, target, (int)lun))
		return 0;
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	room_init(s, r, target, lun);
	r->next = s->rooms;
	s->rooms = r;
	return 0;
}

static void rooms_free(struct virtio_scsi *s)
{
	loop_undefer(s->c.loop, &s->nowhere.go_on);
	while (s->rooms) {
		struct room *r = s->rooms;

		s->rooms = r->next;
		loop_undefer(s->c.loop, &r->go_on);
		free(r);
	}
}

/* What task management or a detach ended while it was held ends now: it needs no room for that. */
static void end_held(struct room *r)
{
	struct request *rq = r->first, *next;

	r->first = NULL;
	for (; rq; rq = next) {
		next = rq->next;
		if (scsi_is_ending(&rq->cmd))
			scsi_submit(&rq->cmd, NULL, 0, 0);
		else
			hold(rq);
	}
}

static void end_all_held(struct virtio_scsi *s)
{
	end_held(&s->nowhere);
	for (struct room *r = s->rooms; r; r = r->next)
		end_held(r);
}

static void begin_request(struct virtio_scsi *s, struct request *rq)
{
	uint8_t header[REQ_CDB + CDB_SIZE_MOST];
	uint64_t header_size = REQ_CDB + s->cdb_size, response_size = RESP_SENSE + rq->sense_size;

	if (!virtio_chain_read(&rq->chain, s->c.memory, 0, header, header_size)) {
		finish_with(rq, S_FAILURE);
		return;
	}
	rq->header = header_size;
	rq->out = rq->chain.out - header_size;
	rq->in = rq->chain.in - response_size;
	rq->data = rq->out + rq->in;
	if (rq->out && rq->in) {
		finish_with(rq, S_FAILURE);
		return;
	}
	if (!parse_request(rq, header, s->cdb_size)) {
		finish_with(rq, S_BAD_TARGET);
		return;
	}
	if (!scsi_prepare(s->bus, &rq->cmd)) {
		finish_with(rq, response_of(rq->cmd.response));
		return;
	}
	rq->room = room_find(s, rq->cmd.target, scsi_lun_decode(rq->cmd.lun));
	if (!rq->room)
		rq->room = &s->nowhere;
	if (rq->room->first || dma_budget_spent(&rq->room->budget))
		hold(rq);
	else
		go_on(rq);
}

static bool take_request(struct virtio_queue *q)
{
	struct virtio_scsi *s = of_device(q->device);
	struct request *rq = request_get(s);

	if (!rq) {
		virtio_break(&s->v, "out of memory");
		return false;
	}
	if (!virtio_pop(q, &rq->chain)) {
		request_put(s, rq);
		return false;
	}
	s->in_flight++;
	rq->queue = q;
	rq->started = false;
	rq->response = S_OK;
	rq->data = rq->charge = 0;
	rq->room = NULL;
	rq->cmd.direction = SCSI_NO_DATA;
	rq->cmd.sense_length = 0;
	/* A response without its sense can still say that something is wrong. */
	rq->sense_size = (uint32_t)min_u64(s->sense_size, rq->chain.in < RESP_SENSE ? 0 :
					   rq->chain.in - RESP_SENSE);
	if (rq->chain.in < RESP_SENSE)
		virtio_break(&s->v, "a request without room for a response");
	if (rq->sense_size < s->sense_size)
		finish_with(rq, S_FAILURE);
	else
		begin_request(s, rq);
	return true;
}

/* ------------------------------------------------------------------------------------- control */

static void control_put(struct virtio_scsi *s, struct control *ct)
{
	ct->next = s->unused_control;
	s->unused_control = ct;
}

static struct control *control_get(struct virtio_scsi *s)
{
	struct control *ct = s->unused_control;

	if (!ct)
		return calloc(1, sizeof(*ct));
	s->unused_control = ct->next;
	return ct;
}

static void control_finish(struct control *ct, const void *response, uint32_t n)
{
	struct virtio_scsi *s = of_device(ct->queue->device);

	if (!s->resetting && !virtio_chain_write(&ct->chain, s->c.memory, 0, response, n))
		virtio_break(&s->v, "a control request without room for a response");
	virtio_push(ct->queue, &ct->chain, (uint32_t)min_u64(n, ct->chain.in));
	control_put(s, ct);
	s->in_flight--;
	check_reset(s);
}

static void task_done(struct scsi_task *task)
{
	static const uint8_t responses[] = {
		[SCSI_FUNCTION_COMPLETE] = S_OK,
		[SCSI_FUNCTION_SUCCEEDED] = S_FUNCTION_SUCCEEDED,
		[SCSI_FUNCTION_REJECTED] = S_FUNCTION_REJECTED,
		[SCSI_FUNCTION_INCORRECT_LUN] = S_INCORRECT_LUN,
		[SCSI_FUNCTION_NO_TARGET] = S_BAD_TARGET,
	};

	control_finish(task->opaque, &responses[task->response], 1);
}

static void manage(struct virtio_scsi *s, struct control *ct, const uint8_t *request)
{
	static const enum scsi_function functions[] = {
		SCSI_ABORT_TASK, SCSI_ABORT_TASK_SET, SCSI_CLEAR_ACA, SCSI_CLEAR_TASK_SET,
		SCSI_I_T_NEXUS_RESET, SCSI_LUN_RESET, SCSI_QUERY_TASK, SCSI_QUERY_TASK_SET,
	};
	uint32_t subtype = le32(request + TMF_SUBTYPE);
	struct scsi_task *task = &ct->task;
	uint8_t response = S_FUNCTION_REJECTED;

	*task = (struct scsi_task){.done = task_done, .opaque = ct, .tag = le64(request + TMF_ID)};
	if (subtype < ARRAY_SIZE(functions)) {
		task->function = functions[subtype];
		if (parse_lun(request + TMF_LUN, &task->target, &task->lun)) {
			scsi_manage(s->bus, task);
			end_all_held(s);
			return;
		}
		response = S_BAD_TARGET;
	}
	control_finish(ct, &response, 1);
}

/* Disks have no events of the kind that is asked for; drives with media may. */
static void notifications(struct virtio_scsi *s, struct control *ct, const uint8_t *request)
{
	uint8_t response[AN_RESPONSE_SIZE] = {0};
	uint64_t lun;
	unsigned target;

	if (!parse_lun(request + AN_LUN, &target, &lun) || !scsi_bus_has_target(s->bus, target))
		response[4] = S_BAD_TARGET;
	control_finish(ct, response, sizeof(response));
}

static void begin_control(struct virtio_scsi *s, struct control *ct)
{
	uint8_t request[TMF_SIZE] = {0};
	uint8_t response = S_FAILURE;
	uint64_t length = min_u64(ct->chain.out, sizeof(request));
	bool there = virtio_chain_read(&ct->chain, s->c.memory, 0, request, length);
	uint32_t type = le32(request);

	if (there && type == CTRL_TMF && length >= TMF_SIZE)
		manage(s, ct, request);
	else if (there && (type == CTRL_AN_QUERY || type == CTRL_AN_SUBSCRIBE) &&
		 length >= AN_SIZE)
		notifications(s, ct, request);
	else
		control_finish(ct, &response, 1);
}

static bool take_control(struct virtio_queue *q)
{
	struct virtio_scsi *s = of_device(q->device);
	struct control *ct = control_get(s);

	if (!ct) {
		virtio_break(&s->v, "out of memory");
		return false;
	}
	if (!virtio_pop(q, &ct->chain)) {
		control_put(s, ct);
		return false;
	}
	ct->queue = q;
	s->in_flight++;
	begin_control(s, ct);
	return true;
}

/* -------------------------------------------------------------------------------------- events */

/* False: there is no buffer. */
static bool send_event(struct virtio_scsi *s, uint32_t event, unsigned target, unsigned lun,
		       uint32_t reason)
{
	struct virtio_queue *q = &s->v.queue[EVENT_QUEUE];
	uint8_t bytes[EVENT_SIZE] = {0};
	uint32_t n;

	if (!virtio_pop(q, &s->event))
		return false;
	put_le32(bytes, event | (s->events_missed ? EVENTS_MISSED : 0));
	if (event != EVENT_NONE) {
		/* As REPORT LUNS has it: Linux takes the two bytes for a number. */
		bytes[4] = 1;
		bytes[5] = (uint8_t)target;
		put_be16(bytes + 6, (uint16_t)(scsi_lun(lun) >> 48));
	}
	put_le32(bytes + 12, reason);
	/* One that does not fit is lost, and the next one says so. */
	s->events_missed = s->event.in < EVENT_SIZE;
	n = (uint32_t)min_u64(s->event.in, EVENT_SIZE);
	if (s->events_missed)
		put_le32(bytes, EVENT_NONE | EVENTS_MISSED);
	if (!virtio_chain_write(&s->event, s->c.memory, 0, bytes, n))
		virtio_break(&s->v, "an event's buffer that does not lie in guest memory");
	virtio_push(q, &s->event, n);
	return true;
}

/* Perhaps the driver put buffers there. */
static bool serve_events(struct virtio_scsi *s)
{
	if (s->events_missed)
		send_event(s, EVENT_NONE, 0, 0, 0);
	return s->events_missed;
}

static void bus_changed(void *opaque, unsigned target, unsigned lun, enum scsi_change change)
{
	struct virtio_scsi *s = opaque;
	bool resized = change == SCSI_UNIT_RESIZED;
	uint32_t reason = resized ? CAPACITY_CHANGED :
			  change == SCSI_UNIT_ADDED ? RESET_RESCAN : RESET_REMOVED;

	if (!virtio_is_live(&s->v) || !virtio_has(&s->v, resized ? F_CHANGE : F_HOTPLUG))
		return;
	if (!send_event(s, resized ? EVENT_PARAM_CHANGE : EVENT_TRANSPORT_RESET, target, lun,
			reason))
		s->events_missed = true;
	if (s->events_missed)
		virtio_mark(&s->v.queue[EVENT_QUEUE]);
}

/* ----------------------------------------------------------------------------- the virtio device */

static void config_read(struct virtio_device *v, uint32_t offset, void *buf, uint32_t n)
{
	struct virtio_scsi *s = of_device(v);
	uint8_t image[CONFIG_SIZE] = {0};

	put_le32(image + CONFIG_NUM_QUEUES, v->queues - REQUEST_QUEUE);
	put_le32(image + CONFIG_SEG_MAX, SEG_MAX);
	put_le32(image + CONFIG_MAX_SECTORS, MAX_SECTORS);
	put_le32(image + CONFIG_CMD_PER_LUN, CMD_PER_LUN);
	put_le32(image + CONFIG_EVENT_INFO_SIZE, EVENT_SIZE);
	put_le32(image + CONFIG_SENSE_SIZE, s->sense_size);
	put_le32(image + CONFIG_CDB_SIZE, s->cdb_size);
	/* The highest ones, not how many there are. */
	put_le16(image + CONFIG_MAX_TARGET, (uint16_t)(s->targets - 1));
	put_le32(image + CONFIG_MAX_LUN, SCSI_LUN_MAX);
	memcpy(buf, image + offset, n);
}

/* Sizes beyond what is reasonable leave the ones that were. */
static void config_write(struct virtio_device *v, uint32_t offset, const void *buf, uint32_t n)
{
	struct virtio_scsi *s = of_device(v);
	uint32_t value;

	if (n != 4)
		return;
	value = le32(buf);
	if (offset == CONFIG_SENSE_SIZE && value <= SENSE_SIZE_MOST)
		s->sense_size = value;
	else if (offset == CONFIG_CDB_SIZE && value && value <= CDB_SIZE_MOST)
		s->cdb_size = value;
}

static bool serve(struct virtio_queue *q)
{
	if (q->index == CONTROL_QUEUE)
		return take_control(q);
	if (q->index == EVENT_QUEUE)
		return serve_events(of_device(q->device));
	return take_request(q);
}

static void check_reset(struct virtio_scsi *s)
{
	if (!s->resetting || !s->powered_on || s->in_flight)
		return;
	s->resetting = false;
	s->sense_size = SENSE_SIZE;
	s->cdb_size = CDB_SIZE;
	s->events_missed = false;
	virtio_reset_done(&s->v);
}

static void powered_on(struct scsi_task *task)
{
	struct virtio_scsi *s = task->opaque;

	s->powered_on = true;
	check_reset(s);
}

static void reset_device(struct virtio_device *v)
{
	struct virtio_scsi *s = of_device(v);

	s->resetting = true;
	s->powered_on = false;
	s->power_on = (struct scsi_task){
		.function = SCSI_POWER_ON, .done = powered_on, .opaque = s,
	};
	scsi_manage(s->bus, &s->power_on);
	end_all_held(s);
}

static const struct virtio_device_ops device_ops = {
	.config_read = config_read,
	.config_write = config_write,
	.serve = serve,
	.reset = reset_device,
};

/* ---------------------------------------------------------------------------------- controller */

static void virtio_scsi_unrealize(struct controller *c)
{
	struct virtio_scsi *s = of_controller(c);

	virtio_free(&s->v);
	scsi_bus_free(s->bus);
	rooms_free(s);
	virtio_chain_free(&s->event);
	while (s->unused) {
		struct request *rq = s->unused;

		s->unused = rq->next;
		virtio_chain_free(&rq->chain);
		dma_free(&rq->dma);
		free(rq);
	}
	while (s->unused_control) {
		struct control *ct = s->unused_control;

		s->unused_control = ct->next;
		virtio_chain_free(&ct->chain);
		free(ct);
	}
}

static int make_bus(struct virtio_scsi *s, struct vd_error *err)
{
	struct scsi_bus_options o = {
		.loop = s->c.loop, .targets = s->targets, .luns = SCSI_LUN_MAX + 1,
		.autosense = true, .max_transfer = MAX_SECTORS * 512u,
		.changed = bus_changed, .opaque = s,
	};
	int r = scsi_bus_new(&o, &s->bus);

	if (r && err)
		snprintf(err->text, sizeof(err->text), "%s: %s", s->c.name, strerror(-r));
	return r;
}

static int virtio_scsi_realize(struct controller *c, struct vd_error *err)
{
	struct virtio_scsi *s = of_controller(c);
	uint64_t targets = MOST_TARGETS, queues = DEFAULT_QUEUES;
	struct virtio_options o = {
		.type = 8, .revision = 1, .class_code = 0x010000,
		.features = F_HOTPLUG | F_CHANGE, .queue_size = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
	};
	int r = option_number(&c->options, "targets", 1, MOST_TARGETS, &targets, err);

	if (!r)
		r = option_number(&c->options, "queues", 1, MOST_QUEUES, &queues, err);
	if (r)
		return r;
	s->targets = (unsigned)targets;
	s->sense_size = SENSE_SIZE;
	s->cdb_size = CDB_SIZE;
	room_init(s, &s->nowhere, 0, 0);
	o.queues = REQUEST_QUEUE + (unsigned)queues;
	r = virtio_init(&s->v, c, &device_ops, &o, err);
	if (!r)
		r = make_bus(s, err);
	if (r) {
		virtio_free(&s->v);
		return r;
	}
	s->v.queue[EVENT_QUEUE].passive = true;
	return 0;
}

static void virtio_scsi_read(struct controller *c, unsigned bar, uint64_t offset, void *buf,
			     uint32_t n)
{
	virtio_pci_read(&of_controller(c)->v, bar, offset, buf, n);
}

static void virtio_scsi_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
			      uint32_t n)
{
	virtio_pci_write(&of_controller(c)->v, bar, offset, buf, n);
}

static void virtio_scsi_reset(struct controller *c)
{
	virtio_reset(&of_controller(c)->v);
}

static int virtio_scsi_attach(struct controller *c, struct device *d,
			      const struct option_values *address, struct vd_error *err)
{
	struct virtio_scsi *s = of_controller(c);
	uint64_t target = 0, lun = 0;
	unsigned free_target = 0, free_lun = 0;
	int r = option_number(address, "target", 0, s->targets - 1, &target, err);

	if (!r)
		r = option_number(address, "lun", 0, SCSI_LUN_MAX, &lun, err);
	if (r)
		return r;
	if (!option_get(address, "target") && !option_get(address, "lun")) {
		r = scsi_bus_free_address(s->bus, &free_target, &free_lun);
		target = free_target;
		lun = free_lun;
	}
	if (!r)
		r = room_add(s, (unsigned)target, (unsigned)lun);
	if (!r)
		r = scsi_bus_attach(s->bus, (unsigned)target, (unsigned)lun, d);
	if (r && err && r == -EBUSY)
		snprintf(err->text, sizeof(err->text), "%s: target %u, lun %u has a disk already",
			 c->name, (unsigned)target, (unsigned)lun);
	else if (r && err && r == -ENOSPC)
		snprintf(err->text, sizeof(err->text), "%s: all %u targets have disks", c->name,
			 s->targets);
	else if (r && err)
		snprintf(err->text, sizeof(err->text), "%s: %s", c->name, strerror(-r));
	return r;
}

static void gone(void *opaque, struct device *d)
{
	controller_detached(opaque, d);
}

static void virtio_scsi_detach(struct controller *c, struct device *d)
{
	scsi_bus_detach(of_controller(c)->bus, d, gone, c);
	end_all_held(of_controller(c));
}

static void virtio_scsi_changed(struct controller *c, struct device *d, enum device_change change)
{
	if (change == DEVICE_RESIZED)
		scsi_bus_resized(of_controller(c)->bus, d);
}

static void virtio_scsi_address(struct controller *c, struct device *d, char *text, size_t room)
{
	unsigned target = 0, lun = 0;

	scsi_bus_address(of_controller(c)->bus, d, &target, &lun);
	snprintf(text, room, "target=%u,lun=%u", target, lun);
}

static const struct controller_option options[] = {
	{"targets", "how many SCSI targets there are, 1 to 256 (256)"},
	{"queues", "request queues, 1 to 64 (4)"},
	VIRTIO_CONTROLLER_OPTIONS,
	{NULL, NULL}
};

static const struct controller_option disk_options[] = {
	{"target", "the SCSI target, from 0 (the first without disks)"},
	{"lun", "the logical unit of the target, 0 to 16383 (0)"},
	{NULL, NULL}
};

const struct controller_type controller_virtio_scsi = {
	.name = "virtio-scsi",
	.summary = "virtio SCSI host, modern PCI interface",
	.size = sizeof(struct virtio_scsi),
	.options = options,
	.disk_options = disk_options,
	.realize = virtio_scsi_realize,
	.unrealize = virtio_scsi_unrealize,
	.read = virtio_scsi_read,
	.write = virtio_scsi_write,
	.reset = virtio_scsi_reset,
	.attach = virtio_scsi_attach,
	.detach = virtio_scsi_detach,
	.changed = virtio_scsi_changed,
	.address = virtio_scsi_address,
};
