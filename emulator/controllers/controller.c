/* SPDX-License-Identifier: GPL-2.0-or-later */
/* controller.c - see controller.h: what is the same for all controllers. */
#include "controllers/controller.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/fail.h"
#include "device/medium.h"

const struct controller_type *controller_type_find(const char *name)
{
	for (const struct controller_type *const *t = controller_types; *t; t++)
		if (!strcmp((*t)->name, name))
			return *t;
	return NULL;
}

/* ------------------------------------------------------------------------------------- options */

const char *option_get(const struct option_values *o, const char *name)
{
	for (unsigned i = 0; o && i < o->count; i++)
		if (!strcmp(o->value[i].name, name))
			return o->value[i].value;
	return NULL;
}

int option_number(const struct option_values *o, const char *name, uint64_t low, uint64_t high,
		  uint64_t *out, struct vd_error *err)
{
	const char *text = option_get(o, name);
	uint64_t number;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	number = strtoull(text, &end, 0);
	if (*text < '0' || *text > '9' || *end || errno || number < low || number > high)
		return fail_with(err, -EINVAL, "%s=%.100s: a number from %" PRIu64 " to %" PRIu64
			     " is expected", name, text, low, high);
	*out = number;
	return 0;
}

int option_bool(const struct option_values *o, const char *name, bool *out, struct vd_error *err)
{
	static const char *const words[] = {"off", "on", "no", "yes", "false", "true", "0", "1"};
	const char *text = option_get(o, name);

	if (!text)
		return 0;
	for (unsigned i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcmp(text, words[i])) {
			*out = i & 1;
			return 0;
		}
	return fail_with(err, -EINVAL, "%s=%.100s: on or off is expected", name, text);
}

/* ----------------------------------------------------------------------------------- life cycle */

int controller_new(const struct controller_type *type, const char *name, unsigned index,
		   struct loop *loop, const struct option_values *options,
		   struct controller **out, struct vd_error *err)
{
	struct controller *c = calloc(1, type->size);
	bool msix = true;
	int r;

	if (!c)
		return fail_with(err, -ENOMEM, "%s: out of memory", name);
	c->type = type;
	c->name = name;
	c->index = index;
	c->loop = loop;
	c->options = *options;
	r = memory_new(&c->memory);
	if (!r)
		r = device_host_new(loop, &c->host);
	if (r)
		fail_with(err, r, "%s: %s", name, strerror(-r));
	else
		r = option_bool(options, "msix", &msix, err);
	if (!r)
		r = type->realize(c, err);
	if (!r) {
		if (!msix)
			pci_remove_msix(&c->pci);
		*out = c;
		return 0;
	}
	device_host_free(c->host);
	memory_free(c->memory);
	free(c);
	return r;
}

void controller_free(struct controller *c)
{
	if (!c)
		return;
	c->type->unrealize(c);
	device_host_free(c->host);
	memory_free(c->memory);
	free(c->device);
	free(c);
}

/* ------------------------------------------------------------------------------------- registers */

static bool inside(const struct controller *c, unsigned bar, uint64_t offset, uint32_t n)
{
	return bar < PCI_BARS && n && offset < c->pci.bar[bar].size &&
	       n <= c->pci.bar[bar].size - offset;
}

void controller_read(struct controller *c, unsigned bar, uint64_t offset, void *buf, uint32_t n)
{
	if (!inside(c, bar, offset, n))
		memset(buf, 0xff, n);
	else if (pci_is_msix(&c->pci, bar, offset))
		memset(buf, 0, n);	/* pending bits: none, messages go out at once */
	else
		c->type->read(c, bar, offset, buf, n);
}

void controller_write(struct controller *c, unsigned bar, uint64_t offset, const void *buf,
		      uint32_t n)
{
	if (inside(c, bar, offset, n) && !pci_is_msix(&c->pci, bar, offset))
		c->type->write(c, bar, offset, buf, n);
}

/* ---------------------------------------------------------------------------------------- reset */

void controller_reset(struct controller *c, void (*done)(void *opaque), void *opaque)
{
	c->reset_done = done;
	c->reset_opaque = opaque;
	c->resetting = true;
	pci_reset(&c->pci);
	pci_set_pending(&c->pci, true);
	c->type->reset(c);
}

void controller_reset_done(struct controller *c)
{
	void (*done)(void *opaque) = c->reset_done;

	if (!c->resetting)
		return;
	c->resetting = false;
	c->reset_done = NULL;
	pci_set_pending(&c->pci, false);
	if (done)
		done(c->reset_opaque);
}

/* -------------------------------------------------------------------------------------- devices */

int controller_attach(struct controller *c, struct device *d, const struct option_values *address,
		      struct vd_error *err)
{
	struct device **grown = reallocarray(c->device, c->devices + 1, sizeof(*grown));
	int r;

	if (!grown)
		return fail_with(err, -ENOMEM, "%s: out of memory", c->name);
	c->device = grown;
	device_join(d, c->host);
	r = c->type->attach(c, d, address, err);
	if (r) {
		device_leave(d);
		return r;
	}
	c->device[c->devices++] = d;
	return 0;
}

void controller_detach(struct controller *c, struct device *d,
		       void (*done)(void *opaque, struct device *d), void *opaque)
{
	c->detached = done;
	c->detached_opaque = opaque;
	c->type->detach(c, d);
}

void controller_detached(struct controller *c, struct device *d)
{
	for (unsigned i = 0; i < c->devices; i++)
		if (c->device[i] == d) {
			c->device[i] = c->device[--c->devices];
			break;
		}
	device_leave(d);
	if (c->detached)
		c->detached(c->detached_opaque, d);
}
