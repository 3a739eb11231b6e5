/* SPDX-License-Identifier: GPL-2.0-or-later */
/* echo.c - see echo.h. */
#include "echo.h"

#include "checked.h"

static struct echo *of_device(struct virtio_device *v)
{
	return (struct echo *)v->c;
}

static void config_read(struct virtio_device *v, uint32_t offset, void *buf, uint32_t n)
{
	memcpy(buf, of_device(v)->config + offset, n);
}

static void config_write(struct virtio_device *v, uint32_t offset, const void *buf, uint32_t n)
{
	memcpy(of_device(v)->config + offset, buf, n);
}

static bool accept(struct virtio_device *v, uint64_t features)
{
	(void)v;
	return !(features & ECHO_FEATURE) || features & ECHO_COMPANION;
}

static void give_back(struct echo_held *h)
{
	struct echo *e = of_device(h->queue->device);
	uint8_t bytes[4096];
	uint32_t n = (uint32_t)min_u64(min_u64(h->chain.out, h->chain.in), sizeof(bytes));

	if (!e->resetting && !(virtio_chain_read(&h->chain, e->c.memory, 0, bytes, n) &&
			       virtio_chain_write(&h->chain, e->c.memory, 0, bytes, n)))
		virtio_break(&e->v, "not in memory");
	h->used = false;
	virtio_push(h->queue, &h->chain, n);
}

static bool held_any(const struct echo *e)
{
	for (unsigned i = 0; i < ECHO_HOLD_MOST; i++)
		if (e->held[i].used)
			return true;
	return false;
}

static bool serve(struct virtio_queue *q)
{
	struct echo *e = of_device(q->device);
	struct echo_held *h = e->held;

	e->served++;
	if (q->passive)
		return false;
	while (h->used)
		h++;
	CHECK(h < e->held + ECHO_HOLD_MOST);
	if (!virtio_pop(q, &h->chain))
		return false;
	h->used = true;
	h->queue = q;
	e->taken++;
	e->segments = h->chain.count;
	if (!e->hold)
		give_back(h);
	return true;
}

static void finish_reset(struct echo *e)
{
	if (!e->resetting || held_any(e))
		return;
	e->resetting = false;
	virtio_reset_done(&e->v);
}

void echo_release(struct echo *e, bool youngest_first)
{
	for (unsigned i = 0; i < ECHO_HOLD_MOST; i++) {
		struct echo_held *h = &e->held[youngest_first ? ECHO_HOLD_MOST - 1 - i : i];

		if (h->used)
			give_back(h);
	}
	finish_reset(e);
}

static void reset(struct virtio_device *v)
{
	struct echo *e = of_device(v);

	e->resetting = true;
	if (e->hold)
		finish_reset(e);
	else
		echo_release(e, false);
}

static const struct virtio_device_ops ops = {
	.accept = accept,
	.config_read = config_read,
	.config_write = config_write,
	.serve = serve,
	.reset = reset,
};

static int echo_realize(struct controller *c, struct vd_error *err)
{
	struct echo *e = (struct echo *)c;
	struct virtio_options o = {
		.type = 30, .class_code = 0xff0000, .features = ECHO_FEATURE | ECHO_COMPANION,
		.queues = ECHO_QUEUES, .queue_size = ECHO_QUEUE_SIZE,
		.config_size = sizeof(e->config),
	};
	int r = virtio_init(&e->v, c, &ops, &o, err);

	if (!r)
		e->v.queue[ECHO_QUEUES - 1].passive = true;
	else
		virtio_free(&e->v);
	return r;
}

static void echo_unrealize(struct controller *c)
{
	struct echo *e = (struct echo *)c;

	for (unsigned i = 0; i < ECHO_HOLD_MOST; i++)
		virtio_chain_free(&e->held[i].chain);
	virtio_free(&e->v);
}

static void echo_read(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n)
{
	virtio_pci_read(&((struct echo *)c)->v, bar, offset, buf, n);
}

static void echo_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		       uint32_t n)
{
	virtio_pci_write(&((struct echo *)c)->v, bar, offset, buf, n);
}

static void echo_reset(struct controller *c)
{
	((struct echo *)c)->hold = false;
	virtio_reset(&((struct echo *)c)->v);
}

const struct controller_type echo_type = {
	.name = "echo",
	.size = sizeof(struct echo),
	.realize = echo_realize,
	.unrealize = echo_unrealize,
	.read = echo_read,
	.write = echo_write,
	.reset = echo_reset,
};

struct in_process *echo_new(const char *packed)
{
	static struct option_value value;
	struct in_process_options o = {
		.type = &echo_type, .options = {&value, 1}, .irq = PCI_IRQ_MSIX, .vectors = 16,
	};
	struct in_process *p;
	struct vd_error err = {""};

	value = (struct option_value){"packed", packed};
	if (in_process_new(&o, &p, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return p;
}
