/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-admin.c - admin commands (NVMe 1.4, chapter 5) about queues and commands: create and delete,
 * abort, doorbell buffer config.
 *
 * A submission queue is deleted when all that was taken from it has ended: it is asked to. An abort
 * waits a while for its target, so that it can say truly whether that was aborted.
 */
#include "controllers/nvme.h"

#define ABORT_NS 500000000ull
#define CONTIGUOUS 1u
#define INTERRUPTS 2u

/* ------------------------------------------------------------------------------ create queues */

/* Entries are looked up one by one: with an IOMMU each page of a ring may be a region of its own. */
static bool is_mapped(struct guest_memory *m, uint64_t base, uint64_t length, unsigned access)
{
	return memory_at(m, base, NVME_CQE, access) && memory_reachable(m, base, length, access) &&
	       !memory_is_remote(m, base, length);
}

/* What both kinds have in common; *base and *size for the ring, whose entries have that length. */
static uint16_t check_ring(struct nvme_command *c, uint32_t entry, unsigned entry_log,
			   enum memory_access access, uint64_t *base, uint32_t *size)
{
	*base = le64(c->sqe + 24);
	*size = (nvme_dword(c, 10) >> 16) + 1;
	if (*size < 2 || *size > NVME_ENTRIES || 1u << entry_log != entry)
		return NVME_QUEUE_SIZE_INVALID | NVME_DNR;
	if (!(nvme_dword(c, 11) & CONTIGUOUS))
		return NVME_INVALID_FIELD | NVME_DNR;
	if (*base % c->n->page)
		return NVME_PRP_BAD_OFFSET | NVME_DNR;
	if (!is_mapped(c->n->c.memory, *base, (uint64_t)*size * entry, access))
		return NVME_DATA_TRANSFER_ERROR | NVME_DNR;
	return NVME_OK;
}

static uint16_t create_cq(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint32_t id = nvme_dword(c, 10) & 0xffff, vector = nvme_dword(c, 11) >> 16, size;
	struct nvme_cq *cq;
	uint64_t base;
	uint16_t status;

	if (!id || id > n->io_queues || n->cq[id])
		return NVME_QUEUE_ID_INVALID | NVME_DNR;
	status = check_ring(c, NVME_CQE, n->cc >> 20 & 0xf, MEMORY_WRITE, &base, &size);
	if (status)
		return status;
	if (vector > n->io_queues)
		return NVME_VECTOR_INVALID | NVME_DNR;
	cq = nvme_cq_new(n, id, base, size);
	if (!cq)
		return NVME_INTERNAL_ERROR;
	cq->vector = vector;
	cq->interrupts = nvme_dword(c, 11) & INTERRUPTS;
	nvme_shadow(n);
	return NVME_OK;
}

static uint16_t create_sq(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint32_t id = nvme_dword(c, 10) & 0xffff, cq = nvme_dword(c, 11) >> 16, size;
	uint64_t base;
	uint16_t status;

	if (!id || id > n->io_queues || n->sq[id])
		return NVME_QUEUE_ID_INVALID | NVME_DNR;
	if (!cq)
		return NVME_QUEUE_ID_INVALID | NVME_DNR;
	if (cq > n->io_queues || !n->cq[cq])
		return NVME_CQ_INVALID | NVME_DNR;
	status = check_ring(c, NVME_SQE, n->cc >> 16 & 0xf, MEMORY_READ, &base, &size);
	if (status)
		return status;
	if (!nvme_sq_new(n, id, n->cq[cq], base, size))
		return NVME_INTERNAL_ERROR;
	nvme_shadow(n);
	return NVME_OK;
}

/* ------------------------------------------------------------------------------ delete queues */

static void ask_to_end(struct nvme_command *c)
{
	if (c->state == NVME_COMMAND_BUSY && c->at_device)
		device_cancel(&c->rq);
}

void nvme_sq_drained(struct nvme_sq *sq)
{
	struct nvme *n = sq->n;
	struct nvme_command *c = sq->deletion;

	if (sq->in_flight || n->state == NVME_STOPPING)
		return;
	nvme_sq_free(n, sq->id);
	nvme_wake(c);
	nvme_finish(c, NVME_OK);
}

static uint16_t delete_sq(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint32_t id = nvme_dword(c, 10) & 0xffff;
	struct nvme_sq *sq;

	if (!id || id > n->io_queues || !n->sq[id] || n->sq[id]->deletion)
		return NVME_QUEUE_ID_INVALID | NVME_DNR;
	sq = n->sq[id];
	nvme_drop_waiting(sq->cq, sq);
	sq->deletion = c;
	nvme_wait(c);
	for (unsigned i = 0; i < sq->commands; i++)
		ask_to_end(&sq->command[i]);
	nvme_sq_drained(sq);
	return NVME_PENDING;
}

static uint16_t delete_cq(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint32_t id = nvme_dword(c, 10) & 0xffff;

	if (!id || id > n->io_queues || !n->cq[id])
		return NVME_QUEUE_ID_INVALID | NVME_DNR;
	if (n->cq[id]->users)
		return NVME_QUEUE_DELETION_INVALID | NVME_DNR;
	nvme_cq_free(n, id);
	nvme_update_level(n);
	return NVME_OK;
}

/* --------------------------------------------------------------------------------------- abort */

static void end_abort(struct nvme *n, unsigned i, bool aborted)
{
	struct nvme_command *c = n->aborts[i];

	n->aborts[i] = NULL;
	if (n->state == NVME_STOPPING)
		return;
	nvme_wake(c);
	c->result = !aborted;
	nvme_finish(c, NVME_OK);
}

void nvme_abort_ended(struct nvme *n, const struct nvme_command *target, uint16_t status)
{
	for (unsigned i = 0; i < NVME_ABORTS; i++)
		if (n->aborts[i] && n->aborts[i]->target == target)
			end_abort(n, i, status == NVME_ABORT_REQUESTED);
}

/* Those that waited long enough; the timer is set for the others. */
void nvme_abort_timeout(void *opaque)
{
	struct nvme *n = opaque;
	uint64_t now = loop_now(), next = ABORT_NS;
	bool more = false;

	for (unsigned i = 0; i < NVME_ABORTS; i++) {
		uint64_t age = n->aborts[i] ? now - n->aborts[i]->begun : 0;

		if (n->aborts[i] && age >= ABORT_NS)
			end_abort(n, i, false);
		else if (n->aborts[i])
			next = min_u64(next, ABORT_NS - age);
		more |= n->aborts[i] != NULL;
	}
	if (more)
		loop_timer_set(n->c.loop, &n->abort_timer, next);
}

/* A request for an event that waits: it is a command, though we keep no more than its id. */
static bool abort_event_request(struct nvme *n, uint16_t cid)
{
	for (unsigned i = 0; i < n->event_requests; i++) {
		if (n->event_request[i] != cid)
			continue;
		if (!nvme_post(n, n->sq[0], cid, 0, NVME_ABORT_REQUESTED))
			return false;
		n->event_request[i] = n->event_request[--n->event_requests];
		return true;
	}
	return false;
}

static struct nvme_command *find(struct nvme *n, uint32_t sq, uint16_t cid)
{
	for (unsigned i = 0; sq < NVME_QUEUES && n->sq[sq] && i < n->sq[sq]->commands; i++) {
		struct nvme_command *c = &n->sq[sq]->command[i];

		if (c->state == NVME_COMMAND_BUSY && c->at_device && c->cid == cid)
			return c;
	}
	return NULL;
}

static uint16_t abort_command(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint32_t sq = nvme_dword(c, 10) & 0xffff;
	uint16_t cid = nvme_dword(c, 10) >> 16;
	struct nvme_command *target = find(n, sq, cid);
	unsigned i;

	c->result = 1;
	if (!target) {
		if (sq == 0 && abort_event_request(n, cid))
			c->result = 0;
		return NVME_OK;
	}
	for (i = 0; i < NVME_ABORTS && n->aborts[i]; i++)
		;
	if (i == NVME_ABORTS)
		return NVME_ABORT_LIMIT | NVME_DNR;
	n->aborts[i] = c;
	c->target = target;
	c->begun = loop_now();
	nvme_wait(c);
	if (!n->abort_timer.set)
		loop_timer_set(n->c.loop, &n->abort_timer, ABORT_NS);
	target->aborted = true;
	device_cancel(&target->rq);
	return NVME_PENDING;
}

/* ------------------------------------------------------------------------------------- others */

static uint16_t doorbell_buffer(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint64_t shadows = le64(c->sqe + 24), events = le64(c->sqe + 32);

	if (!shadows || !events || shadows % n->page || events % n->page)
		return NVME_INVALID_FIELD | NVME_DNR;
	if (!memory_at(n->c.memory, shadows, 8 * NVME_QUEUES, MEMORY_READ | MEMORY_WRITE) ||
	    !memory_at(n->c.memory, events, 8 * NVME_QUEUES, MEMORY_WRITE))
		return NVME_DATA_TRANSFER_ERROR | NVME_DNR;
	n->shadows = shadows;
	n->shadow_events = events;
	nvme_shadow(n);
	return NVME_OK;
}

static uint16_t execute(struct nvme_command *c)
{
	switch (c->sqe[0]) {
	case NVME_ADMIN_DELETE_SQ:
		return delete_sq(c);
	case NVME_ADMIN_CREATE_SQ:
		return create_sq(c);
	case NVME_ADMIN_GET_LOG:
		return nvme_get_log(c);
	case NVME_ADMIN_DELETE_CQ:
		return delete_cq(c);
	case NVME_ADMIN_CREATE_CQ:
		return create_cq(c);
	case NVME_ADMIN_IDENTIFY:
		return nvme_identify(c);
	case NVME_ADMIN_ABORT:
		return abort_command(c);
	case NVME_ADMIN_SET_FEATURES:
		return nvme_set_features(c);
	case NVME_ADMIN_GET_FEATURES:
		return nvme_get_features(c);
	case NVME_ADMIN_EVENT_REQUEST:
		return nvme_event_request(c);
	case NVME_ADMIN_DOORBELL_BUFFER:
		return doorbell_buffer(c);
	default:
		return NVME_INVALID_OPCODE | NVME_DNR;
	}
}

/* Neither SGLs nor fused operations. */
uint16_t nvme_admin(struct nvme_command *c)
{
	if (c->sqe[1] & 0xc3)
		return NVME_INVALID_FIELD | NVME_DNR;
	return execute(c);
}
