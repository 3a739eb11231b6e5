/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk that is taken out while it is busy with what no command of the guest asked for, such as the
 * flush after a client left: it is not let go before that has ended, on any controller. */
#include "emulator-test.h"
#include "front/in_process.h"

static bool flushed, detached;

static void flush_done(struct device_request *rq)
{
	(void)rq;
	CHECK(!detached);
	flushed = true;
}

static void detach_done(void *opaque, struct device *d)
{
	(void)opaque;
	(void)d;
	detached = true;
}

static bool is_detached(void *opaque)
{
	(void)opaque;
	return detached;
}

static void one(const char *controller)
{
	struct in_process_options o = {.controller = controller, .irq = PCI_IRQ_MSI, .vectors = 1};
	struct device_request flush = {.op = DEVICE_FLUSH, .done = flush_done};
	struct vd_storage *s, *stall;
	struct vd_error err = {""};
	struct in_process *p;
	struct vd_disk *disk;
	struct device *d;

	flushed = detached = false;
	CHECK_OK(in_process_new(&o, &p, &err));
	CHECK_OK(storage_open_memory(1 << 20, 1, &s));
	CHECK_OK(storage_open_stall(s, &stall));
	disk = disk_on(stall);
	CHECK_OK(vd_write(disk, "new", 3, 0, 0));
	CHECK_OK(in_process_attach(p, disk, NULL, NULL, &d, &err));

	storage_stall_set(stall, FAULT_SYNC);
	device_submit(d, &flush);
	while (!storage_stall_waiting(stall))
		loop_once(p->loop, 5);
	controller_detach(p->c, d, detach_done, NULL);
	for (int i = 0; i < 10; i++)
		loop_once(p->loop, 5);
	CHECK(!flushed && !detached);
	storage_stall_set(stall, 0);
	CHECK(in_process_run(p, is_detached, NULL, 10000));
	CHECK(flushed);
	device_free(d);
	in_process_free(p);
}

int main(void)
{
	for (const struct controller_type *const *t = controller_types; *t; t++)
		one((*t)->name);
	return 0;
}
