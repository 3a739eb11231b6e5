/* SPDX-License-Identifier: GPL-2.0-or-later */
/* in_process.c - see in_process.h. */
#include "front/in_process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bytes.h"
#include "checked.h"

#define COMMAND 0x04
#define COMMAND_ON 0x06			/* memory space, bus master */

/* A message to the "client", answered at the end of the round. */
struct in_process_transfer {
	struct in_process *p;
	struct loop_task task;
	uint64_t address;
	void *to;
	const void *from;
	size_t length;
	void (*done)(void *arg, int status);
	void *arg;
};

static struct in_process *of_host(struct pci_host *host)
{
	return (struct in_process *)((char *)host - offsetof(struct in_process, host));
}

static void on_message(struct pci_host *host, enum pci_irq_kind kind, unsigned vector)
{
	(void)kind;
	if (vector < IN_PROCESS_VECTORS)
		of_host(host)->messages[vector]++;
}

static void on_level(struct pci_host *host, bool high)
{
	struct in_process *p = of_host(host);

	if (high && !p->level)
		p->rises++;
	p->level = high;
}

/* ------------------------------------------------------------------------------- remote memory */

static void transfer(void *opaque)
{
	struct in_process_transfer *t = opaque;
	struct in_process *p = t->p;
	uint64_t offset = t->address - IN_PROCESS_REMOTE;
	int status = range_in(offset, t->length, p->remote_size) ? 0 : -EFAULT;

	if (!status && t->to)
		memcpy(t->to, p->remote + offset, t->length);
	else if (!status)
		memcpy(p->remote + offset, t->from, t->length);
	t->done(t->arg, status);
	free(t);
}

static void begin(struct in_process *p, const struct in_process_transfer *what)
{
	struct in_process_transfer *t = malloc(sizeof(*t));

	if (!t)
		abort();
	*t = *what;
	t->p = p;
	t->task = (struct loop_task){.run = transfer, .opaque = t};
	loop_defer(p->loop, &t->task);
}

static void remote_read(void *opaque, uint64_t address, void *buf, size_t length,
			void (*done)(void *arg, int status), void *arg)
{
	begin(opaque, &(struct in_process_transfer){.address = address, .to = buf,
						    .length = length, .done = done, .arg = arg});
}

static void remote_write(void *opaque, uint64_t address, const void *buf, size_t length,
			 void (*done)(void *arg, int status), void *arg)
{
	begin(opaque, &(struct in_process_transfer){.address = address, .from = buf,
						    .length = length, .done = done, .arg = arg});
}

static int make_memory(struct in_process *p, const struct in_process_options *o)
{
	struct memory_remote remote = {remote_read, remote_write, p};
	int r;

	p->memory_size = o->memory_size ? o->memory_size : 64u << 20;
	p->memory_fd = memfd_create("guest", MFD_CLOEXEC);
	if (p->memory_fd < 0 || ftruncate(p->memory_fd, (off_t)p->memory_size))
		return -errno;
	p->memory = mmap(NULL, p->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED, p->memory_fd, 0);
	if (p->memory == MAP_FAILED) {
		p->memory = NULL;
		return -errno;
	}
	memory_set_remote(p->c->memory, &remote);
	r = memory_map(p->c->memory, 0, p->memory_size, p->memory_fd, 0,
		       MEMORY_READ | MEMORY_WRITE);
	if (r || !o->remote_size)
		return r;
	p->remote_size = o->remote_size;
	p->remote = calloc(1, o->remote_size);
	if (!p->remote)
		return -ENOMEM;
	return memory_map(p->c->memory, IN_PROCESS_REMOTE, o->remote_size, -1, 0,
			  MEMORY_READ | MEMORY_WRITE);
}

/* ----------------------------------------------------------------------------------- life cycle */

static void set(void *opaque)
{
	*(bool *)opaque = true;
}

static void turn_until(struct in_process *p, const bool *flag)
{
	while (!*flag)
		loop_once(p->loop, -1);
}

void in_process_reset(struct in_process *p)
{
	bool done = false;

	controller_reset(p->c, set, &done);
	turn_until(p, &done);
	in_process_config_write(p, COMMAND, COMMAND_ON, 2);
}

int in_process_new(const struct in_process_options *o, struct in_process **out,
		   struct vd_error *err)
{
	const struct controller_type *type = o->type ? o->type : controller_type_find(o->controller);
	struct in_process *p;
	int r;

	if (!type)
		return -ENOENT;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->memory_fd = -1;
	p->host = (struct pci_host){on_message, on_level};
	r = loop_new(&p->loop);
	if (!r)
		r = controller_new(type, type->name, 0, p->loop, &o->options, &p->c, err);
	if (!r)
		r = make_memory(p, o);
	if (r) {
		in_process_free(p);
		return r;
	}
	p->c->pci.host = &p->host;
	p->c->running = true;
	in_process_reset(p);
	pci_set_irq(&p->c->pci, o->irq, o->vectors);
	*out = p;
	return 0;
}

void in_process_free(struct in_process *p)
{
	bool done = false;

	if (!p)
		return;
	if (p->c) {
		while (p->c->devices)
			in_process_detach(p, p->c->device[0]);
		if (p->c->running)
			in_process_reset(p);
		memory_unmap_all(p->c->memory, set, &done);
		turn_until(p, &done);
		controller_free(p->c);
	}
	loop_free(p->loop);
	if (p->memory)
		munmap(p->memory, p->memory_size);
	if (p->memory_fd >= 0)
		close(p->memory_fd);
	free(p->remote);
	free(p);
}

/* -------------------------------------------------------------------------------------- devices */

#define MOST_VALUES 8

/* "a=1,b=2" cut up in place. */
static void parse_address(char *text, struct option_value *value, struct option_values *out)
{
	char *part, *rest = text;

	out->value = value;
	out->count = 0;
	while (rest && *rest && out->count < MOST_VALUES && (part = strsep(&rest, ","))) {
		value[out->count].name = strsep(&part, "=");
		value[out->count++].value = part ? part : "";
	}
}

int in_process_attach(struct in_process *p, struct vd_disk *disk,
		      const struct device_options *options, const char *address,
		      struct device **out, struct vd_error *err)
{
	struct option_value value[MOST_VALUES];
	struct option_values values;
	char *text = strdup(address ? address : "");
	struct medium *m = NULL;
	struct device *d = NULL;
	int r = text ? medium_of_disk(disk, &m) : -ENOMEM;

	if (!r)
		r = device_new(m, options ? options : &(struct device_options){.discard = true}, &d,
			       err);
	medium_unref(m);
	if (!r) {
		parse_address(text, value, &values);
		r = controller_attach(p->c, d, &values, err);
	}
	free(text);
	if (r)
		device_free(d);
	else if (out)
		*out = d;
	return r;
}

static void on_detached(void *opaque, struct device *d)
{
	(void)d;
	*(bool *)opaque = true;
}

void in_process_detach(struct in_process *p, struct device *d)
{
	bool done = false;

	controller_detach(p->c, d, on_detached, &done);
	turn_until(p, &done);
	device_free(d);
}

/* ------------------------------------------------------------------------------------ accesses */

uint64_t in_process_read(struct in_process *p, unsigned bar, uint64_t offset, unsigned n)
{
	uint8_t bytes[8] = {0};

	controller_read(p->c, bar, offset, bytes, n < 8 ? n : 8);
	return le64(bytes);
}

void in_process_write(struct in_process *p, unsigned bar, uint64_t offset, uint64_t value,
		      unsigned n)
{
	uint8_t bytes[8];

	put_le64(bytes, value);
	controller_write(p->c, bar, offset, bytes, n < 8 ? n : 8);
}

uint32_t in_process_config_read(struct in_process *p, uint32_t offset, unsigned n)
{
	uint8_t bytes[4] = {0};

	pci_config_read(&p->c->pci, offset, bytes, n < 4 ? n : 4);
	return le32(bytes);
}

void in_process_config_write(struct in_process *p, uint32_t offset, uint32_t value, unsigned n)
{
	uint8_t bytes[4];

	put_le32(bytes, value);
	pci_config_write(&p->c->pci, offset, bytes, n < 4 ? n : 4);
}

/* ---------------------------------------------------------------------------------------- turns */

bool in_process_run(struct in_process *p, bool (*condition)(void *opaque), void *opaque,
		    int timeout_ms)
{
	uint64_t until = loop_now() + (uint64_t)timeout_ms * 1000000;

	while (!condition(opaque)) {
		if (loop_now() > until)
			return false;
		loop_once(p->loop, 10);
	}
	return true;
}

static unsigned in_flight(const struct in_process *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->c->devices; i++)
		n += device_in_flight(p->c->device[i]);
	return n;
}

void in_process_settle(struct in_process *p)
{
	do {
		loop_once(p->loop, in_flight(p) ? 10 : 0);
	} while (in_flight(p));
	loop_once(p->loop, 0);
	if (in_flight(p))
		in_process_settle(p);
}
