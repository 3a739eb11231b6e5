/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-pci.c - virtio over PCI, modern interface (virtio 1.2, 4.1).
 *
 *	BAR 4	0x0000 common configuration, 0x1000 ISR status, 0x2000 device configuration,
 *		0x3000 notifications: 4 bytes for each queue
 *	BAR 1	MSI-X: table, then pending bits
 *
 * Capabilities name these places; one more is a window to them in configuration space, for firmware
 * that cannot reach memory BARs.
 *
 * Registers are to be accessed in their own width, 64-bit ones also by halves. Reads of any other
 * kind get the bytes that are there; writes of any other kind are ignored.
 */
#include "virtio/virtio.h"

#include <string.h>

#include "bytes.h"
#include "checked.h"

#define REGISTERS_BAR 4
#define MSIX_BAR 1

enum { COMMON = 0x0000, ISR = 0x1000, CONFIG = 0x2000, NOTIFY = 0x3000 };
#define NOTIFY_MULTIPLIER 4u

/* Types of capabilities. */
enum { CAP_COMMON = 1, CAP_NOTIFY, CAP_ISR, CAP_DEVICE, CAP_PCI };

enum {					/* the common configuration */
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	STATUS = 0x14,
	GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	QUEUE_NOTIFY_DATA = 0x38,
	QUEUE_RESET = 0x3a,
	COMMON_SIZE = 0x3c,
};

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

#define PCI_CAP_VENDOR 0x09

/* ---------------------------------------------------------------------------------- interrupts */

/* The ISR counts without MSI-X only, so that a driver with MSI-X need not read it. */
void virtio_pci_interrupt(struct virtio_device *v, uint16_t vector, bool config)
{
	struct pci *pci = &v->c->pci;

	if (pci->irq == PCI_IRQ_MSIX) {
		if (vector != VIRTIO_NO_VECTOR)
			pci_message(pci, vector);
		return;
	}
	v->isr |= config ? ISR_CONFIG : ISR_QUEUE;
	if (pci_uses_messages(pci))
		pci_message(pci, 0);
	else
		pci_set_level(pci, true);
}

static uint8_t read_isr(struct virtio_device *v)
{
	uint8_t isr = v->isr;

	v->isr = 0;
	pci_set_level(&v->c->pci, false);
	return isr;
}

/* ---------------------------------------------------------------------- common configuration */

static struct virtio_queue *selected(struct virtio_device *v)
{
	return v->queue_select < v->queues ? &v->queue[v->queue_select] : NULL;
}

static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

static void queue_image(const struct virtio_queue *q, uint8_t *image)
{
	put_le16(image + QUEUE_SIZE, q->size);
	put_le16(image + QUEUE_VECTOR, q->vector);
	put_le16(image + QUEUE_ENABLE, q->enabled);
	put_le16(image + QUEUE_NOTIFY_OFF, (uint16_t)q->index);
	put_le64(image + QUEUE_DESC, q->descriptors);
	put_le64(image + QUEUE_DRIVER, q->driver_area);
	put_le64(image + QUEUE_DEVICE, q->device_area);
	put_le16(image + QUEUE_NOTIFY_DATA, (uint16_t)q->index);
	put_le16(image + QUEUE_RESET, q->resetting);
}

/* All registers as they read; no reading changes anything. */
static void common_image(struct virtio_device *v, uint8_t *image)
{
	const struct virtio_queue *q = selected(v);

	memset(image, 0, COMMON_SIZE);
	put_le32(image + DEVICE_FEATURE_SELECT, v->device_feature_select);
	put_le32(image + DEVICE_FEATURE, feature_word(v->offered, v->device_feature_select));
	put_le32(image + DRIVER_FEATURE_SELECT, v->driver_feature_select);
	put_le32(image + DRIVER_FEATURE, feature_word(v->features, v->driver_feature_select));
	put_le16(image + CONFIG_VECTOR, v->config_vector);
	put_le16(image + NUM_QUEUES, (uint16_t)v->queues);
	image[STATUS] = virtio_read_status(v);
	image[GENERATION] = v->generation;
	put_le16(image + QUEUE_SELECT, v->queue_select);
	if (q)
		queue_image(q, image);
	else
		put_le16(image + QUEUE_VECTOR, VIRTIO_NO_VECTOR);
}

static void write_driver_feature(struct virtio_device *v, uint32_t word)
{
	unsigned shift = 32 * v->driver_feature_select;

	if (v->driver_feature_select > 1 || v->status & VIRTIO_FEATURES_OK)
		return;
	v->features = (v->features & ~(0xffffffffull << shift)) | (uint64_t)word << shift;
}

/* A vector that is not there reads back as none. */
static uint16_t check_vector(const struct virtio_device *v, uint64_t vector)
{
	return vector < v->c->pci.msix_info.vectors ? (uint16_t)vector : VIRTIO_NO_VECTOR;
}

/* A whole register or half of one. */
static void put_address(uint64_t *address, unsigned offset, uint64_t value, uint32_t n)
{
	uint8_t bytes[8];

	put_le64(bytes, *address);
	if (n == 8)
		put_le64(bytes, value);
	else
		put_le32(bytes + offset, (uint32_t)value);
	*address = le64(bytes);
}

static void write_queue16(struct virtio_queue *q, unsigned offset, uint16_t value)
{
	if (offset == QUEUE_VECTOR) {
		q->vector = check_vector(q->device, value);
	} else if (offset == QUEUE_SIZE) {
		if (!q->enabled && value && value <= q->max_size)
			q->size = value;
	} else if (offset == QUEUE_ENABLE) {
		if (value == 1)
			virtio_queue_enable(q);
	} else if (offset == QUEUE_RESET) {
		if (value == 1)
			virtio_queue_reset(q);
	}
}

static void write_queue_address(struct virtio_queue *q, unsigned offset, uint64_t value, uint32_t n)
{
	if (q->enabled || offset % n)
		return;
	if (offset < QUEUE_DRIVER)
		put_address(&q->descriptors, offset - QUEUE_DESC, value, n);
	else if (offset < QUEUE_DEVICE)
		put_address(&q->driver_area, offset - QUEUE_DRIVER, value, n);
	else
		put_address(&q->device_area, offset - QUEUE_DEVICE, value, n);
}

static void write16(struct virtio_device *v, unsigned offset, uint16_t value)
{
	struct virtio_queue *q = selected(v);

	if (offset == CONFIG_VECTOR)
		v->config_vector = check_vector(v, value);
	else if (offset == QUEUE_SELECT)
		v->queue_select = value;
	else if (q)
		write_queue16(q, offset, value);
}

static void write32(struct virtio_device *v, unsigned offset, uint32_t value)
{
	if (offset == DEVICE_FEATURE_SELECT)
		v->device_feature_select = value;
	else if (offset == DRIVER_FEATURE_SELECT)
		v->driver_feature_select = value;
	else if (offset == DRIVER_FEATURE)
		write_driver_feature(v, value);
}

static void write_common(struct virtio_device *v, unsigned offset, uint64_t value, uint32_t n)
{
	struct virtio_queue *q = selected(v);

	if (v->resetting)
		return;
	if (n == 1 && offset == STATUS)
		virtio_write_status(v, (uint8_t)value);
	else if ((n == 4 || n == 8) && offset >= QUEUE_DESC && offset < QUEUE_NOTIFY_DATA && q)
		write_queue_address(q, offset, value, n);
	else if (n == 2)
		write16(v, offset, (uint16_t)value);
	else if (n == 4)
		write32(v, offset, (uint32_t)value);
}

/* --------------------------------------------------------------------------------- the BAR */

static void read_config(struct virtio_device *v, uint64_t offset, uint8_t *buf, uint32_t n)
{
	uint32_t inside;

	if (offset >= v->config_size)
		return;
	inside = (uint32_t)min_u64(n, v->config_size - offset);
	v->ops->config_read(v, (uint32_t)offset, buf, inside);
}

void virtio_pci_read(struct virtio_device *v, unsigned bar, uint64_t offset, void *buf, uint32_t n)
{
	uint8_t image[COMMON_SIZE];

	memset(buf, 0, n);
	if (bar != REGISTERS_BAR)
		return;
	if (offset < COMMON_SIZE) {
		common_image(v, image);
		memcpy(buf, image + offset, min_u64(n, COMMON_SIZE - offset));
	} else if (offset == ISR) {
		*(uint8_t *)buf = read_isr(v);
	} else if (offset >= CONFIG && offset < NOTIFY) {
		read_config(v, offset - CONFIG, buf, n);
	}
}

void virtio_pci_write(struct virtio_device *v, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n)
{
	uint8_t bytes[8] = {0};

	if (bar != REGISTERS_BAR)
		return;
	memcpy(bytes, buf, n < 8 ? n : 8);
	if (offset >= NOTIFY) {
		if ((offset - NOTIFY) / NOTIFY_MULTIPLIER < v->queues)
			virtio_kick(&v->queue[(offset - NOTIFY) / NOTIFY_MULTIPLIER]);
	} else if (offset >= CONFIG) {
		if (!v->resetting && range_in(offset - CONFIG, n, v->config_size))
			v->ops->config_write(v, (uint32_t)(offset - CONFIG), buf, n);
	} else if (offset < COMMON_SIZE) {
		write_common(v, (unsigned)offset, le64(bytes), n);
	}
}

/* -------------------------------------------------- the window in configuration space (4.1.4.9) */

enum { WINDOW_BAR = 4, WINDOW_OFFSET = 8, WINDOW_LENGTH = 12, WINDOW_DATA = 16, WINDOW_SIZE = 20 };

static struct controller *controller_of(struct pci *p)
{
	return (struct controller *)((char *)p - offsetof(struct controller, pci));
}

/* Does the access touch the data, and does the window show something? Where and how long. */
static bool window_hit(const struct pci *p, uint32_t offset, uint32_t length, unsigned *bar,
		       uint32_t *at, uint32_t *n)
{
	const uint8_t *cap = p->config + p->window;
	uint32_t data = p->window + WINDOW_DATA;

	if (offset >= data + 4 || offset + length <= data)
		return false;
	*bar = cap[WINDOW_BAR];
	*at = le32(cap + WINDOW_OFFSET);
	*n = le32(cap + WINDOW_LENGTH);
	return (*n == 1 || *n == 2 || *n == 4) && *at % *n == 0;
}

static void window_read(struct pci *p, uint32_t offset, uint32_t length)
{
	unsigned bar;
	uint32_t at, n;

	if (window_hit(p, offset, length, &bar, &at, &n))
		controller_read(controller_of(p), bar, at, p->config + p->window + WINDOW_DATA, n);
}

static void window_written(struct pci *p, uint32_t offset, uint32_t length)
{
	unsigned bar;
	uint32_t at, n;

	if (window_hit(p, offset, length, &bar, &at, &n))
		controller_write(controller_of(p), bar, at, p->config + p->window + WINDOW_DATA, n);
}

static void add_window(struct pci *p)
{
	uint8_t at = pci_add_capability(p, PCI_CAP_VENDOR, 0, WINDOW_SIZE);

	p->config[at + 2] = WINDOW_SIZE;
	p->config[at + 3] = CAP_PCI;
	p->writable[at + WINDOW_BAR] = 0xff;
	memset(p->writable + at + WINDOW_OFFSET, 0xff, WINDOW_SIZE - WINDOW_OFFSET);
	p->window = at;
	p->config_read = window_read;
	p->config_written = window_written;
}

/* ---------------------------------------------------------------------------------- life cycle */

static void add_place(struct pci *p, uint8_t type, uint32_t offset, uint32_t length)
{
	uint8_t size = type == CAP_NOTIFY ? 20 : 16;
	uint8_t at = pci_add_capability(p, PCI_CAP_VENDOR, 0, size);

	p->config[at + 2] = size;
	p->config[at + 3] = type;
	p->config[at + 4] = REGISTERS_BAR;
	put_le32(p->config + at + 8, offset);
	put_le32(p->config + at + 12, length);
	if (type == CAP_NOTIFY)
		put_le32(p->config + at + 16, NOTIFY_MULTIPLIER);
}

int virtio_pci_init(struct virtio_device *v, const struct virtio_options *o)
{
	struct pci *p = &v->c->pci;
	struct pci_ids ids = {
		.vendor = 0x1af4, .device = (uint16_t)(0x1040 + o->type),
		.subsystem_vendor = 0x1af4, .subsystem = (uint16_t)(0x1040 + o->type),
		.revision = o->revision, .class_code = o->class_code,
	};
	struct pci_msix msix = {.vectors = v->queues + 1, .bar = MSIX_BAR};

	msix.pba = (16ull * msix.vectors + 0xfff) & ~0xfffull;
	pci_init(p, &ids);
	pci_add_bar(p, MSIX_BAR, PCI_BAR_MEMORY, msix.pba + 0x1000);
	pci_add_bar(p, REGISTERS_BAR, PCI_BAR_MEMORY64, NOTIFY + NOTIFY_MULTIPLIER * v->queues);
	pci_add_msix(p, 0, &msix);
	add_place(p, CAP_COMMON, COMMON, COMMON_SIZE);
	add_place(p, CAP_ISR, ISR, 1);
	add_place(p, CAP_DEVICE, CONFIG, v->config_size);
	add_place(p, CAP_NOTIFY, NOTIFY, NOTIFY_MULTIPLIER * v->queues);
	add_window(p);
	pci_add_msi(p, 0, 1);
	pci_add_advanced(p, 0);
	virtio_pci_reset(v);
	return 0;
}

void virtio_pci_reset(struct virtio_device *v)
{
	v->device_feature_select = v->driver_feature_select = 0;
	v->queue_select = 0;
	v->config_vector = VIRTIO_NO_VECTOR;
	read_isr(v);
}
