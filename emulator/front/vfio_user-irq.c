/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio_user-irq.c - interrupts: who gets them, and sending them; see vfio_user-int.h.
 *
 * INTx is masked by sending it, as VFIO has it; the client unmasks it when the guest may have
 * handled it, and it is sent again if the level is still high. A message for a vector without a
 * descriptor is kept until there is one: clients add them as the guest unmasks vectors, one by one.
 */
#include "front/vfio_user-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bytes.h"
#include "checked.h"

enum {
	DATA_NONE = 1, DATA_BOOL = 2, DATA_EVENTFD = 4, DATA = 7,
	ACTION_MASK = 8, ACTION_UNMASK = 0x10, ACTION_TRIGGER = 0x20, ACTIONS = 0x38,
	INFO_EVENTFD = 1, INFO_MASKABLE = 2, INFO_AUTOMASKED = 4,
};

/* ------------------------------------------------------------------------------------- sending */

static void made_us_wait(struct vfio_user *v)
{
	vfio_fail(v, "it made its eventfds such that whoever uses them has to wait");
}

static void signal_fd(struct vfio_user *v, int fd)
{
	static const uint64_t one = 1;

	if (*v->failure)
		return;
	/* When its counter is full, the client has been told often enough. */
	if (brief_write(v->brief, fd, &one, sizeof(one)) == -ETIMEDOUT)
		made_us_wait(v);
	v->statistics.interrupts++;
}

static void send_message(struct pci_host *host, enum pci_irq_kind kind, unsigned vector)
{
	struct vfio_user *v = (struct vfio_user *)((char *)host - offsetof(struct vfio_user, host));
	struct vfio_irq *irq = &v->irq[kind];

	if (vector >= irq->count)
		return;
	if (irq->fd[vector] >= 0)
		signal_fd(v, irq->fd[vector]);
	else
		irq->pending[vector / 64] |= 1ull << vector % 64;
	vfio_look_at_memory(v);
}

static void send_intx(struct vfio_user *v)
{
	if (!v->intx_level || v->intx_masked || v->irq[VFIO_INTX].fd[0] < 0)
		return;
	v->intx_masked = true;
	signal_fd(v, v->irq[VFIO_INTX].fd[0]);
}

static void level_changed(struct pci_host *host, bool high)
{
	struct vfio_user *v = (struct vfio_user *)((char *)host - offsetof(struct vfio_user, host));

	v->intx_level = high;
	send_intx(v);
	vfio_look_at_memory(v);
}

static void unmask_intx(struct vfio_user *v)
{
	v->intx_masked = false;
	send_intx(v);
}

/* The client's kernel unmasks by this descriptor, without a message. */
static void unmask_ready(void *opaque, uint32_t events)
{
	struct vfio_user *v = opaque;
	uint64_t count;
	ssize_t n = -EIO;

	if (events & EPOLLIN)
		n = brief_read(v->brief, v->unmask.fd, &count, sizeof(count));
	if (n == sizeof(count))
		unmask_intx(v);
	else if (n == -ETIMEDOUT)
		made_us_wait(v);
	else if (n != -EAGAIN)
		loop_unwatch(v->loop, &v->unmask);
}

/* ------------------------------------------------------------------------------------ settings */

/* Tells the controller which kind is on. Vectors of MSI-X count as a whole, see above. */
static void choose_kind(struct vfio_user *v)
{
	unsigned assigned = 0;

	if (v->irq[VFIO_MSIX].enabled) {
		pci_set_irq(&v->c->pci, PCI_IRQ_MSIX, v->irq[VFIO_MSIX].count);
	} else if (v->irq[VFIO_MSI].enabled) {
		for (unsigned i = 0; i < v->irq[VFIO_MSI].count; i++)
			if (v->irq[VFIO_MSI].fd[i] >= 0)
				assigned = i + 1;
		pci_set_irq(&v->c->pci, PCI_IRQ_MSI, assigned);
	} else {
		pci_set_irq(&v->c->pci, PCI_IRQ_INTX, 0);
	}
}

static void end_unmask(struct vfio_user *v)
{
	loop_unwatch(v->loop, &v->unmask);
	if (v->unmask.fd >= 0)
		close(v->unmask.fd);
	v->unmask.fd = -1;
}

static void disable(struct vfio_user *v, enum vfio_irq_index index)
{
	struct vfio_irq *irq = &v->irq[index];

	for (unsigned i = 0; i < irq->count; i++) {
		if (irq->fd[i] >= 0)
			close(irq->fd[i]);
		irq->fd[i] = -1;
	}
	if (irq->pending)
		memset(irq->pending, 0, div_up(irq->count, 64) * sizeof(*irq->pending));
	irq->enabled = false;
	if (index == VFIO_INTX) {
		v->intx_masked = false;
		end_unmask(v);
	}
}

static void replace_fd(struct vfio_user *v, enum vfio_irq_index index, unsigned i, int fd)
{
	struct vfio_irq *irq = &v->irq[index];
	uint64_t bit = 1ull << i % 64;

	if (irq->fd[i] >= 0)
		close(irq->fd[i]);
	irq->fd[i] = fd;
	if (fd < 0)
		return;
	irq->enabled = true;
	if (index == VFIO_INTX) {
		unmask_intx(v);
	} else if (irq->pending[i / 64] & bit) {
		irq->pending[i / 64] &= ~bit;
		signal_fd(v, fd);
	}
}

/*
 * An eventfd has no file type; a pipe or a socket has. Writing must not wait when its counter is full
 * (a client that takes O_NONBLOCK off again is found by brief_write).
 */
static bool is_eventfd(int fd)
{
	struct stat s;
	int flags = fcntl(fd, F_GETFL);

	return !fstat(fd, &s) && !(s.st_mode & S_IFMT) && flags >= 0 &&
	       (flags & O_ACCMODE) == O_RDWR && !fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

/* Made in the thread that uses it, when it is wanted. */
static int need_brief(struct vfio_user *v)
{
	int r = v->brief ? 0 : brief_new(&v->brief);

	if (r)
		vfio_complain(v, "client-error", "interrupts cannot be set up: %s", strerror(-r));
	return r;
}

static int set_fds(struct vfio_user *v, enum vfio_irq_index index, uint32_t start, uint32_t count,
		   struct vfio_message *m)
{
	int r;

	if (m->fds && m->fds != count)
		return -EINVAL;
	r = need_brief(v);
	if (r)
		return r;
	for (unsigned i = 0; i < m->fds; i++)
		if (!is_eventfd(m->fd[i])) {
			vfio_complain(v, "client-error", "what the client gave for its interrupts "
				      "is no eventfd");
			return -EINVAL;
		}
	for (uint32_t i = 0; i < count; i++)
		replace_fd(v, index, start + i, m->fds ? vfio_take_fd(m, i) : -1);
	choose_kind(v);
	return 0;
}

static int set_unmask_fd(struct vfio_user *v, struct vfio_message *m)
{
	int r;

	end_unmask(v);
	if (!m->fds)
		return 0;
	if (m->fds != 1 || !is_eventfd(m->fd[0]))
		return -EINVAL;
	r = need_brief(v);
	if (r)
		return r;
	v->unmask = (struct loop_watch){
		.fd = vfio_take_fd(m, 0), .ready = unmask_ready, .opaque = v,
	};
	r = loop_watch(v->loop, &v->unmask, EPOLLIN);
	if (r)
		end_unmask(v);
	return r;
}

static void act(struct vfio_user *v, enum vfio_irq_index index, unsigned vector, uint32_t action)
{
	if (action == ACTION_TRIGGER) {
		if (v->irq[index].fd[vector] >= 0)
			signal_fd(v, v->irq[index].fd[vector]);
	} else if (action == ACTION_MASK) {
		v->intx_masked = true;
	} else {
		unmask_intx(v);
	}
}

/* argsz, flags, index, start, count; for DATA_BOOL a byte each. */
int vfio_irq_set(struct vfio_user *v, struct vfio_message *m)
{
	uint32_t flags, index, start, count, data, action;

	if (m->length < 20)
		return -EINVAL;
	flags = le32(m->payload + 4);
	index = le32(m->payload + 8);
	start = le32(m->payload + 12);
	count = le32(m->payload + 16);
	data = flags & DATA;
	action = flags & ACTIONS;
	if (flags & ~(uint32_t)(DATA | ACTIONS) || !is_power_of_2(data) || !is_power_of_2(action) ||
	    index >= VFIO_IRQS || !range_in(start, count, v->irq[index].count) ||
	    m->length != 20 + (data == DATA_BOOL ? count : 0) || (m->fds && data != DATA_EVENTFD))
		return -EINVAL;
	if (action != ACTION_TRIGGER && index != VFIO_INTX)
		return -ENOTSUP;
	if (data == DATA_EVENTFD) {
		int r = action == ACTION_TRIGGER ? set_fds(v, index, start, count, m) :
			action == ACTION_UNMASK ? set_unmask_fd(v, m) : -ENOTSUP;

		if (r)
			return r;
	} else if (data == DATA_NONE && action == ACTION_TRIGGER && !count) {
		disable(v, index);
		choose_kind(v);
	} else {
		for (uint32_t i = 0; i < count; i++)
			if (data == DATA_NONE || m->payload[20 + i])
				act(v, index, start + i, action);
	}
	vfio_answer(v, m, 0);
	return 0;
}

int vfio_irq_info(struct vfio_user *v, struct vfio_message *m)
{
	uint32_t index;
	uint8_t *out;

	if (m->length != 16 || le32(m->payload) < 16)
		return -EINVAL;
	index = le32(m->payload + 8);
	if (index >= VFIO_IRQS)
		return -EINVAL;
	out = vfio_answer(v, m, 16);
	if (out) {
		put_le32(out, 16);
		put_le32(out + 4, index == VFIO_INTX ?
			 INFO_EVENTFD | INFO_MASKABLE | INFO_AUTOMASKED : INFO_EVENTFD);
		put_le32(out + 8, index);
		put_le32(out + 12, v->irq[index].count);
	}
	return 0;
}

/* --------------------------------------------------------------------------------- life cycle */

/* Errors are reported by nothing here, but a client that may set them up does not complain. */
int vfio_irq_init(struct vfio_user *v)
{
	const struct pci *p = &v->c->pci;
	unsigned counts[VFIO_IRQS] = {
		[VFIO_INTX] = p->config[0x3d] ? 1 : 0,
		[VFIO_MSI] = p->msi ? p->msi_vectors : 0,
		[VFIO_MSIX] = p->msix ? p->msix_info.vectors : 0,
		[VFIO_ERR] = 1,
	};

	v->host = (struct pci_host){.message = send_message, .level = level_changed};
	v->unmask.fd = -1;
	for (unsigned i = 0; i < VFIO_IRQS; i++) {
		/* One at least: INTx is looked at also where there is none. */
		v->irq[i].fd = calloc(counts[i] + 1, sizeof(int));
		v->irq[i].pending = calloc(div_up(counts[i] + 1, 64), sizeof(uint64_t));
		if (!v->irq[i].fd || !v->irq[i].pending)
			return -ENOMEM;
		memset(v->irq[i].fd, 0xff, (counts[i] + 1) * sizeof(int));
		v->irq[i].count = counts[i];
	}
	return 0;
}

void vfio_irq_free(struct vfio_user *v)
{
	for (unsigned i = 0; i < VFIO_IRQS; i++) {
		free(v->irq[i].fd);
		free(v->irq[i].pending);
	}
}

void vfio_irq_end(struct vfio_user *v)
{
	v->c->pci.host = NULL;
	for (unsigned i = 0; i < VFIO_IRQS; i++)
		disable(v, i);
	v->intx_level = false;
	choose_kind(v);
	brief_free(v->brief);
	v->brief = NULL;
}
