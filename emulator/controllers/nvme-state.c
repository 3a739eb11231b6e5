/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-state.c - the life of the controller: enabled, stopping, reset, shut down (NVMe 1.4, 3.1.5,
 * 3.1.6, 7.3, 7.6).
 *
 * A reset first ends all I/O: namespaces in use are quiesced, and CSTS.RDY stays 1 until the last
 * command came back; completions are dropped in the meantime. Register writes may come in between,
 * and stay; CC.EN set again takes effect when the reset is over. A shutdown takes no more commands, lets
 * those that run end, then flushes all namespaces; normal and abrupt ones are alike.
 */
#include "controllers/nvme.h"

#include <string.h>

void nvme_settings_default(struct nvme_settings *set)
{
	*set = (struct nvme_settings){
		.cache = true, .over = NVME_TEMPERATURE_OVER, .timestamp_at = loop_now(),
	};
}

void nvme_fatal(struct nvme *n)
{
	n->csts |= NVME_CSTS_CFS;
	n->halted = true;
}

/* ---------------------------------------------------------------------------------- enabling */

static bool admin_queues_new(struct nvme *n)
{
	uint32_t sq_size = (n->aqa & 0xfff) + 1, cq_size = (n->aqa >> 16 & 0xfff) + 1;
	struct nvme_cq *cq;

	if (sq_size < 2 || cq_size < 2 || n->asq % n->page || n->acq % n->page)
		return false;
	cq = nvme_cq_new(n, 0, n->acq, cq_size);
	if (!cq)
		return false;
	cq->interrupts = true;
	return nvme_sq_new(n, 0, cq, n->asq, sq_size) != NULL;
}

static void enable(struct nvme *n)
{
	unsigned shift = n->cc >> 7 & 0xf, commands = n->cc >> 4 & 7, arbitration = n->cc >> 11 & 7;

	n->page = 4096u << (shift > 4 ? 0 : shift);
	if (shift > 4 || commands || arbitration || !admin_queues_new(n)) {
		nvme_fatal(n);
		return;
	}
	n->state = NVME_READY;
	n->halted = false;
	n->csts = (n->csts & ~NVME_CSTS_SHST) | NVME_CSTS_RDY;
}

/* ---------------------------------------------------------------------------------- shutdown */

bool nvme_flush_next(struct nvme *n, struct device_request *rq, uint32_t *position)
{
	for (uint32_t i = *position + 1; i <= NVME_NAMESPACES; i++) {
		struct nvme_namespace *ns = &n->ns[i];

		if (!nvme_is_there(ns))
			continue;
		*position = i;
		rq->op = DEVICE_FLUSH;
		rq->flags = 0;
		rq->offset = rq->length = 0;
		rq->iovcnt = 0;
		ns->active++;
		device_submit(ns->device, rq);
		return true;
	}
	return false;
}

static bool is_shutting_down(const struct nvme *n)
{
	return (n->csts & NVME_CSTS_SHST) == NVME_CSTS_SHST_BUSY;
}

static void shutdown_flush(struct nvme *n)
{
	n->flushing = nvme_flush_next(n, &n->flush, &n->flush_position);
	if (n->flushing)
		n->active++;
	else
		n->csts = (n->csts & ~NVME_CSTS_SHST) | NVME_CSTS_SHST_DONE;
}

/* An error is not told: nobody could be. The device keeps it for its next flush. */
static void shutdown_flushed(struct device_request *rq)
{
	struct nvme *n = rq->opaque;
	struct nvme_namespace *ns = &n->ns[n->flush_position];

	n->active--;
	ns->active--;
	n->flushing = false;
	if (n->flush_again)
		n->flush_position = 0;
	else if (n->state != NVME_STOPPING && is_shutting_down(n))
		shutdown_flush(n);
	n->flush_again = false;
	nvme_namespace_idle(ns);
	nvme_drained(n);
}

static void shut_down(struct nvme *n)
{
	n->halted = true;
	n->csts = (n->csts & ~NVME_CSTS_SHST) | NVME_CSTS_SHST_BUSY;
	n->flush.done = shutdown_flushed;
	n->flush.opaque = n;
	if (n->flushing)
		n->flush_again = true;	/* an earlier one's that the host did not wait for */
	else
		n->flush_position = 0;
	nvme_drained(n);
}

/* ------------------------------------------------------------------------------------ resets */

/* But the status, which tells of the end. */
static void reset_registers(struct nvme *n)
{
	n->cc = 0;
	n->aqa = 0;
	n->asq = n->acq = 0;
	n->intms = 0;
}

static void forget_queues(struct nvme *n)
{
	nvme_queues_free(n);
	memset(n->aborts, 0, sizeof(n->aborts));
	loop_timer_cancel(n->c.loop, &n->abort_timer);
	n->shadows = n->shadow_events = 0;
	n->signals[0] = n->signals[1] = 0;
	n->event_requests = 0;
	memset(n->event_pending, 0, sizeof(n->event_pending));
	memset(n->event_masked, 0, sizeof(n->event_masked));
}

static void reset_namespaces(struct nvme *n)
{
	for (unsigned i = 1; i <= NVME_NAMESPACES; i++) {
		struct nvme_namespace *ns = &n->ns[i];

		if (ns->stopped && ns->device)
			device_resume(ns->device);
		ns->stopped = ns->changed = false;
		ns->recovery = 0;
	}
}

static void stopped(struct nvme *n)
{
	bool report = n->report_reset;

	reset_namespaces(n);
	forget_queues(n);
	nvme_settings_default(&n->set);
	n->state = NVME_OFF;
	n->halted = n->report_reset = false;
	n->csts = 0;
	nvme_update_level(n);
	if (n->cc & NVME_CC_EN)
		enable(n);
	if (report)
		controller_reset_done(&n->c);
}

void nvme_drained(struct nvme *n)
{
	if (n->active || n->flushing)
		return;
	if (n->state != NVME_STOPPING) {
		if (is_shutting_down(n))
			shutdown_flush(n);
		return;
	}
	for (unsigned i = 1; i <= NVME_NAMESPACES; i++)
		if (n->ns[i].stopping)
			return;
	stopped(n);
}

static void namespace_stopped(void *opaque)
{
	struct nvme_namespace *ns = opaque;

	ns->stopping = false;
	ns->stopped = true;
	nvme_namespace_idle(ns);
	nvme_drained(ns->n);
}

void nvme_stop(struct nvme *n, bool full)
{
	if (full)
		reset_registers(n);
	if (n->state == NVME_STOPPING)
		return;
	n->state = NVME_STOPPING;
	n->intms = 0;
	for (unsigned i = 1; i <= NVME_NAMESPACES; i++) {
		struct nvme_namespace *ns = &n->ns[i];

		if (!ns->device || !ns->active)
			continue;
		ns->stopping = true;
		ns->stop.done = namespace_stopped;
		ns->stop.opaque = ns;
		device_quiesce(ns->device, &ns->stop);
	}
	nvme_drained(n);
}

void nvme_write_cc(struct nvme *n, uint32_t value)
{
	uint32_t old = n->cc;

	n->cc = value & NVME_CC_WRITABLE;
	if (n->state == NVME_STOPPING)
		return;
	if (old & ~value & NVME_CC_EN) {
		nvme_stop(n, false);
		return;
	}
	if (value & ~old & NVME_CC_EN)
		enable(n);
	if ((value & NVME_CC_SHN) && !(old & NVME_CC_SHN))
		shut_down(n);
}
