/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.c - see virtio.h: what is the same for all virtio devices (virtio 1.2, chapters 2 and 3).
 *
 * A driver that breaks a ring, or gives it addresses that are not memory, gets DEVICE_NEEDS_RESET.
 * From then on no queue is served; what was taken from queues whose rings are whole still ends and
 * is given back.
 */
#include "virtio/virtio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool virtio_has(const struct virtio_device *v, uint64_t feature)
{
	return v->features & feature;
}

bool virtio_is_live(const struct virtio_device *v)
{
	return !v->resetting &&
	       (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

void virtio_break(struct virtio_device *v, const char *why)
{
	if (v->resetting || v->status & VIRTIO_NEEDS_RESET)
		return;
	v->broken = why;
	v->status |= VIRTIO_NEEDS_RESET;
	if (v->status & VIRTIO_DRIVER_OK)
		virtio_pci_interrupt(v, v->config_vector, true);
}

void virtio_config_changed(struct virtio_device *v)
{
	v->generation++;
	if (virtio_is_live(v))
		virtio_pci_interrupt(v, v->config_vector, true);
}

/* -------------------------------------------------------------------------------------- queues */

static bool can_serve(const struct virtio_queue *q)
{
	return virtio_is_live(q->device) && q->enabled && !q->resetting &&
	       pci_bus_master(&q->device->c->pci);
}

void virtio_mark(struct virtio_queue *q)
{
	q->marked = true;
	loop_defer(q->device->c->loop, &q->device->work);
}

void virtio_kick(struct virtio_queue *q)
{
	if (!can_serve(q))
		return;
	if (!q->passive)
		virtio_ring_disable_kicks(&q->ring);
	virtio_mark(q);
}

bool virtio_pop(struct virtio_queue *q, struct virtio_chain *c)
{
	int r;

	if (!can_serve(q))
		return false;
	r = virtio_ring_pop(&q->ring, c);
	if (r < 0)
		virtio_break(q->device, r == -ENOMEM ? "out of memory" : q->ring.broken);
	return r > 0;
}

static void queue_init(struct virtio_queue *q)
{
	q->size = q->max_size;
	q->vector = VIRTIO_NO_VECTOR;
	q->descriptors = q->driver_area = q->device_area = 0;
	q->enabled = q->resetting = q->marked = q->flush = false;
	memset(&q->ring, 0, sizeof(q->ring));
}

/* Nothing of it is in use any more. */
static void queue_reset_done(struct virtio_queue *q)
{
	uint16_t vector = q->vector;

	queue_init(q);
	q->vector = vector;
}

void virtio_push(struct virtio_queue *q, struct virtio_chain *c, uint32_t written)
{
	struct virtio_device *v = q->device;

	if (v->resetting || q->resetting) {
		virtio_ring_forget(&q->ring, c);
		if (!v->resetting && !q->ring.in_use)
			queue_reset_done(q);
		return;
	}
	virtio_ring_push(&q->ring, c, written);
	if (q->ring.broken) {
		virtio_break(v, q->ring.broken);
		return;
	}
	q->flush = true;
	/* A driver that was waited for often has more by now. */
	if (!q->passive)
		q->marked = true;
	loop_defer(v->c->loop, &v->work);
}

void virtio_queue_enable(struct virtio_queue *q)
{
	struct virtio_device *v = q->device;

	if (q->enabled || q->resetting || !(v->status & VIRTIO_FEATURES_OK))
		return;
	q->ring = (struct virtio_ring){
		.memory = v->c->memory, .size = q->size,
		.packed = virtio_has(v, VIRTIO_F_RING_PACKED),
		.event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX),
		.indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC),
		.descriptors = q->descriptors, .driver = q->driver_area,
		.device = q->device_area,
	};
	if (virtio_ring_start(&q->ring)) {
		virtio_break(v, "a queue of a wrong size, or not in guest memory");
		return;
	}
	q->enabled = true;
	if (virtio_is_live(v))
		virtio_mark(q);
}

/* What is under way ends by itself; the driver sees that the reset goes on. */
void virtio_queue_reset(struct virtio_queue *q)
{
	if (!q->enabled || q->resetting || !virtio_has(q->device, VIRTIO_F_RING_RESET))
		return;
	q->resetting = true;
	q->marked = q->flush = false;
	if (!q->ring.in_use)
		queue_reset_done(q);
}

/* ---------------------------------------------------------------------------------------- work */

/* At most a ring full in a round, so that a driver that never stops does not stop the loop. */
static void serve(struct virtio_queue *q)
{
	const struct virtio_device_ops *ops = q->device->ops;
	unsigned budget = q->ring.size;

	q->marked = false;
	if (!can_serve(q))
		return;
	virtio_ring_disable_kicks(&q->ring);
	if (q->passive) {
		if (ops->serve(q) && virtio_ring_enable_kicks(&q->ring))
			virtio_mark(q);
		return;
	}
	while (budget && ops->serve(q))
		budget--;
	if (!can_serve(q))
		return;
	if (!budget || virtio_ring_enable_kicks(&q->ring))
		virtio_mark(q);
	if (q->ring.broken)
		virtio_break(q->device, q->ring.broken);
}

static void flush(struct virtio_queue *q)
{
	q->flush = false;
	if (virtio_ring_flush(&q->ring))
		virtio_pci_interrupt(q->device, q->vector, false);
	if (q->ring.broken)
		virtio_break(q->device, q->ring.broken);
}

/* From the last queue on: requests come before what is to be done about requests. */
static void work(void *opaque)
{
	struct virtio_device *v = opaque;

	for (unsigned i = v->queues; i--;)
		if (v->queue[i].marked)
			serve(&v->queue[i]);
	for (unsigned i = v->queues; i--;)
		if (v->queue[i].flush)
			flush(&v->queue[i]);
}

/* -------------------------------------------------------------------------- status, features */

static bool features_ok(struct virtio_device *v)
{
	if (v->features & ~v->offered || !virtio_has(v, VIRTIO_F_VERSION_1))
		return false;
	return !v->ops->accept || v->ops->accept(v, v->features);
}

static void begin_reset(struct virtio_device *v)
{
	if (v->resetting)
		return;
	v->resetting = true;
	v->ops->reset(v);
}

/* Everything is as after power-on, but what belongs to PCI. */
void virtio_reset_done(struct virtio_device *v)
{
	v->resetting = false;
	v->status = 0;
	v->broken = NULL;
	v->features = 0;
	for (unsigned i = 0; i < v->queues; i++)
		queue_init(&v->queue[i]);
	virtio_pci_reset(v);
	controller_reset_done(v->c);
}

void virtio_reset(struct virtio_device *v)
{
	begin_reset(v);
}

uint8_t virtio_read_status(const struct virtio_device *v)
{
	/* 0 means that it is over. */
	return v->resetting && !v->status ? VIRTIO_NEEDS_RESET : v->status;
}

/* Bits are only ever added; those that do not come in their order are left out. */
void virtio_write_status(struct virtio_device *v, uint8_t status)
{
	uint8_t added = status & (uint8_t)~v->status & (uint8_t)~VIRTIO_NEEDS_RESET;

	if (v->resetting)
		return;
	if (!status) {
		/* Drivers begin with this; nothing is there to be ended. */
		if (v->status)
			begin_reset(v);
		else
			virtio_reset_done(v);
		return;
	}
	v->status |= added & (VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER | VIRTIO_FAILED);
	if (added & VIRTIO_FEATURES_OK && features_ok(v))
		v->status |= VIRTIO_FEATURES_OK;
	if (!(added & VIRTIO_DRIVER_OK) || !(v->status & VIRTIO_FEATURES_OK))
		return;
	v->status |= VIRTIO_DRIVER_OK;
	if (v->status & VIRTIO_NEEDS_RESET) {
		virtio_pci_interrupt(v, v->config_vector, true);
		return;
	}
	for (unsigned i = 0; i < v->queues; i++)
		if (v->queue[i].enabled)
			virtio_mark(&v->queue[i]);
}

/* ---------------------------------------------------------------------------------- life cycle */

static int ring_features(struct virtio_device *v, struct vd_error *err)
{
	static const struct { const char *name; uint64_t bit; } option[] = {
		{"packed", VIRTIO_F_RING_PACKED},
		{"indirect", VIRTIO_F_INDIRECT_DESC},
		{"event_idx", VIRTIO_F_EVENT_IDX},
	};

	v->offered |= VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_RING_RESET;
	for (unsigned i = 0; i < sizeof(option) / sizeof(*option); i++) {
		bool on = true;
		int r = option_bool(&v->c->options, option[i].name, &on, err);

		if (r)
			return r;
		if (on)
			v->offered |= option[i].bit;
	}
	return 0;
}

int virtio_init(struct virtio_device *v, struct controller *c, const struct virtio_device_ops *ops,
		const struct virtio_options *o, struct vd_error *err)
{
	int r;

	v->ops = ops;
	v->c = c;
	v->offered = o->features;
	v->config_size = o->config_size;
	v->work = (struct loop_task){.run = work, .opaque = v};
	r = ring_features(v, err);
	if (r)
		return r;
	v->queue = calloc(o->queues, sizeof(*v->queue));
	if (!v->queue) {
		if (err)
			snprintf(err->text, sizeof(err->text), "%s: out of memory", c->name);
		return -ENOMEM;
	}
	v->queues = o->queues;
	for (unsigned i = 0; i < v->queues; i++) {
		v->queue[i].device = v;
		v->queue[i].index = i;
		v->queue[i].max_size = o->queue_size;
		queue_init(&v->queue[i]);
	}
	return virtio_pci_init(v, o);
}

void virtio_free(struct virtio_device *v)
{
	if (v->c)
		loop_undefer(v->c->loop, &v->work);
	free(v->queue);
	v->queue = NULL;
	v->queues = 0;
}
