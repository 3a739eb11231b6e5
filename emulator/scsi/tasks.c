/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tasks.c - commands on their way: the checks that all have in common, the task set and its order,
 * the device's part, the end.
 *
 *	IDLE -> PREPARED -> RUNNING -> IDLE
 *			 -> HELD -> RUNNING	behind an ordered command, or during a reset
 */
#include "scsi/unit.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------ task set */

static void link_command(struct scsi_command *cmd)
{
	struct scsi_unit *u = cmd->unit;

	cmd->next = NULL;
	cmd->previous = u->last;
	if (u->last)
		u->last->next = cmd;
	else
		u->first = cmd;
	u->last = cmd;
	cmd->serial = u->bus->serial++;
	cmd->state = STATE_PREPARED;
	cmd->ended = SCSI_COMPLETE;
	cmd->barrier = cmd->attribute == SCSI_ORDERED || (cmd->opcode->flags & EXCLUSIVE);
	u->barriers += cmd->barrier;
	u->bus->in_flight++;
}

static void unlink_command(struct scsi_command *cmd)
{
	struct scsi_unit *u = cmd->unit;

	if (u->cursor == cmd)
		u->cursor = cmd->next;
	if (cmd->previous)
		cmd->previous->next = cmd->next;
	else
		u->first = cmd->next;
	if (cmd->next)
		cmd->next->previous = cmd->previous;
	else
		u->last = cmd->previous;
	u->barriers -= cmd->barrier;
	u->held -= cmd->state == STATE_HELD;
	u->bus->in_flight--;
	cmd->state = STATE_IDLE;
}

static void kick(struct scsi_unit *u)
{
	loop_defer(u->bus->options.loop, &u->kick);
}

/* Out of the task set; who waited for that looks again. */
static void leave(struct scsi_command *cmd)
{
	struct scsi_unit *u = cmd->unit;

	unlink_command(cmd);
	free(cmd->work.buf);
	cmd->work.buf = NULL;
	if (u->held || u->gone)
		kick(u);
	if (u->bus->tasks)
		loop_defer(u->bus->options.loop, &u->bus->check_tasks);
}

void scsi_end(struct scsi_command *cmd)
{
	leave(cmd);
	if (cmd->ended != SCSI_COMPLETE) {
		cmd->response = cmd->ended;
		cmd->status = SCSI_TASK_ABORTED;
		cmd->sense_length = 0;
	}
	cmd->done(cmd);
}

void scsi_drop(struct scsi_command *cmd)
{
	if (cmd->state != STATE_IDLE)
		leave(cmd);
}

static void run(struct scsi_command *cmd)
{
	cmd->state = STATE_RUNNING;
	if (cmd->ended)
		scsi_end(cmd);
	else
		cmd->opcode->run(cmd);
}

/* Older barriers first; a barrier waits for all that is older (SAM-5, 8.2). */
static bool may_run(const struct scsi_command *cmd)
{
	const struct scsi_unit *u = cmd->unit;

	if (cmd->ended)
		return true;
	if (u->resetting)
		return false;
	if (cmd->barrier)
		return u->first == cmd;
	if (!u->barriers || cmd->attribute == SCSI_HEAD_OF_QUEUE)
		return true;
	for (const struct scsi_command *older = u->first; older != cmd; older = older->next)
		if (older->barrier)
			return false;
	return true;
}

/* may_run() for one walk from the oldest on, which has seen whether a barrier is in the way. */
static bool may_run_now(const struct scsi_command *cmd, bool barrier)
{
	if (cmd->ended)
		return true;
	if (cmd->unit->resetting)
		return false;
	if (cmd->barrier)
		return cmd->unit->first == cmd;
	return !barrier || cmd->attribute == SCSI_HEAD_OF_QUEUE;
}

/* Starts what may be started. Commands may come and go while it walks. */
void task_set_kick(void *opaque)
{
	struct scsi_unit *u = opaque;
	struct scsi_command *cmd;
	bool barrier = false;

	u->cursor = u->first;
	while ((cmd = u->cursor)) {
		bool is_barrier = cmd->barrier;

		u->cursor = cmd->next;
		if (cmd->state != STATE_HELD || !may_run_now(cmd, barrier)) {
			barrier |= is_barrier;
			continue;
		}
		u->held--;
		run(cmd);
		barrier |= is_barrier && u->first == cmd;
	}
	unit_check_gone(u);
}

void command_abort(struct scsi_command *cmd, enum scsi_response why)
{
	if (cmd->ended)
		return;
	cmd->ended = (uint8_t)why;
	if (cmd->state == STATE_RUNNING)
		device_cancel(&cmd->rq);
	else if (cmd->state == STATE_HELD)
		kick(cmd->unit);
}

/* ------------------------------------------------------------------------------ device's part */

static void io_done(struct device_request *rq)
{
	struct scsi_command *cmd = rq->opaque;

	if (!cmd->ended && !rq->status) {
		cmd->step(cmd);
		return;
	}
	if (rq->status)
		refuse_io(cmd, rq->op, rq->status, rq->offset / unit_block_size(cmd->unit));
	scsi_end(cmd);
}

void scsi_io(struct scsi_command *cmd, void (*next)(struct scsi_command *cmd))
{
	cmd->step = next;
	cmd->rq.done = io_done;
	cmd->rq.opaque = cmd;
	device_submit(cmd->unit->device, &cmd->rq);
}

void scsi_answer(struct scsi_command *cmd, const void *buf, uint64_t n)
{
	n = min_u64(n, min_u64(cmd->length, cmd->room));
	cmd->transferred = dma_fill(cmd->iov, cmd->iovcnt, 0, buf, n);
	scsi_end(cmd);
}

/* ------------------------------------------------------------------------------------- step one */

unsigned cdb_length(uint8_t opcode)
{
	static const uint8_t of_group[8] = {6, 10, 10, 0, 16, 12, 0, 0};

	return of_group[opcode >> 5];
}

bool opcode_is_there(const struct scsi_unit *u, const struct scsi_opcode *o)
{
	if ((o->flags & IF_DISCARD) && !device_can_discard(u->device))
		return false;
	return !((o->flags & IF_PRIVATE) && unit_is_shared(u));
}

/* The tables are sorted by opcode. */
const struct scsi_opcode *opcode_find(const struct scsi_unit *u, const uint8_t *cdb, bool *known)
{
	const struct scsi_opcode *table = u->type->opcodes;
	unsigned low = 0, high = u->type->opcode_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (table[middle].opcode < cdb[0])
			low = middle + 1;
		else
			high = middle;
	}
	*known = false;
	for (; low < u->type->opcode_count && table[low].opcode == cdb[0]; low++) {
		if (!opcode_is_there(u, &table[low]))
			continue;
		*known = true;
		if (table[low].service < 0 || table[low].service == (cdb[1] & 0x1f))
			return &table[low];
	}
	return NULL;
}

/* Bits that the table does not have. SCSI-2 initiators put the LUN into byte 1 of 6-byte cdbs. */
static bool check_usage(struct scsi_command *cmd)
{
	const struct scsi_opcode *o = cmd->opcode;
	unsigned length = o->length < 16 ? o->length : 16;

	if (cmd->cdb_length < o->length)
		return refuse_cdb(cmd, cmd->cdb_length, -1);
	for (unsigned i = 1; i < length; i++) {
		uint8_t wrong = cmd->cdb[i] & (uint8_t)~o->usage[i];

		if (i == 1 && o->length == 6)
			wrong &= 0x1f;
		if (wrong)
			return refuse_cdb(cmd, i, 31 - __builtin_clz(wrong));
	}
	return true;
}

static bool check_attention(struct scsi_command *cmd)
{
	struct sense s;

	if (!cmd->unit->initiator[cmd->initiator].attentions ||
	    !unit_take_attention(cmd->unit, cmd->initiator, &s))
		return true;
	return refuse(cmd, s.key, s.asc);
}

/* The order is SAM-5's (5.3.3): reservations, attentions, the cdb, the state of the medium. */
static bool check(struct scsi_command *cmd)
{
	struct scsi_unit *u = cmd->unit;
	bool known;
	const struct scsi_opcode *o = opcode_find(u, cmd->cdb, &known);
	unsigned flags = o ? o->flags : 0;

	if (u->reserved_by >= 0 && u->reserved_by != (int)cmd->initiator &&
	    !(flags & EVEN_RESERVED)) {
		cmd->status = SCSI_RESERVATION_CONFLICT;
		return false;
	}
	if (!(flags & EVEN_ATTENTION) && !check_attention(cmd))
		return false;
	if (!u->device && !(flags & EVEN_ABSENT))
		return refuse(cmd, ILLEGAL_REQUEST, ASC_NO_UNIT);
	if (!o)
		return known ? refuse_cdb(cmd, 1, 4) : refuse(cmd, ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	cmd->opcode = o;
	if (cmd->attribute == SCSI_ACA)
		return refuse(cmd, ILLEGAL_REQUEST, ASC_INVALID_MESSAGE);
	if (!check_usage(cmd))
		return false;
	if ((flags & NEEDS_READY) && u->stopped)
		return refuse(cmd, NOT_READY, ASC_NEED_START);
	if (o->prepare && !o->prepare(cmd))
		return false;
	if ((flags & WRITES) && unit_is_write_protected(u))
		return refuse(cmd, DATA_PROTECT, device_is_readonly(u->device) ? ASC_WRITE_PROTECTED :
			    ASC_SOFTWARE_WRITE_PROTECTED);
	return true;
}

bool scsi_prepare(struct scsi_bus *bus, struct scsi_command *cmd)
{
	cmd->bus = bus;
	cmd->direction = SCSI_NO_DATA;
	cmd->length = 0;
	cmd->response = SCSI_COMPLETE;
	cmd->status = SCSI_GOOD;
	cmd->sense_length = 0;
	cmd->transferred = 0;
	cmd->unit = unit_find(bus, cmd->target, cmd->lun);
	if (!cmd->unit) {
		cmd->unit = &bus->absent;
		if (!scsi_bus_has_target(bus, cmd->target) ||
		    cmd->initiator >= initiators(bus)) {
			cmd->response = SCSI_NO_TARGET;
			return false;
		}
	}
	if (cmd->initiator >= initiators(bus)) {
		cmd->response = SCSI_NO_TARGET;
		return false;
	}
	/* Sense that nobody asked for is lost with the next command (SPC-4, 6.39). */
	if (!bus->options.autosense && cmd->cdb[0] != 0x03)
		cmd->unit->initiator[cmd->initiator].sense = (struct sense){0};
	if (!check(cmd)) {
		cmd->direction = SCSI_NO_DATA;
		cmd->length = 0;
		return false;
	}
	link_command(cmd);
	return true;
}

/* ------------------------------------------------------------------------------------- step two */

void scsi_submit(struct scsi_command *cmd, const struct iovec *iov, int iovcnt, uint64_t room)
{
	cmd->iov = iov;
	cmd->iovcnt = iovcnt;
	cmd->room = room;
	if (cmd->direction == SCSI_DATA_OUT && room < cmd->length && !cmd->ended) {
		refuse(cmd, ABORTED_COMMAND, ASC_DATA_PHASE_ERROR);
		scsi_end(cmd);
		return;
	}
	if (may_run(cmd)) {
		run(cmd);
		return;
	}
	cmd->state = STATE_HELD;
	cmd->unit->held++;
}
