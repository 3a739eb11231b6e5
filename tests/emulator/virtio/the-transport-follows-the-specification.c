/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, status, negotiation, interrupts and capabilities of virtio over PCI. */
#include "bytes.h"
#include "echo.h"

static const struct piece good[] = {{0x8000, 16, false}, {0x9000, 16, true}};

static unsigned status_of(struct in_process *p)
{
	return reg_read(p, R_STATUS, 1);
}

static void features_are_checked(struct in_process *p)
{
	uint64_t offered = driver_offered(p);

	CHECK(offered & VIRTIO_F_VERSION_1);
	CHECK(offered & VIRTIO_F_ACCESS_PLATFORM);
	CHECK(offered & VIRTIO_F_RING_PACKED);
	reg_write(p, R_DEVICE_FEATURE_SELECT, 2, 4);
	CHECK_EQ(reg_read(p, R_DEVICE_FEATURE, 4), 0);

	driver_reset(p);
	CHECK(!driver_negotiate(p, 0));				/* without VERSION_1 */
	CHECK(!driver_negotiate(p, VIRTIO_F_VERSION_1 | 1ull << 50));	/* not offered */
	CHECK(!driver_negotiate(p, VIRTIO_F_VERSION_1 | ECHO_FEATURE));	/* without its companion */
	CHECK_EQ(status_of(p), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	/* It cannot go on like that. */
	reg_write(p, R_STATUS, 15 & ~VIRTIO_FEATURES_OK, 1);
	CHECK_EQ(status_of(p), VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
	CHECK(driver_negotiate(p, VIRTIO_F_VERSION_1));
	/* They are fixed from now on. */
	reg_write(p, R_DRIVER_FEATURE_SELECT, 0, 4);
	reg_write(p, R_DRIVER_FEATURE, VIRTIO_F_EVENT_IDX, 4);
	CHECK_EQ(reg_read(p, R_DRIVER_FEATURE, 4), 0);
}

static void status_only_grows(struct in_process *p)
{
	driver_reset(p);
	CHECK(driver_negotiate(p, VIRTIO_F_VERSION_1));
	reg_write(p, R_STATUS, VIRTIO_DRIVER_OK, 1);
	CHECK_EQ(status_of(p), 15);
	reg_write(p, R_STATUS, VIRTIO_NEEDS_RESET | 15, 1);
	CHECK_EQ(status_of(p), 15);
	reg_write(p, R_STATUS, VIRTIO_FAILED | 15, 1);
	CHECK_EQ(status_of(p), VIRTIO_FAILED | 15);
	driver_reset(p);
	CHECK_EQ(status_of(p), 0);
}

static void set_queue(struct in_process *p, uint16_t size, uint64_t desc, uint64_t driver,
		      uint64_t device)
{
	driver_reset(p);
	CHECK(driver_negotiate(p, VIRTIO_F_VERSION_1));
	reg_write(p, R_QUEUE_SELECT, 0, 2);
	reg_write(p, R_QUEUE_SIZE, size, 2);
	reg_write(p, R_QUEUE_DESC, desc, 8);
	reg_write(p, R_QUEUE_DRIVER, driver, 8);
	reg_write(p, R_QUEUE_DEVICE, device, 8);
	reg_write(p, R_QUEUE_ENABLE, 1, 2);
}

static void bad_queues_are_refused(struct in_process *p)
{
	static const struct { uint16_t size; uint64_t desc, driver, device; } bad[] = {
		{16, 0x1008, 0x2000, 0x3000},			/* not aligned */
		{16, 0x1000, 0x2001, 0x3000},
		{16, 0x1000, 0x2000, 0x3002},
		{16, 1ull << 40, 0x2000, 0x3000},		/* nowhere */
		{16, 0x1000, 1ull << 40, 0x3000},
		{16, 0x1000, 0x2000, 1ull << 40},
		{16, UINT64_MAX - 15, 0x2000, 0x3000},		/* wraps */
		{12, 0x1000, 0x2000, 0x3000},			/* no power of two */
		{16, (64u << 20) - 16 * 16 + 16, 0x2000, 0x3000},	/* sticks out */
		{16, IN_PROCESS_REMOTE, 0x2000, 0x3000},	/* messages only */
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		set_queue(p, bad[i].size, bad[i].desc, bad[i].driver, bad[i].device);
		CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 0);
		CHECK(status_of(p) & VIRTIO_NEEDS_RESET);
	}
	set_queue(p, 16, (64u << 20) - 16 * 16, 0x2000, 0x3000);
	CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 1);
	CHECK(!(status_of(p) & VIRTIO_NEEDS_RESET));
	/* It stays as it was enabled. */
	reg_write(p, R_QUEUE_DESC, 0x5000, 8);
	CHECK_EQ(reg_read(p, R_QUEUE_DESC, 4), (64u << 20) - 16 * 16);
	reg_write(p, R_QUEUE_ENABLE, 0, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 1);
}

static void sizes_are_bounded(struct in_process *p)
{
	driver_reset(p);
	CHECK(driver_negotiate(p, VIRTIO_F_VERSION_1));
	reg_write(p, R_QUEUE_SELECT, 1, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_SIZE, 2), ECHO_QUEUE_SIZE);
	reg_write(p, R_QUEUE_SIZE, ECHO_QUEUE_SIZE * 2, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_SIZE, 2), ECHO_QUEUE_SIZE);
	reg_write(p, R_QUEUE_SIZE, 0, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_SIZE, 2), ECHO_QUEUE_SIZE);
	reg_write(p, R_QUEUE_SIZE, 4, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_SIZE, 2), 4);
	/* A queue that is not there has size 0 and takes nothing. */
	reg_write(p, R_QUEUE_SELECT, ECHO_QUEUES, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_SIZE, 2), 0);
	reg_write(p, R_QUEUE_SIZE, 4, 2);
	reg_write(p, R_QUEUE_ENABLE, 1, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 0);
	reg_write(p, R_NOTIFY + 4 * ECHO_QUEUES, 0, 2);
	/* Vectors, too, if they are there. */
	reg_write(p, R_QUEUE_SELECT, 0, 2);
	reg_write(p, R_QUEUE_VECTOR, ECHO_QUEUES, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_VECTOR, 2), ECHO_QUEUES);
	reg_write(p, R_QUEUE_VECTOR, ECHO_QUEUES + 1, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
	reg_write(p, R_CONFIG_VECTOR, 0, 2);
	CHECK_EQ(reg_read(p, R_CONFIG_VECTOR, 2), 0);
	/* Each queue has an address of its own. */
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		reg_write(p, R_QUEUE_SELECT, i, 2);
		CHECK_EQ(reg_read(p, R_QUEUE_NOTIFY_OFF, 2), i);
	}
	/* Widths that no register has. */
	reg_write(p, R_QUEUE_SELECT, 0x0101, 1);
	CHECK_EQ(reg_read(p, R_QUEUE_SELECT, 2), ECHO_QUEUES - 1);
	reg_write(p, R_STATUS, 0, 4);
	CHECK(status_of(p) != 0);
}

/* What the driver made available before DRIVER_OK is taken then, and a kick before it is not. */
static void nothing_happens_before_driver_ok(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);
	unsigned taken = e->taken;

	driver_reset(p);
	d->features = VIRTIO_F_VERSION_1;
	CHECK(driver_negotiate(p, d->features));
	driver_queue_start(d, 0, 0);
	queue_add(&d->queue[0], good, 2, false);
	queue_notify(&d->queue[0]);
	loop_once(p->loop, 0);
	CHECK_EQ(e->taken, taken);
	reg_write(p, R_STATUS, 15, 1);
	loop_once(p->loop, 0);
	CHECK_EQ(e->taken, taken + 1);
	/* Nor without bus mastering. */
	in_process_config_write(p, 4, 2, 2);
	queue_add(&d->queue[0], good, 2, false);
	queue_notify(&d->queue[0]);
	loop_once(p->loop, 0);
	CHECK_EQ(e->taken, taken + 1);
	in_process_config_write(p, 4, 6, 2);
	queue_notify(&d->queue[0]);
	loop_once(p->loop, 0);
	CHECK_EQ(e->taken, taken + 2);
}

/* The driver reads something else than 0 until all is over, and changes nothing meanwhile. */
static void resets_wait(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);
	unsigned taken;

	driver_start(d, p, &(struct driver_options){.features = ~1ull});
	e->hold = true;
	queue_add(&d->queue[0], good, 2, false);
	queue_notify(&d->queue[0]);
	loop_once(p->loop, 0);
	memset(driver_at(d, 0x9000), 0xee, 16);
	taken = e->taken;
	reg_write(p, R_STATUS, 0, 1);
	queue_add(&d->queue[1], good, 2, false);
	for (unsigned i = 0; i < 3; i++) {
		queue_notify(&d->queue[1]);
		loop_once(p->loop, 0);
		CHECK(status_of(p) != 0);
		CHECK_EQ(e->taken, taken);
		reg_write(p, R_STATUS, VIRTIO_ACKNOWLEDGE, 1);
		reg_write(p, R_QUEUE_SELECT, 1, 2);
	}
	echo_release(e, false);
	CHECK_EQ(status_of(p), 0);
	CHECK_EQ(*(uint8_t *)driver_at(d, 0x9000), 0xee);
	CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 0);
	CHECK_EQ(reg_read(p, R_QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
	e->hold = false;
}

static void queues_are_reset_alone(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);

	driver_start(d, p, &(struct driver_options){.features = ~1ull});
	CHECK(d->features & VIRTIO_F_RING_RESET);
	e->hold = true;
	for (unsigned i = 0; i < 2; i++) {
		queue_add(&d->queue[i], good, 2, false);
		queue_notify(&d->queue[i]);
	}
	loop_once(p->loop, 0);
	reg_write(p, R_QUEUE_SELECT, 0, 2);
	reg_write(p, R_QUEUE_RESET, 1, 2);
	CHECK_EQ(reg_read(p, R_QUEUE_RESET, 2), 1);
	echo_release(e, false);
	CHECK_EQ(reg_read(p, R_QUEUE_RESET, 2), 0);
	CHECK_EQ(reg_read(p, R_QUEUE_ENABLE, 2), 0);
	CHECK_EQ(queue_wait(&d->queue[1], NULL), 16);
	e->hold = false;
	/* It begins anew, with another size. */
	driver_queue_start(d, 0, 4);
	queue_add(&d->queue[0], good, 2, false);
	CHECK(queue_kick(&d->queue[0]));
	CHECK_EQ(queue_wait(&d->queue[0], NULL), 16);
}

static void configuration_has_generations(struct in_process *p, struct driver *d)
{
	struct echo *e = echo_of(p);
	uint64_t before;
	uint32_t generation;

	driver_start(d, p, &(struct driver_options){.features = ~1ull});
	before = p->messages[0];
	generation = reg_read(p, R_GENERATION, 1);
	reg_write(p, R_CONFIG + 2, 0x1234, 2);
	CHECK_EQ(le16(e->config + 2), 0x1234);
	CHECK_EQ(reg_read(p, R_CONFIG, 4), 0x12340000);
	/* Past its end there is nothing. */
	reg_write(p, R_CONFIG + 6, 0xffffffff, 4);
	CHECK_EQ(in_process_read(p, BAR, R_CONFIG + 4, 8), 0);
	virtio_config_changed(&e->v);
	CHECK(reg_read(p, R_GENERATION, 1) != generation);
	CHECK_EQ(p->messages[0], before + 1);
}

static void serve_one(struct in_process *p, struct driver *d)
{
	queue_add(&d->queue[0], good, 2, false);
	queue_kick(&d->queue[0]);
	queue_wait(&d->queue[0], NULL);
	loop_once(p->loop, 0);
}

static void interrupts_go_where_the_driver_wants(struct in_process *p, struct driver *d)
{
	uint64_t before;

	driver_start(d, p, &(struct driver_options){.features = VIRTIO_F_RING_PACKED});
	before = p->messages[1];
	serve_one(p, d);
	CHECK_EQ(p->messages[1], before + 1);
	CHECK_EQ(reg_read(p, R_ISR, 1), 0);
	reg_write(p, R_QUEUE_SELECT, 0, 2);
	reg_write(p, R_QUEUE_VECTOR, VIRTIO_NO_VECTOR, 2);
	serve_one(p, d);
	CHECK_EQ(p->messages[1], before + 1);

	pci_set_irq(&p->c->pci, PCI_IRQ_MSI, 1);
	before = p->messages[0];
	serve_one(p, d);
	CHECK_EQ(p->messages[0], before + 1);
	CHECK_EQ(reg_read(p, R_ISR, 1), 1);

	pci_set_irq(&p->c->pci, PCI_IRQ_INTX, 0);
	CHECK(!p->level);
	serve_one(p, d);
	CHECK(p->level);
	virtio_config_changed(&echo_of(p)->v);
	CHECK_EQ(reg_read(p, R_ISR, 1), 3);
	CHECK(!p->level);
	CHECK_EQ(reg_read(p, R_ISR, 1), 0);
	serve_one(p, d);
	driver_reset(p);
	CHECK(!p->level);
	pci_set_irq(&p->c->pci, PCI_IRQ_MSIX, 16);
}

static void capabilities_name_the_places(struct in_process *p)
{
	unsigned types = 0, at = in_process_config_read(p, 0x34, 1), window = 0;

	CHECK_EQ(in_process_config_read(p, 0, 4), 0x105e1af4);
	for (; at; at = in_process_config_read(p, at + 1, 1)) {
		unsigned type = in_process_config_read(p, at + 3, 1);
		uint32_t offset = in_process_config_read(p, at + 8, 4);

		if (in_process_config_read(p, at, 1) != 0x09)
			continue;
		types |= 1u << type;
		if (type == 2)
			CHECK_EQ(in_process_config_read(p, at + 16, 4), 4);
		if (type == 5)
			window = at;
		else
			CHECK_EQ(in_process_config_read(p, at + 4, 1), BAR);
		CHECK_EQ(offset, type == 1 ? 0 : type == 2 ? R_NOTIFY : type == 3 ? R_ISR :
			 type == 4 ? R_CONFIG : 0);
	}
	CHECK_EQ(types, 0x3e);
	/* Through the window. */
	driver_reset(p);
	in_process_config_write(p, window + 4, BAR, 1);
	in_process_config_write(p, window + 8, R_STATUS, 4);
	in_process_config_write(p, window + 12, 1, 4);
	in_process_config_write(p, window + 16, VIRTIO_ACKNOWLEDGE, 1);
	CHECK_EQ(status_of(p), VIRTIO_ACKNOWLEDGE);
	CHECK_EQ(in_process_config_read(p, window + 16, 1), VIRTIO_ACKNOWLEDGE);
	/* Lengths and places that cannot be do nothing. */
	in_process_config_write(p, window + 12, 3, 4);
	in_process_config_write(p, window + 16, 0xff, 4);
	in_process_config_write(p, window + 12, 4, 4);
	in_process_config_write(p, window + 8, 0xfffffffc, 4);
	in_process_config_write(p, window + 4, 7, 1);
	in_process_config_write(p, window + 16, 0xff, 4);
	in_process_config_read(p, window + 16, 4);
	CHECK_EQ(status_of(p), VIRTIO_ACKNOWLEDGE);
}

int main(void)
{
	struct in_process *p = echo_new("on");
	struct driver d = {0};

	CHECK_OK(memory_map(p->c->memory, IN_PROCESS_REMOTE, 4096, -1, 0,
			    MEMORY_READ | MEMORY_WRITE));
	features_are_checked(p);
	status_only_grows(p);
	bad_queues_are_refused(p);
	sizes_are_bounded(p);
	driver_start(&d, p, &(struct driver_options){0});
	nothing_happens_before_driver_ok(p, &d);
	resets_wait(p, &d);
	queues_are_reset_alone(p, &d);
	configuration_has_generations(p, &d);
	interrupts_go_where_the_driver_wants(p, &d);
	capabilities_name_the_places(p);
	driver_free(&d);
	in_process_free(p);
	return 0;
}
