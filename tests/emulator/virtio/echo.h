/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * echo.h - a virtio device for tests of rings and of the transport: it copies what is readable in a
 * chain into what is writable, at once, or when it is told to. Three queues; the last is passive.
 * Configuration: 8 bytes that can be written.
 */
#ifndef VIRTIO_ECHO_H
#define VIRTIO_ECHO_H

#include "driver.h"

#define ECHO_QUEUES 3
#define ECHO_QUEUE_SIZE 16
#define ECHO_FEATURE 1			/* bit 0, which goes with bit 1 only */
#define ECHO_COMPANION 2
#define ECHO_HOLD_MOST 64

struct echo_held {
	struct virtio_chain chain;
	struct virtio_queue *queue;
	bool used;
};

struct echo {
	struct controller c;
	struct virtio_device v;
	uint8_t config[8];
	bool hold;			/* keep what is taken */
	bool resetting;
	struct echo_held held[ECHO_HOLD_MOST];
	unsigned taken;			/* chains so far */
	unsigned served;		/* calls of serve */
	unsigned segments;		/* of the last chain */
};

extern const struct controller_type echo_type;

static inline struct echo *echo_of(struct in_process *p)
{
	return (struct echo *)p->c;
}

struct in_process *echo_new(const char *packed);
/* Gives held chains back, the oldest first or the youngest. */
void echo_release(struct echo *e, bool youngest_first);

#endif
