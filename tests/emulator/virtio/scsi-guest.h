/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scsi-guest.h - a guest with a virtio-scsi controller: sends requests and reads responses.
 */
#ifndef SCSI_GUEST_H
#define SCSI_GUEST_H

#include "bytes.h"
#include "driver.h"
#include "storage/stack.h"

enum { Q_CONTROL, Q_EVENT, Q_REQUEST };
enum { S_OK, S_OVERRUN, S_ABORTED, S_BAD_TARGET, S_RESET, S_FAILURE = 9, S_SUCCEEDED, S_REJECTED,
       S_INCORRECT_LUN };
enum { TMF_ABORT_TASK, TMF_ABORT_TASK_SET, TMF_CLEAR_ACA, TMF_CLEAR_TASK_SET, TMF_NEXUS_RESET,
       TMF_LUN_RESET, TMF_QUERY_TASK, TMF_QUERY_TASK_SET };
enum { GOOD = 0, CHECK_CONDITION = 2 };

#define CDB 32
#define SENSE 96
#define DISK_SIZE (8u << 20)

struct guest {
	struct in_process *p;
	struct driver d;
	uint64_t memory;		/* what is free of it at the start of a test */
	uint64_t tag;
};

/* A request: what is sent, and where the answer comes. */
struct call {
	uint8_t lun[8];
	uint64_t tag;
	uint64_t header, response, out, in;	/* addresses */
	uint32_t out_length, in_length;
	uint16_t id;
};

/* options: "name=value" each, up to a NULL. */
static inline void guest_open(struct guest *g, uint64_t features, const char *const *options)
{
	static char text[8][64];
	struct option_value value[8];
	struct in_process_options o = {
		.controller = "virtio-scsi", .options = {value, 0}, .irq = PCI_IRQ_MSIX,
		.vectors = 16, .remote_size = 1 << 20,
	};
	struct vd_error err = {""};

	for (; options && options[o.options.count]; o.options.count++) {
		char *at = strcpy(text[o.options.count], options[o.options.count]);

		value[o.options.count].name = strsep(&at, "=");
		value[o.options.count].value = at;
	}
	memset(g, 0, sizeof(*g));
	if (in_process_new(&o, &g->p, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	g->p->c->options.count = 0;
	driver_start(&g->d, g->p, &(struct driver_options){.features = features});
	g->memory = g->d.free;
}

static inline void guest_close(struct guest *g)
{
	driver_free(&g->d);
	in_process_free(g->p);
}

static inline struct device *guest_plug(struct guest *g, struct vd_disk *disk, const char *address)
{
	struct device *d;
	struct vd_error err = {""};

	if (in_process_attach(g->p, disk, NULL, address, &d, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return d;
}

static inline void put_lun(uint8_t *to, unsigned target, unsigned lun)
{
	const uint8_t bytes[8] = {1, (uint8_t)target, (uint8_t)(lun >> 8 | 0x40), (uint8_t)lun};

	memcpy(to, bytes, 8);
}

/* Makes memory for a request and fills its header in. */
static inline struct call call_make(struct guest *g, unsigned target, unsigned lun,
				    const uint8_t *cdb, unsigned n, uint32_t out, uint32_t in)
{
	struct call c = {.out_length = out, .in_length = in, .tag = ++g->tag};
	uint8_t *header;

	c.header = driver_alloc(&g->d, 19 + CDB);
	c.response = driver_alloc(&g->d, 12 + SENSE);
	c.out = out ? driver_alloc(&g->d, out) : 0;
	c.in = in ? driver_alloc(&g->d, in) : 0;
	header = driver_at(&g->d, c.header);
	put_lun(c.lun, target, lun);
	memcpy(header, c.lun, 8);
	put_le64(header + 8, c.tag);
	memcpy(header + 19, cdb, n);
	memset(driver_at(&g->d, c.response), 0xee, 12 + SENSE);
	return c;
}

static inline void call_add(struct guest *g, unsigned queue, struct call *c, bool indirect)
{
	struct piece piece[4];
	unsigned n = 0;

	piece[n++] = (struct piece){c->header, 19 + CDB, false};
	if (c->out_length)
		piece[n++] = (struct piece){c->out, c->out_length, false};
	piece[n++] = (struct piece){c->response, 12 + SENSE, true};
	if (c->in_length)
		piece[n++] = (struct piece){c->in, c->in_length, true};
	c->id = queue_add(&g->d.queue[queue], piece, n, indirect);
}

static inline void call_send(struct guest *g, unsigned queue, struct call *c)
{
	call_add(g, queue, c, false);
	queue_kick(&g->d.queue[queue]);
}

static inline uint8_t *response_of(struct guest *g, const struct call *c)
{
	return driver_at(&g->d, c->response);
}

static inline unsigned call_response(struct guest *g, const struct call *c)
{
	return response_of(g, c)[11];
}

static inline unsigned call_status(struct guest *g, const struct call *c)
{
	return response_of(g, c)[10];
}

static inline uint32_t call_residual(struct guest *g, const struct call *c)
{
	return le32(response_of(g, c) + 4);
}

/* Sends, waits; gives what the ring says was written. */
static inline uint32_t call_run(struct guest *g, struct call *c)
{
	uint16_t id;
	uint32_t written;

	call_send(g, Q_REQUEST, c);
	written = queue_wait(&g->d.queue[Q_REQUEST], &id);
	CHECK_EQ(id, c->id);
	return written;
}

static inline struct call read_10(struct guest *g, unsigned target, uint32_t lba, uint16_t blocks)
{
	uint8_t cdb[10] = {0x28};

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	return call_make(g, target, 0, cdb, sizeof(cdb), 0, 512u * blocks);
}

static inline struct call write_10(struct guest *g, unsigned target, uint32_t lba, uint16_t blocks)
{
	uint8_t cdb[10] = {0x2a};

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	return call_make(g, target, 0, cdb, sizeof(cdb), 512u * blocks, 0);
}

/* Power-on is a unit attention of each unit. */
static inline void guest_clear_attention(struct guest *g, unsigned target, unsigned lun)
{
	for (unsigned i = 0; i < 5; i++) {
		struct call c = call_make(g, target, lun, (const uint8_t[6]){0}, 6, 0, 0);

		call_run(g, &c);
		CHECK_EQ(call_response(g, &c), S_OK);
		if (call_status(g, &c) == GOOD)
			return;
	}
	test_fail(__FILE__, __LINE__, "the unit does not become ready");
}

/* A task management function, not waited for. Where its response comes: */
static inline uint64_t tmf_send(struct guest *g, uint32_t subtype, const uint8_t *lun, uint64_t tag)
{
	uint64_t request = driver_alloc(&g->d, 24), response = driver_alloc(&g->d, 1);
	uint8_t *at = driver_at(&g->d, request);

	put_le32(at + 4, subtype);
	memcpy(at + 8, lun, 8);
	put_le64(at + 16, tag);
	*(uint8_t *)driver_at(&g->d, response) = 0xee;
	queue_add(&g->d.queue[Q_CONTROL], (struct piece[]){{request, 24, false},
		  {response, 1, true}}, 2, false);
	queue_kick(&g->d.queue[Q_CONTROL]);
	return response;
}

static inline unsigned tmf_run(struct guest *g, uint32_t subtype, const uint8_t *lun, uint64_t tag)
{
	uint64_t response = tmf_send(g, subtype, lun, tag);

	CHECK_EQ(queue_wait(&g->d.queue[Q_CONTROL], NULL), 1);
	return *(uint8_t *)driver_at(&g->d, response);
}

#endif
