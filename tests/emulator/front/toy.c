/* SPDX-License-Identifier: GPL-2.0-or-later */
/* toy.c - see toy.h. */
#include "front/toy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"

static struct toy *of(struct controller *c)
{
	return (struct toy *)c;
}

static int toy_realize(struct controller *c, struct vd_error *err)
{
	static const struct pci_ids ids = {0x1234, 0x5678, 0x1af4, 0x0001, 3, 0x010802};
	static const struct pci_msix msix = {TOY_VECTORS, 0, TOY_MSIX_TABLE, TOY_MSIX_PBA};
	struct toy *t = of(c);

	(void)err;
	t->buffer = calloc(1, TOY_BUFFER);
	if (!t->buffer)
		return -ENOMEM;
	dma_init(&t->dma, c->memory, t);
	pci_init(&c->pci, &ids);
	pci_add_bar(&c->pci, 0, PCI_BAR_MEMORY64, 0x4000);
	pci_add_bar(&c->pci, 4, PCI_BAR_IO, 16);
	pci_add_msi(&c->pci, 0, 8);
	pci_add_msix(&c->pci, 0, &msix);
	pci_add_express(&c->pci, 0);
	return 0;
}

static void toy_unrealize(struct controller *c)
{
	dma_free(&of(c)->dma);
	free(of(c)->buffer);
}

/* --------------------------------------------------------------------------------------- copies */

static void interrupt(struct toy *t)
{
	if (pci_uses_messages(&t->c.pci))
		pci_message(&t->c.pci, 0);
}

static void over(struct toy *t, int status)
{
	t->error = (uint32_t)-status;
	t->status = status ? TOY_FAILED : TOY_DONE;
	interrupt(t);
	if (t->reset_waits && !t->slow_reset)
		toy_end_reset(t);
}

static void copied(struct dma *d, int status)
{
	over(d->opaque, status);
}

static void fetched(struct dma *d, int status)
{
	struct toy *t = d->opaque;

	if (status) {
		over(t, status);
		return;
	}
	dma_fetch(d->iov, d->iovcnt, 0, t->buffer, d->length);
	if (t->vector == TOY_FETCH_AND_HOLD && !t->reset_waits)
		t->status = TOY_HOLDING;
	else
		dma_finish(d, copied);
}

static void to_store(struct dma *d, int status)
{
	struct toy *t = d->opaque;

	if (status) {
		over(t, status);
		return;
	}
	dma_fill(d->iov, d->iovcnt, 0, t->buffer, d->length);
	dma_finish(d, copied);
}

static void go(struct toy *t, uint32_t what)
{
	if (what == TOY_LET_GO && t->status == TOY_HOLDING) {
		t->status = TOY_BUSY;
		dma_finish(&t->dma, copied);
	}
	if (what < TOY_FETCH || what > TOY_FETCH_AND_HOLD || t->status == TOY_BUSY ||
	    t->status == TOY_HOLDING || t->length > TOY_BUFFER || t->reset_waits)
		return;
	t->vector = what;
	t->status = TOY_BUSY;
	t->error = 0;
	dma_reset(&t->dma);
	if (dma_add(&t->dma, t->address, t->length))
		over(t, -EFAULT);
	else if (what == TOY_STORE)
		dma_start(&t->dma, DMA_FROM_DEVICE, to_store);
	else
		dma_start(&t->dma, DMA_TO_DEVICE, fetched);
}

static void written(struct device_request *rq)
{
	struct toy *t = rq->opaque;

	t->writing = false;
	if (t->status == TOY_BUSY)
		over(t, rq->status);
}

static void write_disk(struct toy *t, uint8_t what)
{
	if (!t->device[0] || t->writing || t->status == TOY_BUSY)
		return;
	memset(t->block, what, sizeof(t->block));
	t->iov = (struct iovec){t->block, sizeof(t->block)};
	t->write = (struct device_request){
		.op = DEVICE_WRITE, .length = 512, .iov = &t->iov, .iovcnt = 1,
		.done = written, .opaque = t,
	};
	t->writing = true;
	t->status = TOY_BUSY;
	device_submit(t->device[0], &t->write);
}

/* ------------------------------------------------------------------------------------ registers */

static uint32_t peek(struct toy *t)
{
	const volatile uint8_t *at = memory_at(t->c.memory, t->address, 1, MEMORY_READ);

	t->peeked = true;
	return at ? *at : 0xffffffff;
}

static void toy_read(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n)
{
	struct toy *t = of(c);
	uint8_t all[128] = {0};

	memset(buf, 0, n);
	if (n > t->longest)
		t->longest = n;
	if (bar || offset + n > sizeof(all))
		return;
	memcpy(all, t->scratch, sizeof(t->scratch));
	put_le32(all + TOY_LEVEL, c->pci.intx_level);
	put_le64(all + TOY_ADDRESS, t->address);
	put_le64(all + TOY_LENGTH, t->length);
	put_le32(all + TOY_STATUS, t->status);
	put_le32(all + TOY_ERROR, t->error);
	put_le32(all + TOY_SLOW_RESET, t->slow_reset);
	if (offset == TOY_PEEK)
		put_le32(all + TOY_PEEK, peek(t));
	put_le32(all + TOY_RESETS, t->resets);
	put_le32(all + TOY_LONGEST, t->longest);
	memcpy(buf, all + offset, n);
}

static void toy_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n)
{
	struct toy *t = of(c);
	uint8_t all[8] = {0};
	uint64_t value;

	memcpy(all, buf, n < 8 ? n : 8);
	value = le64(all);
	if (n > t->longest)
		t->longest = n;
	if (bar)
		return;
	if (offset + n <= sizeof(t->scratch))
		memcpy(t->scratch + offset, buf, n);
	else if (offset == TOY_LEVEL)
		pci_set_level(&c->pci, value);
	else if (offset == TOY_MESSAGE)
		pci_message(&c->pci, (unsigned)value);
	else if (offset == TOY_ADDRESS)
		t->address = value;
	else if (offset == TOY_LENGTH)
		t->length = value;
	else if (offset == TOY_GO)
		go(t, (uint32_t)value);
	else if (offset == TOY_DISK)
		write_disk(t, (uint8_t)value);
	else if (offset == TOY_SLOW_RESET)
		t->slow_reset = value;
}

void toy_end_reset(struct toy *t)
{
	if (!t->reset_waits)
		return;
	t->reset_waits = t->slow_reset = false;
	memset(t->scratch, 0, sizeof(t->scratch));
	t->address = t->length = 0;
	t->status = t->error = 0;
	t->resets++;
	controller_reset_done(&t->c);
}

static void toy_reset(struct controller *c)
{
	struct toy *t = of(c);

	t->reset_waits = true;
	if (t->status == TOY_HOLDING) {
		t->status = TOY_BUSY;
		dma_finish(&t->dma, copied);
	} else if (t->status != TOY_BUSY && !t->slow_reset) {
		toy_end_reset(t);
	}
}

/* -------------------------------------------------------------------------------------- devices */

static int toy_attach(struct controller *c, struct device *d, const struct option_values *address,
		      struct vd_error *err)
{
	struct toy *t = of(c);

	(void)address, (void)err;
	for (unsigned i = 0; i < 8; i++)
		if (!t->device[i]) {
			t->device[i] = d;
			return 0;
		}
	return -ENOSPC;
}

static void quiesced(void *opaque)
{
	struct toy *t = opaque;

	device_resume(t->leaving);
	controller_detached(&t->c, t->leaving);
}

static void toy_detach(struct controller *c, struct device *d)
{
	struct toy *t = of(c);

	for (unsigned i = 0; i < 8; i++)
		if (t->device[i] == d)
			t->device[i] = NULL;
	t->leaving = d;
	t->quiesce = (struct device_quiesce){.done = quiesced, .opaque = t};
	device_quiesce(d, &t->quiesce);
}

static void toy_address(struct controller *c, struct device *d, char *text, size_t room)
{
	(void)c, (void)d;
	if (room)
		*text = '\0';
}

const struct controller_type toy_type = {
	.name = "toy",
	.summary = "for tests",
	.size = sizeof(struct toy),
	.options = &(const struct controller_option){0},
	.disk_options = &(const struct controller_option){0},
	.realize = toy_realize,
	.unrealize = toy_unrealize,
	.read = toy_read,
	.write = toy_write,
	.reset = toy_reset,
	.attach = toy_attach,
	.detach = toy_detach,
	.address = toy_address,
};
