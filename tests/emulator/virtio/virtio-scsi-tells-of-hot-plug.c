/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of virtio-scsi: disks that come, go and grow; events for which there was no room. */
#include "scsi-guest.h"

enum { TRANSPORT_RESET = 1, PARAM_CHANGE = 3, RESCAN = 1, REMOVED = 2 };
#define MISSED 0x80000000u

#define F_HOTPLUG 2ull
#define F_CHANGE 4ull

static uint64_t give_buffer(struct guest *g, uint32_t length)
{
	uint64_t at = driver_alloc(&g->d, 16);

	queue_add(&g->d.queue[Q_EVENT], (struct piece[]){{at, length, true}}, 1, false);
	queue_kick(&g->d.queue[Q_EVENT]);
	loop_once(g->p->loop, 0);
	return at;
}

static void expect(struct guest *g, uint64_t at, uint32_t event, unsigned target, unsigned lun,
		   uint32_t reason)
{
	const uint8_t *e = driver_at(&g->d, at);
	uint8_t address[8] = {0};

	if (event & 0xff) {
		put_lun(address, target, lun);
		/* As REPORT LUNS has it: Linux takes the two bytes for a number. */
		if (lun < 256)
			address[2] = 0;
	}
	CHECK_EQ(queue_wait(&g->d.queue[Q_EVENT], NULL), 16);
	CHECK_EQ(le32(e), event);
	CHECK(!memcmp(e + 4, address, 8));
	CHECK_EQ(le32(e + 12), reason);
}

static bool no_event(struct guest *g)
{
	uint16_t id;
	uint32_t written;

	for (unsigned i = 0; i < 3; i++)
		loop_once(g->p->loop, 0);
	return !queue_get(&g->d.queue[Q_EVENT], &id, &written);
}

static void disks_come_and_go(struct guest *g)
{
	uint64_t a = give_buffer(g, 16), b = give_buffer(g, 16), interrupts;
	struct device *d;
	struct call c;

	loop_once(g->p->loop, 0);
	interrupts = g->p->messages[1 + Q_EVENT];
	d = guest_plug(g, memory_disk(DISK_SIZE), "target=3,lun=300");
	expect(g, a, TRANSPORT_RESET, 3, 300, RESCAN);
	loop_once(g->p->loop, 0);
	CHECK_EQ(g->p->messages[1 + Q_EVENT], interrupts + 1);
	guest_clear_attention(g, 3, 300);
	in_process_detach(g->p, d);
	expect(g, b, TRANSPORT_RESET, 3, 300, REMOVED);
	c = call_make(g, 3, 300, (const uint8_t[6]){0}, 6, 0, 0);
	call_run(g, &c);
	CHECK_EQ(call_response(g, &c), S_BAD_TARGET);
}

static void disks_grow(struct guest *g)
{
	uint64_t a, b;
	struct device *d = guest_plug(g, memory_disk(DISK_SIZE), "target=1");
	struct vd_error err = {""};
	struct call c;

	a = give_buffer(g, 16);
	guest_clear_attention(g, 1, 0);
	queue_wait(&g->d.queue[Q_EVENT], NULL);	/* what was missed, by then told */
	CHECK_EQ(le32(driver_at(&g->d, a)), MISSED);
	b = give_buffer(g, 16);
	if (medium_resize(device_medium(d), 2 * DISK_SIZE, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	device_refresh(d);
	g->p->c->type->changed(g->p->c, d, DEVICE_RESIZED);
	expect(g, b, PARAM_CHANGE, 1, 0, 0x092a);
	/* Also as a unit attention. */
	c = call_make(g, 1, 0, (const uint8_t[6]){0}, 6, 0, 0);
	call_run(g, &c);
	CHECK_EQ(call_status(g, &c), CHECK_CONDITION);
	CHECK_EQ(response_of(g, &c)[12 + 12], 0x2a);
	c = read_10(g, 1, 2 * DISK_SIZE / 512 - 1, 1);
	call_run(g, &c);
	CHECK_EQ(call_status(g, &c) | call_response(g, &c), 0);
	a = give_buffer(g, 16);
	in_process_detach(g->p, d);
	expect(g, a, TRANSPORT_RESET, 1, 0, REMOVED);
}

/* Without a buffer the event is lost; the next one, or the next buffer, says that there was one. */
static void lost_events_are_told(struct guest *g)
{
	struct device *d = guest_plug(g, memory_disk(DISK_SIZE), "target=2");
	uint64_t at;

	CHECK(no_event(g));
	at = give_buffer(g, 16);
	expect(g, at, MISSED, 0, 0, 0);
	at = give_buffer(g, 16);
	CHECK(no_event(g));
	in_process_detach(g->p, d);
	expect(g, at, TRANSPORT_RESET, 2, 0, REMOVED);
	/* A buffer that is too short is given back with what fits. */
	at = give_buffer(g, 8);
	d = guest_plug(g, memory_disk(DISK_SIZE), "target=2");
	CHECK_EQ(queue_wait(&g->d.queue[Q_EVENT], NULL), 8);
	CHECK_EQ(le32(driver_at(&g->d, at)), MISSED);
	at = give_buffer(g, 16);
	expect(g, at, MISSED, 0, 0, 0);
	at = give_buffer(g, 16);
	in_process_detach(g->p, d);
	expect(g, at, TRANSPORT_RESET, 2, 0, REMOVED);
}

static void nothing_is_told_unasked(void)
{
	struct guest g;
	struct device *d;

	guest_open(&g, ~0ull & ~(F_HOTPLUG | F_CHANGE), NULL);
	give_buffer(&g, 16);
	d = guest_plug(&g, memory_disk(DISK_SIZE), NULL);
	g.p->c->type->changed(g.p->c, d, DEVICE_RESIZED);
	in_process_detach(g.p, d);
	CHECK(no_event(&g));
	guest_close(&g);
}

/* A disk that goes while it works: what it had ends, then it is gone. */
static void going_ends_requests(struct guest *g)
{
	struct vd_storage *s, *stall;
	struct device *d;
	struct call c;
	uint64_t at = give_buffer(g, 16);

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	d = guest_plug(g, disk_on(stall), "target=0");
	expect(g, at, TRANSPORT_RESET, 0, 0, RESCAN);
	guest_clear_attention(g, 0, 0);
	storage_stall_set(stall, FAULT_READ);
	c = read_10(g, 0, 0, 1);
	call_send(g, Q_REQUEST, &c);
	loop_once(g->p->loop, 1);
	storage_stall_set(stall, 0);
	in_process_detach(g->p, d);
	queue_wait(&g->d.queue[Q_REQUEST], NULL);
	CHECK(call_response(g, &c) == S_OK || call_response(g, &c) == S_BAD_TARGET);
	give_buffer(g, 16);
	queue_wait(&g->d.queue[Q_EVENT], NULL);
}

static void addresses_are_given(void)
{
	static const char *const options[] = {"targets=2", NULL};
	struct guest g;
	struct device *d[2];
	struct vd_error err;
	char text[64];
	struct vd_disk *disk;

	guest_open(&g, ~0ull, options);
	CHECK_EQ(reg_read(g.p, R_CONFIG + 30, 2), 1);
	for (unsigned i = 0; i < 2; i++)
		d[i] = guest_plug(&g, memory_disk(DISK_SIZE), NULL);
	g.p->c->type->address(g.p->c, d[1], text, sizeof(text));
	CHECK_STR(text, "target=1,lun=0");
	disk = memory_disk(DISK_SIZE);
	CHECK_EQ(in_process_attach(g.p, disk, NULL, NULL, NULL, &err), -ENOSPC);
	disk = memory_disk(DISK_SIZE);
	CHECK_EQ(in_process_attach(g.p, disk, NULL, "target=1", NULL, &err), -EBUSY);
	disk = memory_disk(DISK_SIZE);
	CHECK_EQ(in_process_attach(g.p, disk, NULL, "target=2", NULL, &err), -EINVAL);
	disk = memory_disk(DISK_SIZE);
	CHECK_EQ(in_process_attach(g.p, disk, NULL, "target=1,lun=x", NULL, &err), -EINVAL);
	guest_close(&g);
}

int main(void)
{
	static const char *const packed[] = {"packed=off", "packed=on"};

	for (unsigned i = 0; i < 2; i++) {
		const char *const options[] = {packed[i], NULL};
		struct guest g;

		guest_open(&g, ~0ull, options);
		disks_come_and_go(&g);
		disks_grow(&g);
		lost_events_are_told(&g);
		going_ends_requests(&g);
		guest_close(&g);
	}
	nothing_is_told_unasked();
	addresses_are_given();
	return 0;
}
