/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nvme-queue.c - rings (NVMe 1.4, 4.1), doorbells and shadow doorbells (3.1.17, 5.7), arbitration
 * (round robin, 4.13.1), completions, interrupts (7.5).
 *
 * A ring's memory is looked up each time it is used; where it is gone the controller is in a fatal
 * state. Entries are copied before anything looks at them.
 *
 * Shadow doorbells: the host writes its tails and heads into memory, and rings the real doorbell
 * only when it passes EventIdx. For submissions we set that to what we have seen, so each new burst
 * rings once. For completions it stays one behind the head, which the host passes once a round of
 * the ring, unless we wait for the head: the ring is full, or INTx has to fall.
 */
#include "controllers/nvme.h"

#include <stdlib.h>
#include <string.h>

#define BURST 16			/* commands of one queue before the next one's turn */
#define ROUND 256			/* commands in one round of the loop */
#define LARGE (256u << 10)		/* data whose lists of ranges are not worth keeping */

static void list_add(struct nvme_list *l, struct nvme_command *c)
{
	c->next = NULL;
	if (l->first)
		l->last->next = c;
	else
		l->first = c;
	l->last = c;
}

static struct nvme_command *list_take(struct nvme_list *l)
{
	struct nvme_command *c = l->first;

	if (c)
		l->first = c->next;
	return c;
}

/* -------------------------------------------------------------------------------- life cycle */

struct nvme_cq *nvme_cq_new(struct nvme *n, uint16_t id, uint64_t base, uint32_t size)
{
	struct nvme_cq *cq = calloc(1, sizeof(*cq));

	if (!cq)
		return NULL;
	cq->id = id;
	cq->base = base;
	cq->size = size;
	cq->phase = 1;
	n->cq[id] = cq;
	return cq;
}

void nvme_cq_free(struct nvme *n, uint16_t id)
{
	free(n->cq[id]);
	n->cq[id] = NULL;
}

struct nvme_sq *nvme_sq_new(struct nvme *n, uint16_t id, struct nvme_cq *cq, uint64_t base,
			    uint32_t size)
{
	struct nvme_sq *sq = calloc(1, sizeof(*sq));

	if (!sq)
		return NULL;
	sq->commands = min_u64(size - 1, NVME_COMMANDS);
	sq->command = calloc(sq->commands, sizeof(*sq->command));
	if (!sq->command) {
		free(sq);
		return NULL;
	}
	sq->n = n;
	sq->id = id;
	sq->cq = cq;
	cq->users++;
	sq->base = base;
	sq->size = size;
	for (unsigned i = 0; i < sq->commands; i++) {
		struct nvme_command *c = &sq->command[i];

		c->n = n;
		c->sq = sq;
		c->next = sq->free;
		sq->free = c;
		dma_init(&c->dma, n->c.memory, c);
	}
	n->sq[id] = sq;
	return sq;
}

static void unready(struct nvme *n, struct nvme_sq *sq)
{
	struct nvme_sq *before = NULL, **at = &n->ready;

	if (!sq->ready)
		return;
	while (*at != sq) {
		before = *at;
		at = &(*at)->next;
	}
	*at = sq->next;
	if (n->ready_last == sq)
		n->ready_last = before;
	sq->ready = false;
}

void nvme_sq_free(struct nvme *n, uint16_t id)
{
	struct nvme_sq *sq = n->sq[id];

	if (!sq)
		return;
	unready(n, sq);
	for (unsigned i = 0; i < sq->commands; i++) {
		dma_free(&sq->command[i].dma);
		free(sq->command[i].buffer);
		free(sq->command[i].skip);
	}
	sq->cq->users--;
	free(sq->command);
	free(sq);
	n->sq[id] = NULL;
}

/* Several submission queues may share a completion queue: those go last. */
void nvme_queues_free(struct nvme *n)
{
	for (unsigned i = 0; i < NVME_QUEUES; i++)
		nvme_sq_free(n, i);
	for (unsigned i = 0; i < NVME_QUEUES; i++)
		nvme_cq_free(n, i);
}

/* --------------------------------------------------------------------------------- doorbells */

static bool read_shadow(struct nvme *n, uint64_t address, uint32_t *value)
{
	uint32_t *at = memory_at(n->c.memory, address, sizeof(*at), MEMORY_READ);

	if (!at) {
		nvme_fatal(n);
		return false;
	}
	*value = le32toh(__atomic_load_n(at, __ATOMIC_ACQUIRE));
	return true;
}

static void write_event(struct nvme *n, uint64_t address, uint32_t value)
{
	uint32_t *at = memory_at(n->c.memory, address, sizeof(*at), MEMORY_WRITE);

	if (!at) {
		nvme_fatal(n);
		return;
	}
	__atomic_store_n(at, htole32(value), __ATOMIC_RELEASE);
}

static void schedule(struct nvme *n, struct nvme_sq *sq)
{
	if (!sq->ready && n->state == NVME_READY && !n->halted) {
		sq->ready = true;
		sq->next = NULL;
		if (n->ready)
			n->ready_last->next = sq;
		else
			n->ready = sq;
		n->ready_last = sq;
	}
	loop_defer(n->c.loop, &n->process);
}

static void set_tail(struct nvme *n, struct nvme_sq *sq, uint32_t tail)
{
	if (tail >= sq->size)
		nvme_event(n, NVME_EVENT_ERROR, NVME_ERROR_DOORBELL_VALUE);
	else
		sq->tail = tail;
}

/* The head may move up to what we have put in. */
static void set_head(struct nvme *n, struct nvme_cq *cq, uint32_t head)
{
	uint32_t filled = (cq->tail + cq->size - cq->head) % cq->size;

	if (head >= cq->size || (head + cq->size - cq->head) % cq->size > filled)
		nvme_event(n, NVME_EVENT_ERROR, NVME_ERROR_DOORBELL_VALUE);
	else
		cq->head = head;
}

static void update_tail(struct nvme *n, struct nvme_sq *sq)
{
	uint32_t tail;

	if (sq->shadow && read_shadow(n, sq->shadow, &tail) && tail != sq->tail)
		set_tail(n, sq, tail);
}

static void update_head(struct nvme *n, struct nvme_cq *cq)
{
	uint32_t head;

	if (cq->shadow && read_shadow(n, cq->shadow, &head) && head != cq->head)
		set_head(n, cq, head);
}

/* Asks for a doorbell, or for none: see the head of this file. */
static void update_head_event(struct nvme *n, struct nvme_cq *cq)
{
	bool wanted = cq->waiting.first || !pci_uses_messages(&n->c.pci);
	uint32_t value = wanted ? cq->head : (cq->head + cq->size - 1) % cq->size;

	if (!cq->shadow || value == cq->event_written)
		return;
	cq->event_written = value;
	write_event(n, cq->event, value);
	if (wanted) {
		__sync_synchronize();
		update_head(n, cq);
	}
}

static void shadow_sq(struct nvme *n, struct nvme_sq *sq)
{
	sq->shadow = n->shadows + 8u * sq->id;
	sq->event = n->shadow_events + 8u * sq->id;
	write_event(n, sq->shadow, sq->tail);
	write_event(n, sq->event, sq->tail);
}

static void shadow_cq(struct nvme *n, struct nvme_cq *cq)
{
	cq->shadow = n->shadows + 8u * cq->id + 4;
	cq->event = n->shadow_events + 8u * cq->id + 4;
	cq->event_written = NVME_ALL;
	write_event(n, cq->shadow, cq->head);
	update_head_event(n, cq);
}

/* The admin queues keep their real doorbells. */
void nvme_shadow(struct nvme *n)
{
	for (unsigned i = 1; n->shadows && i < NVME_QUEUES; i++) {
		if (n->sq[i] && n->sq[i]->shadow != n->shadows + 8 * i)
			shadow_sq(n, n->sq[i]);
		if (n->cq[i] && n->cq[i]->shadow != n->shadows + 8 * i + 4)
			shadow_cq(n, n->cq[i]);
	}
}

static void flush_waiting(struct nvme *n, struct nvme_cq *cq);

static void head_doorbell(struct nvme *n, struct nvme_cq *cq, uint32_t value)
{
	if (cq->shadow)
		update_head(n, cq);
	else
		set_head(n, cq, value);
	flush_waiting(n, cq);
	update_head_event(n, cq);
	if (cq->id == 0)
		nvme_events_run(n);
	nvme_update_level(n);
}

void nvme_doorbell(struct nvme *n, uint32_t index, uint32_t value)
{
	uint32_t id = index / 2;
	struct nvme_sq *sq = id < NVME_QUEUES ? n->sq[id] : NULL;
	struct nvme_cq *cq = id < NVME_QUEUES ? n->cq[id] : NULL;

	if (n->state != NVME_READY)
		return;
	if (index & 1 ? !cq : !sq) {
		nvme_event(n, NVME_EVENT_ERROR, NVME_ERROR_DOORBELL_REGISTER);
		return;
	}
	if (index & 1) {
		head_doorbell(n, cq, value);
		return;
	}
	if (!sq->shadow)
		set_tail(n, sq, value);
	schedule(n, sq);
}

/* ------------------------------------------------------------------------------- submissions */

static void run(struct nvme_command *c)
{
	struct nvme *n = c->n;
	uint16_t status;

	c->cid = le16(c->sqe + 2);
	c->state = NVME_COMMAND_BUSY;
	c->ns = NULL;
	c->result = 0;
	c->aborted = false;
	n->active++;
	status = c->sq->id ? nvme_io(c) : nvme_admin(c);
	if (status != NVME_PENDING)
		nvme_finish(c, status);
}

static bool can_run(const struct nvme *n, const struct nvme_sq *sq)
{
	return n->state == NVME_READY && !n->halted && sq->head != sq->tail && sq->free &&
	       !sq->deletion && !sq->held;
}

/* Its namespace has no room for one more: the ring waits, and no other one. */
static bool is_held(struct nvme_command *c)
{
	uint32_t id = nvme_nsid(c);

	if (c->sq->id && id <= NVME_NAMESPACES && dma_budget_spent(&c->n->ns[id].budget))
		c->sq->held = &c->n->ns[id];
	return c->sq->held;
}

static unsigned run_some(struct nvme *n, struct nvme_sq *sq, unsigned most)
{
	unsigned ran;

	for (ran = 0; ran < most && can_run(n, sq); ran++) {
		struct nvme_command *c = sq->free;
		const void *entry = memory_at(n->c.memory, sq->base + sq->head * NVME_SQE,
					      NVME_SQE, MEMORY_READ);

		if (!entry) {
			nvme_fatal(n);
			break;
		}
		memcpy(c->sqe, entry, NVME_SQE);
		if (is_held(c))
			break;
		sq->free = c->next;
		sq->in_flight++;
		sq->head = sq->head + 1 == sq->size ? 0 : sq->head + 1;
		run(c);
	}
	return ran;
}

/* True: it has more. One that waits for room, in its pool or of its first command's namespace, is
 * scheduled when there is some. */
static bool serve(struct nvme *n, struct nvme_sq *sq, unsigned *budget)
{
	unsigned most = *budget < BURST ? *budget : BURST;

	update_tail(n, sq);
	*budget -= run_some(n, sq, most);
	if (sq->shadow && sq->head == sq->tail) {
		write_event(n, sq->event, sq->tail);
		__sync_synchronize();
		update_tail(n, sq);
	}
	return can_run(n, sq);
}

void nvme_process(void *opaque)
{
	struct nvme *n = opaque;
	unsigned budget = ROUND;

	if (n->state != NVME_READY || !pci_bus_master(&n->c.pci))
		return;
	while (budget && n->ready) {
		struct nvme_sq *sq = n->ready;

		n->ready = sq->next;
		sq->ready = false;
		if (serve(n, sq, &budget))
			schedule(n, sq);
	}
	loop_undefer(n->c.loop, &n->process);
	if (n->ready)
		loop_timer_set(n->c.loop, &n->resume, 0);
}

/* ------------------------------------------------------------------------------- completions */

/* The dword with the phase is written last: it makes the entry valid. */
static void write_entry(void *to, uint32_t result, uint32_t queue, uint32_t last)
{
	uint32_t *at = to;

	at[0] = htole32(result);
	at[1] = 0;
	at[2] = htole32(queue);
	__atomic_store_n(&at[3], htole32(last), __ATOMIC_RELEASE);
}

static bool has_room(struct nvme *n, struct nvme_cq *cq)
{
	uint32_t next = cq->tail + 1 == cq->size ? 0 : cq->tail + 1;

	if (next == cq->head)
		update_head(n, cq);
	return next != cq->head && pci_bus_master(&n->c.pci);
}

bool nvme_post(struct nvme *n, struct nvme_sq *sq, uint16_t cid, uint32_t result, uint16_t status)
{
	struct nvme_cq *cq = sq->cq;
	void *entry;

	if (!has_room(n, cq))
		return false;
	entry = memory_at(n->c.memory, cq->base + cq->tail * NVME_CQE, NVME_CQE, MEMORY_WRITE);
	if (!entry) {
		nvme_fatal(n);
		return true;
	}
	write_entry(entry, result, sq->head | (uint32_t)sq->id << 16,
		    cid | (uint32_t)(status << 1 | cq->phase) << 16);
	if (++cq->tail == cq->size) {
		cq->tail = 0;
		cq->phase ^= 1;
	}
	if (cq->interrupts)
		n->signals[cq->vector / 64] |= 1ull << cq->vector % 64;
	loop_defer(n->c.loop, &n->signal);
	return true;
}

static void flush_waiting(struct nvme *n, struct nvme_cq *cq)
{
	while (cq->waiting.first) {
		struct nvme_command *c = cq->waiting.first;

		if (!nvme_post(n, c->sq, c->cid, c->result, c->status))
			break;
		list_take(&cq->waiting);
		nvme_release(c);
	}
}

void nvme_drop_waiting(struct nvme_cq *cq, const struct nvme_sq *sq)
{
	struct nvme_list all = cq->waiting;
	struct nvme_command *c;

	cq->waiting.first = NULL;
	while ((c = list_take(&all)))
		if (c->sq == sq)
			nvme_release(c);
		else
			list_add(&cq->waiting, c);
}

void nvme_release(struct nvme_command *c)
{
	struct nvme_sq *sq = c->sq;

	c->state = NVME_COMMAND_FREE;
	c->next = sq->free;
	sq->free = c;
	sq->in_flight--;
	if (sq->deletion)
		nvme_sq_drained(sq);
	else if (sq->head != sq->tail && !sq->ready)
		schedule(sq->n, sq);
}

void nvme_wait(struct nvme_command *c)
{
	c->state = NVME_COMMAND_WAITING;
	c->n->active--;
}

void nvme_wake(struct nvme_command *c)
{
	c->state = NVME_COMMAND_BUSY;
	c->n->active++;
}

void nvme_budget_changed(void *opaque, bool spent)
{
	struct nvme_namespace *ns = opaque;
	struct nvme *n = ns->n;

	for (unsigned i = 0; !spent && i < NVME_QUEUES; i++)
		if (n->sq[i] && n->sq[i]->held == ns) {
			n->sq[i]->held = NULL;
			schedule(n, n->sq[i]);
		}
}

/* What it used is given back first: who waits for that may look at it now. */
static void let_go(struct nvme_command *c)
{
	struct nvme_namespace *ns = c->ns;

	free(c->buffer);
	free(c->skip);
	c->buffer = NULL;
	c->skip = NULL;
	c->skips = 0;
	if (c->dma.length > LARGE)
		dma_free(&c->dma);
	dma_reset(&c->dma);
	c->ns = NULL;
	c->n->active--;
	if (ns) {
		dma_discharge(&ns->budget, &c->charged);
		ns->active--;
		nvme_namespace_idle(ns);
	}
}

static void complete(struct nvme_command *c)
{
	struct nvme *n = c->n;
	struct nvme_cq *cq = c->sq->cq;

	if (n->state == NVME_STOPPING || (n->csts & NVME_CSTS_CFS) || (!cq->waiting.first &&
	    nvme_post(n, c->sq, c->cid, c->result, c->status))) {
		nvme_release(c);
	} else if (c->sq->deletion) {
		nvme_release(c);	/* nobody will make room for it */
	} else {
		c->state = NVME_COMMAND_ENDED;
		list_add(&cq->waiting, c);
		update_head_event(n, cq);
		flush_waiting(n, cq);
	}
}

void nvme_finish(struct nvme_command *c, uint16_t status)
{
	struct nvme *n = c->n;
	bool aborted = c->aborted;

	c->status = status;
	let_go(c);
	complete(c);
	if (aborted)
		nvme_abort_ended(n, c, status);
	nvme_drained(n);
}

/* -------------------------------------------------------------------------------- interrupts */

/* INTx is high while an unmasked completion queue has entries that the host has not taken. */
void nvme_update_level(struct nvme *n)
{
	bool high = false;

	if (pci_uses_messages(&n->c.pci) || n->state != NVME_READY) {
		pci_set_level(&n->c.pci, false);
		return;
	}
	for (unsigned i = 0; i < NVME_QUEUES && !high; i++) {
		const struct nvme_cq *cq = n->cq[i];

		high = cq && cq->interrupts && cq->head != cq->tail &&
		       !(n->intms >> cq->vector % 32 & 1);
	}
	pci_set_level(&n->c.pci, high);
}

static void signal_messages(struct nvme *n)
{
	/* The masks are of no effect with MSI-X, which has its own. */
	uint32_t mask = n->c.pci.irq == PCI_IRQ_MSI ? n->intms : 0;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t now = n->signals[i] & ~(i ? 0 : (uint64_t)mask);

		n->signals[i] &= ~now;
		for (; now; now &= now - 1)
			pci_message(&n->c.pci, 64 * i + __builtin_ctzll(now));
	}
}

void nvme_signal(void *opaque)
{
	struct nvme *n = opaque;

	if (n->state != NVME_READY)
		return;
	if (pci_uses_messages(&n->c.pci)) {
		signal_messages(n);
		return;
	}
	n->signals[0] = n->signals[1] = 0;
	nvme_update_level(n);
}
