/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kicks and interrupts happen when the other side asks for them, and only then. */
#include "echo.h"

static const struct piece in_and_out[] = {{0x8000, 16, false}, {0x9000, 16, true}};

static void add(struct driver_queue *q)
{
	queue_add(q, in_and_out, 2, false);
}

static void get_all(struct driver_queue *q, unsigned n)
{
	while (n--)
		queue_wait(q, NULL);
}

/* One kick and one interrupt for what happens between two rounds of the loop. */
static void a_batch_costs_one_of_each(struct driver *d)
{
	struct driver_queue *q = &d->queue[1];
	struct in_process *p = d->p;
	uint64_t before = p->messages[2];
	unsigned kicks = q->kicks;

	queue_want_interrupts(q, true);
	for (unsigned i = 0; i < 5; i++) {
		add(q);
		queue_kick(q);
	}
	loop_once(p->loop, 0);
	CHECK_EQ(p->messages[2], before + 1);
	/* Also where the second one comes before the first was looked at. */
	CHECK_EQ(q->kicks, kicks + 1);
	get_all(q, 5);
}

static void idle_queues_are_kicked_each_time(struct driver *d)
{
	struct driver_queue *q = &d->queue[1];

	for (unsigned i = 0; i < 50; i++) {
		add(q);
		CHECK(queue_kick(q));
		get_all(q, 1);
	}
}

static void no_interrupt_unless_wanted(struct driver *d)
{
	struct driver_queue *q = &d->queue[1];
	uint64_t before = d->p->messages[2];

	queue_want_interrupts(q, false);
	for (unsigned i = 0; i < 20; i++) {
		add(q);
		queue_kick(q);
		get_all(q, 1);
	}
	CHECK_EQ(d->p->messages[2], before);
	queue_want_interrupts(q, true);
	add(q);
	queue_kick(q);
	get_all(q, 1);
	loop_once(d->p->loop, 0);
	CHECK_EQ(d->p->messages[2], before + 1);
}

/* The driver asks for one interrupt after so many. In a packed ring a chain takes two slots. */
static void interrupts_come_at_the_event(struct driver *d, uint16_t chains)
{
	struct driver_queue *q = &d->queue[1];
	struct echo *e = echo_of(d->p);
	uint64_t before = d->p->messages[2];

	queue_want_interrupt_after(q, q->packed ? 2 * chains : chains);
	for (unsigned i = 1; i <= chains; i++) {
		CHECK_EQ(d->p->messages[2], before);
		add(q);
		queue_notify(q);
		loop_once(d->p->loop, 0);
	}
	CHECK_EQ(d->p->messages[2], before + 1);
	get_all(q, chains);
	CHECK(!e->hold);
}

/* While the device works on what it took, the driver's additions are found without a kick. */
static void completions_look_at_the_ring(struct driver *d)
{
	struct driver_queue *q = &d->queue[1];
	struct echo *e = echo_of(d->p);
	unsigned taken = e->taken;

	e->hold = true;
	add(q);
	queue_kick(q);
	loop_once(d->p->loop, 0);
	CHECK_EQ(e->taken, taken + 1);
	e->hold = false;
	add(q);			/* not kicked */
	echo_release(e, false);
	loop_once(d->p->loop, 0);
	CHECK_EQ(e->taken, taken + 2);
	get_all(q, 2);
	queue_kick(q);
	loop_once(d->p->loop, 0);
}

static void nothing_is_taken_of_a_passive_queue(struct driver *d)
{
	struct echo *e = echo_of(d->p);
	unsigned served = e->served, taken = e->taken;

	queue_add(&d->queue[2], in_and_out, 2, false);
	queue_notify(&d->queue[2]);
	for (unsigned i = 0; i < 10; i++)
		loop_once(d->p->loop, 0);
	CHECK(e->served <= served + 1);
	CHECK_EQ(e->taken, taken);
}

static void try(const char *packed, uint64_t features)
{
	struct in_process *p = echo_new(packed);
	struct driver d = {0};

	driver_start(&d, p, &(struct driver_options){.features = features & ~1ull});
	idle_queues_are_kicked_each_time(&d);
	a_batch_costs_one_of_each(&d);
	a_batch_costs_one_of_each(&d);
	no_interrupt_unless_wanted(&d);
	for (uint16_t chains = 1; d.queue[1].event_idx && chains < 8; chains++)
		interrupts_come_at_the_event(&d, chains);
	completions_look_at_the_ring(&d);
	nothing_is_taken_of_a_passive_queue(&d);
	driver_free(&d);
	in_process_free(p);
}

int main(void)
{
	try("off", ~0ull);
	try("on", ~0ull);
	try("off", ~VIRTIO_F_EVENT_IDX);
	try("on", ~VIRTIO_F_EVENT_IDX);
	return 0;
}
