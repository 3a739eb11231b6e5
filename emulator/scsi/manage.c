/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manage.c - task management (SAM-5, chapter 7).
 *
 * A function marks what it ends and takes the number of the next command; it is done when no
 * command with a lower number, that it covers, is in the task sets any more. Resets go through the
 * device's quiesce, so that storage which stalls cannot hold them up.
 */
#include "scsi/unit.h"

static bool is_reset(const struct scsi_task *t)
{
	switch (t->function) {
	case SCSI_LUN_RESET:
	case SCSI_TARGET_RESET:
	case SCSI_BUS_RESET:
	case SCSI_POWER_ON:
		return true;
	default:
		return false;
	}
}

static bool is_one_unit(const struct scsi_task *t)
{
	return t->function < SCSI_TARGET_RESET || t->function == SCSI_QUERY_TASK ||
	       t->function == SCSI_QUERY_TASK_SET;
}

static bool covers_unit(const struct scsi_task *t, const struct scsi_unit *u)
{
	if (is_one_unit(t))
		return t->unit == u;
	return t->function == SCSI_BUS_RESET || t->function == SCSI_POWER_ON ||
	       u->target == t->target;
}

static bool covers(const struct scsi_task *t, const struct scsi_command *cmd)
{
	if (cmd->serial >= t->serial)
		return false;
	switch (t->function) {
	case SCSI_ABORT_TASK:
	case SCSI_QUERY_TASK:
		return cmd->initiator == t->initiator && cmd->tag == t->tag;
	case SCSI_ABORT_TASK_SET:
	case SCSI_I_T_NEXUS_RESET:
	case SCSI_QUERY_TASK_SET:
		return cmd->initiator == t->initiator;
	default:
		return true;
	}
}

/* Commands of absent units stand together whatever their target; few, and soon over. */
static bool has_covered(const struct scsi_task *t, const struct scsi_unit *u)
{
	for (const struct scsi_command *cmd = u->first; cmd && cmd->serial < t->serial;
	     cmd = cmd->next)
		if (covers(t, cmd))
			return true;
	return false;
}

static bool is_done(const struct scsi_bus *bus, const struct scsi_task *t)
{
	if (is_one_unit(t))
		return !t->unit || !(has_covered(t, t->unit) ||
				     (is_reset(t) && t->unit->resetting));
	for (const struct scsi_unit *u = bus->units; u; u = u->next)
		if (covers_unit(t, u) && ((is_reset(t) && u->resetting) || has_covered(t, u)))
			return false;
	return !has_covered(t, &bus->absent);
}

void tasks_check(void *opaque)
{
	struct scsi_bus *bus = opaque;
	struct scsi_task **at = &bus->tasks, *t;

	while ((t = *at)) {
		if (!is_done(bus, t)) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		t->done(t);
		at = &bus->tasks;	/* done() may have changed the list */
	}
}

void tasks_forget_unit(struct scsi_bus *bus, const struct scsi_unit *u)
{
	for (struct scsi_task *t = bus->tasks; t; t = t->next)
		if (t->unit == u)
			t->unit = NULL;
	if (bus->tasks)
		loop_defer(bus->options.loop, &bus->check_tasks);
}

/* -------------------------------------------------------------------------------------- resets */

static void unit_quiesced(void *opaque)
{
	struct scsi_unit *u = opaque;

	u->resetting = false;
	if (!u->gone)
		device_resume(u->device);
	/* The held ones, or the end of a unit that is gone. */
	loop_defer(u->bus->options.loop, &u->kick);
	if (u->bus->tasks)
		loop_defer(u->bus->options.loop, &u->bus->check_tasks);
}

void unit_quiesce(struct scsi_unit *u)
{
	if (u->resetting)
		return;
	u->resetting = true;
	u->quiesce = (struct device_quiesce){.done = unit_quiesced, .opaque = u};
	device_quiesce(u->device, &u->quiesce);
}

static void abort_covered(const struct scsi_task *t, struct scsi_unit *u, enum scsi_response why)
{
	bool others = false;

	for (struct scsi_command *cmd = u->first; cmd; cmd = cmd->next) {
		if (!covers(t, cmd))
			continue;
		others |= cmd->initiator != t->initiator;
		command_abort(cmd, why);
	}
	if (others && t->function == SCSI_CLEAR_TASK_SET)
		unit_attention(u, ATTENTION_CLEARED, (int)t->initiator);
}

static void reset_unit(const struct scsi_task *t, struct scsi_unit *u)
{
	static const enum attention attention[] = {
		[SCSI_LUN_RESET] = ATTENTION_DEVICE_RESET,
		[SCSI_TARGET_RESET] = ATTENTION_DEVICE_RESET,
		[SCSI_BUS_RESET] = ATTENTION_BUS_RESET,
		[SCSI_POWER_ON] = ATTENTION_POWER_ON,
	};

	abort_covered(t, u, SCSI_RESET);
	if (!u->device || u->gone)
		return;
	unit_quiesce(u);
	unit_defaults(u, t->function == SCSI_POWER_ON);
	unit_attention(u, attention[t->function], -1);
}

static void reset_nexus(const struct scsi_task *t, struct scsi_unit *u)
{
	abort_covered(t, u, SCSI_RESET);
	if (!u->device || u->gone)
		return;
	u->initiator[t->initiator].prevents_removal = false;
	if (u->reserved_by == (int)t->initiator)
		u->reserved_by = -1;
	u->initiator[t->initiator].attentions |= 1 << ATTENTION_NEXUS_LOSS;
}

/* ---------------------------------------------------------------------------------- the request */

static bool find_unit(struct scsi_bus *bus, struct scsi_task *t)
{
	if (t->function == SCSI_BUS_RESET || t->function == SCSI_POWER_ON)
		return true;
	if (t->initiator >= initiators(bus) || !scsi_bus_has_target(bus, t->target)) {
		t->response = SCSI_FUNCTION_NO_TARGET;
		return false;
	}
	if (!is_one_unit(t))
		return true;
	t->unit = unit_find(bus, t->target, t->lun);
	if (!t->unit)
		t->response = SCSI_FUNCTION_INCORRECT_LUN;
	return t->unit;
}

static void manage(struct scsi_bus *bus, struct scsi_task *t)
{
	switch (t->function) {
	case SCSI_ABORT_TASK:
	case SCSI_ABORT_TASK_SET:
	case SCSI_CLEAR_TASK_SET:
		abort_covered(t, t->unit, SCSI_ABORTED);
		break;
	case SCSI_LUN_RESET:
		reset_unit(t, t->unit);
		break;
	case SCSI_TARGET_RESET:
	case SCSI_BUS_RESET:
	case SCSI_POWER_ON:
		for (struct scsi_unit *u = bus->units; u; u = u->next)
			if (covers_unit(t, u))
				reset_unit(t, u);
		reset_unit(t, &bus->absent);
		break;
	case SCSI_I_T_NEXUS_RESET:
		for (struct scsi_unit *u = bus->units; u; u = u->next)
			if (covers_unit(t, u))
				reset_nexus(t, u);
		reset_nexus(t, &bus->absent);
		break;
	case SCSI_QUERY_TASK:
	case SCSI_QUERY_TASK_SET:
		if (has_covered(t, t->unit))
			t->response = SCSI_FUNCTION_SUCCEEDED;
		t->serial = 0;		/* waits for nothing */
		break;
	default:
		t->response = SCSI_FUNCTION_REJECTED;
		t->serial = 0;
		break;
	}
}

void scsi_manage(struct scsi_bus *bus, struct scsi_task *t)
{
	t->response = SCSI_FUNCTION_COMPLETE;
	t->unit = NULL;
	t->serial = bus->serial;
	if (find_unit(bus, t))
		manage(bus, t);
	else
		t->serial = 0;
	t->next = bus->tasks;
	bus->tasks = t;
	loop_defer(bus->options.loop, &bus->check_tasks);
}
