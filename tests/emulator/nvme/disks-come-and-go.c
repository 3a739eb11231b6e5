/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces are attached, resized and detached while a guest runs: it gets an event and reads
 * which ones changed; commands of a detached disk end, also while its storage stalls. Events wait
 * for requests, and for the log page of the last one to be read. */
#include "lib-nvme.h"

#define NOTICE (NVME_LOG_CHANGED << 16 | NVME_EVENT_NOTICE)

static const struct command request = { .opcode = NVME_ADMIN_EVENT_REQUEST };

static struct device *attach(struct guest *g, const char *address)
{
	struct device *d;

	CHECK_OK(in_process_attach(g->p, memory_disk(DISK_SIZE), NULL, address, &d, NULL));
	return d;
}

static void expect_changed(struct guest *g, uint32_t first, uint32_t second)
{
	struct completion c = await(g, &g->admin);
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(c.status, 0);
	CHECK_EQ(c.result, NOTICE);
	CHECK_EQ(get_log(g, NVME_LOG_CHANGED), 0);
	CHECK_EQ(le32(p), first);
	CHECK_EQ(le32(p + 4), second);
	CHECK_EQ(get_log(g, NVME_LOG_CHANGED), 0);
	CHECK_EQ(le32(p), 0);				/* read once */
	submit(g, &g->admin, &request);
	turn(g, 3);
}

static void test_hot_plug(struct guest *g)
{
	struct completion c;
	struct device *d;

	submit(g, &g->admin, &request);
	attach(g, NULL);				/* not asked for */
	turn(g, 3);
	CHECK(!take(g, &g->admin, &c));
	CHECK_EQ(get_log(g, NVME_LOG_CHANGED), 0);
	CHECK_EQ(set_feature(g, NVME_FEATURE_EVENTS, NVME_EVENTS_NAMESPACE, NULL), 0);

	d = attach(g, "nsid=9");
	expect_changed(g, 9, 0);
	attach(g, NULL);
	expect_changed(g, 2, 0);
	in_process_detach(g->p, d);
	expect_changed(g, 9, 0);
	CHECK_EQ(in_process_attach(g->p, memory_disk(DISK_SIZE), NULL, "nsid=2", NULL, NULL),
		 -EBUSY);
	CHECK_EQ(in_process_attach(g->p, memory_disk(DISK_SIZE), NULL, "nsid=256", NULL, NULL),
		 -EINVAL);
}

static void test_resize(struct guest *g)
{
	struct device *d = g->p->c->device[0];
	int r = medium_resize(device_medium(d), 2 * DISK_SIZE, NULL);

	CHECK(r == 0 || r == -ENOTSUP);			/* not every format can grow */
	device_refresh(d);
	g->p->c->type->changed(g->p->c, d, DEVICE_RESIZED);
	expect_changed(g, 1, 0);
	CHECK_EQ(admin(g, &(struct command){ .opcode = NVME_ADMIN_IDENTIFY, .nsid = 1,
					     .prp1 = g->data }), 0);
	CHECK_EQ(le64(at(g, g->data)), device_size(d) / 512);
}

/* Until the page is read one event is enough; with RAE it stays masked. */
static void test_masking(struct guest *g)
{
	struct command keep = { .opcode = NVME_ADMIN_GET_LOG, .prp1 = g->data,
				.d10 = NVME_LOG_CHANGED | 1 << 15 | 1023 << 16 };
	struct device *a = attach(g, "nsid=20"), *b;
	struct completion c = await(g, &g->admin);
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(c.result, NOTICE);
	submit(g, &g->admin, &request);
	b = attach(g, "nsid=21");
	turn(g, 3);
	CHECK(!take(g, &g->admin, &c));
	CHECK_EQ(admin(g, &keep), 0);
	CHECK_EQ(le32(p), 20);
	CHECK_EQ(le32(p + 4), 21);
	turn(g, 3);
	CHECK(!take(g, &g->admin, &c));
	CHECK_EQ(get_log(g, NVME_LOG_CHANGED), 0);
	CHECK_EQ(le32(p + 4), 21);
	in_process_detach(g->p, a);
	expect_changed(g, 20, 0);
	in_process_detach(g->p, b);
	expect_changed(g, 21, 0);
}

static void test_requests(struct guest *g)
{
	uint16_t cid[4], over;
	struct completion c;

	for (unsigned i = 0; i < 4; i++)		/* one is there */
		cid[i] = submit(g, &g->admin, &request);
	over = submit(g, &g->admin, &request);
	c = await(g, &g->admin);
	CHECK_EQ(c.cid, over);
	CHECK_EQ(c.status, NVME_EVENT_LIMIT | DNR);

	c = complete(g, &g->admin, &(struct command){ .opcode = NVME_ADMIN_ABORT,
							.d10 = 999 << 16 });
	CHECK_EQ(c.result, 1);
	for (unsigned i = 0; i < 4; i++) {
		uint16_t id = submit(g, &g->admin, &(struct command){
			.opcode = NVME_ADMIN_ABORT, .d10 = (uint32_t)cid[i] << 16 });

		c = await(g, &g->admin);
		CHECK_EQ(c.cid, cid[i]);
		CHECK_EQ(c.status, NVME_ABORT_REQUESTED);
		c = await(g, &g->admin);
		CHECK_EQ(c.cid, id);
		CHECK_EQ(c.status, 0);
		CHECK_EQ(c.result, 0);
	}
}

/* A threshold below the temperature is an event, and a warning in the log. */
static void test_temperature(struct guest *g)
{
	struct completion c;

	CHECK_EQ(set_feature(g, NVME_FEATURE_EVENTS, NVME_EVENTS_NAMESPACE | 2, NULL), 0);
	submit(g, &g->admin, &request);
	submit(g, &g->admin, &(struct command){ .opcode = NVME_ADMIN_SET_FEATURES,
						.d10 = NVME_FEATURE_TEMPERATURE, .d11 = 300 });
	c = await(g, &g->admin);
	if (c.result == 0)
		c = await(g, &g->admin);
	else
		await(g, &g->admin);
	CHECK_EQ(c.result, NVME_LOG_SMART << 16 | 1 << 8 | NVME_EVENT_SMART);
	CHECK_EQ(get_log(g, NVME_LOG_SMART), 0);
	CHECK_EQ(*(uint8_t *)at(g, g->data), 2);
	CHECK_EQ(set_feature(g, NVME_FEATURE_TEMPERATURE, 400, NULL), 0);
	CHECK_EQ(get_log(g, NVME_LOG_SMART), 0);
	CHECK_EQ(*(uint8_t *)at(g, g->data), 0);
}

static void test_detach_in_flight(struct guest *g)
{
	struct device_options o = { .discard = true, .may_stall = true };
	struct vd_storage *s, *stall;
	struct device *d;
	struct ring io;
	struct command c;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	CHECK_OK(in_process_attach(g->p, disk_on(stall), &o, "nsid=30", &d, NULL));
	expect_changed(g, 30, 0);
	ring_create(g, &io, 1, 32);
	storage_stall_set(stall, FAULT_ALL);
	for (unsigned i = 0; i < 8; i++) {
		c = rw(i & 1 ? NVME_IO_WRITE : NVME_IO_READ, g->data + i * PAGE, i * 8, 8);
		c.nsid = 30;
		submit(g, &io, &c);
	}
	c = (struct command){ .opcode = NVME_IO_FLUSH, .nsid = NVME_ALL };
	submit(g, &io, &c);
	/* One that stalls keeps the storage there. */
	while (!storage_stall_waiting(stall))
		turn(g, 1);
	in_process_detach(g->p, d);
	for (unsigned i = 0; i < 9; i++) {
		struct completion done = await(g, &io);

		CHECK(done.status == (NVME_INVALID_NAMESPACE | DNR) || done.status == 0);
	}
	c = rw(NVME_IO_READ, g->data, 0, 1);
	c.nsid = 30;
	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	c.nsid = 1;
	CHECK_EQ(status_of(g, &io, &c), 0);
	storage_stall_set(stall, 0);
}

int main(void)
{
	struct guest g;

	guest_start(&g);
	test_hot_plug(&g);
	test_resize(&g);
	test_masking(&g);
	test_requests(&g);
	test_temperature(&g);
	test_detach_in_flight(&g);
	guest_free(&g);
	return 0;
}
