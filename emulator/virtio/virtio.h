/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio.h - a virtio device: status, features, queues, and the modern PCI transport (virtio 1.2;
 * there is no legacy interface).
 *
 *	controller	struct virtio_device_ops		controllers/virtio-scsi.c
 *	    |		virtio_pop, virtio_push
 *	device		what is the same for all devices	virtio.c
 *	    |		ring.h					ring.c split.c packed.c
 *	transport	registers in BAR 4, capabilities, MSI-X in BAR 1	virtio-pci.c
 *
 * Work is done at the end of the loop's round: a kick only marks its queue. Then each marked queue
 * is served until it is empty, with kicks off, looked at once more after they are on again, and each
 * queue on which something was given back raises one interrupt.
 *
 * To add a device: a struct that begins with struct controller and has a struct virtio_device, a
 * realize that calls virtio_init, and a vtable whose read, write and reset call the functions below.
 */
#ifndef VIMG_VIRTIO_H
#define VIMG_VIRTIO_H

#include "controllers/controller.h"
#include "virtio/ring.h"

#define VIRTIO_QUEUES_MAX 256
#define VIRTIO_NO_VECTOR 0xffff

#define VIRTIO_F_INDIRECT_DESC (1ull << 28)
#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)	/* an IOMMU may be in between */
#define VIRTIO_F_RING_PACKED (1ull << 34)
#define VIRTIO_F_RING_RESET (1ull << 40)

enum {					/* device status */
	VIRTIO_ACKNOWLEDGE = 1,
	VIRTIO_DRIVER = 2,
	VIRTIO_DRIVER_OK = 4,
	VIRTIO_FEATURES_OK = 8,
	VIRTIO_NEEDS_RESET = 64,
	VIRTIO_FAILED = 128,
};

struct virtio_device;

struct virtio_queue {
	struct virtio_device *device;
	unsigned index;
	/* The device takes chains when it has something to say: that they lie there is no work, and
	 * true of `serve` means that it waits for one. Else the driver need not kick. */
	bool passive;
	uint16_t max_size;

	/* As the driver writes them, until the queue is enabled. */
	uint16_t size, vector;
	uint64_t descriptors, driver_area, device_area;

	/* private */
	bool enabled, resetting;
	bool marked;			/* to be served in this round */
	bool flush;			/* something was given back in this round */
	struct virtio_ring ring;
};

struct virtio_device_ops {
	/* What is special about these features; false: they do not go together. NULL: nothing. */
	bool (*accept)(struct virtio_device *v, uint64_t features);
	/* Inside the configuration space. */
	void (*config_read)(struct virtio_device *v, uint32_t offset, void *buf, uint32_t n);
	void (*config_write)(struct virtio_device *v, uint32_t offset, const void *buf, uint32_t n);
	/* Takes one chain with virtio_pop() and begins to work on it. False: there was none, or it
	 * is not wanted now. */
	bool (*serve)(struct virtio_queue *q);
	/* Ends everything, gives all chains back (the driver does not see them any more), and calls
	 * virtio_reset_done(), perhaps from within. */
	void (*reset)(struct virtio_device *v);
};

struct virtio_device {
	const struct virtio_device_ops *ops;
	struct controller *c;
	uint64_t offered, features;	/* features: as far as the driver has accepted them */
	struct virtio_queue *queue;
	unsigned queues;
	uint32_t config_size;

	/* private */
	uint8_t status, isr, generation;
	bool resetting;
	const char *broken;		/* why it needs a reset */
	uint16_t config_vector, queue_select;
	uint32_t device_feature_select, driver_feature_select;
	struct loop_task work;
};

struct virtio_options {
	uint16_t type;			/* device id of virtio: 8 is SCSI */
	uint8_t revision;
	uint32_t class_code;
	uint64_t features;		/* besides the ones of rings and VERSION_1 */
	unsigned queues;
	uint16_t queue_size;		/* the most that a driver can have */
	uint32_t config_size;
};

/* Options of a controller that are the same for all virtio devices: packed, indirect, event_idx. */
#define VIRTIO_CONTROLLER_OPTIONS \
	{"packed", "offer packed rings (on)"}, \
	{"indirect", "offer indirect descriptors (on)"}, \
	{"event_idx", "offer notifications by event index (on)"}

/* In realize: the PCI function, queues, the options above. */
int virtio_init(struct virtio_device *v, struct controller *c, const struct virtio_device_ops *ops,
		const struct virtio_options *options, struct vd_error *err);
/* In unrealize; also of one that virtio_init failed to make. */
void virtio_free(struct virtio_device *v);

/* For the vtable of the controller. */
void virtio_pci_read(struct virtio_device *v, unsigned bar, uint64_t offset, void *buf, uint32_t n);
void virtio_pci_write(struct virtio_device *v, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n);
/* Ends with controller_reset_done(). */
void virtio_reset(struct virtio_device *v);

/* For devices. */
/* The next chain; false: there is none, or the ring broke, which is taken care of. */
bool virtio_pop(struct virtio_queue *q, struct virtio_chain *c);
/* Each popped chain exactly once, whatever became of the queue in the meantime. */
void virtio_push(struct virtio_queue *q, struct virtio_chain *c, uint32_t written);
/* Serves the queue in this round. */
void virtio_mark(struct virtio_queue *q);
/* The driver did what it must not: the device needs a reset. */
void virtio_break(struct virtio_device *v, const char *why);
/* The configuration space has changed by itself. */
void virtio_config_changed(struct virtio_device *v);
/* DRIVER_OK, and no reset is due. */
bool virtio_is_live(const struct virtio_device *v);
bool virtio_has(const struct virtio_device *v, uint64_t feature);
void virtio_reset_done(struct virtio_device *v);

/* ----------------------------------------------------------- between device and transport */

void virtio_write_status(struct virtio_device *v, uint8_t status);
uint8_t virtio_read_status(const struct virtio_device *v);
void virtio_queue_enable(struct virtio_queue *q);
void virtio_queue_reset(struct virtio_queue *q);
void virtio_kick(struct virtio_queue *q);
int virtio_pci_init(struct virtio_device *v, const struct virtio_options *o);
void virtio_pci_reset(struct virtio_device *v);
void virtio_pci_interrupt(struct virtio_device *v, uint16_t vector, bool config);

#endif
