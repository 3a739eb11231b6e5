/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clearing ST, COMRESET, software reset, GHC.HR, PCI reset and unplugging while requests are in
 * flight, with a storage that stalls: the in-progress bits hold until all is quiet, nothing completes
 * afterwards, and the disk works again. Disks come and go, and grow.
 */
#include "lib-ahci.h"
#include "device/medium.h"

#define LOAD 16

static struct sata s;
static struct vd_storage *stall;

static void set_up(bool may_stall)
{
	struct device_options o = { .discard = true, .may_stall = may_stall };
	struct vd_storage *lower;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &lower));
	CHECK_OK(storage_open_stall(lower, &stall));
	sata_new(&s, disk_on(stall), &o);
}

/* Reads and writes that are held by the storage. */
static void load(void)
{
	storage_stall_set(stall, FAULT_READ | FAULT_WRITE);
	for (unsigned slot = 0; slot < LOAD; slot++)
		put(&s, slot, &(struct command){
			.command = slot & 1 ? WRITE_QUEUED : READ_QUEUED, .features = 8,
			.lba = 64 * slot, .count = (uint16_t)(slot << 3), .length = 4096 });
	memset(received(&s, 0), 0xdd, 256);
	issue(&s, (1u << LOAD) - 1, true);
	while (!storage_stall_waiting(stall))
		turn(&s, 1);
}

static void some_turns(void)
{
	for (unsigned i = 0; i < 10; i++)
		turn(&s, 2);
}

static void works(void)
{
	struct command c = { .command = WRITE_DMA_EXT, .lba = 3, .count = 8, .length = 4096 };

	fill(at(&s, DATA), 4096, 1);
	CHECK_EQ(run(&s, &c), OK);
	memset(at(&s, DATA), 0, 4096);
	CHECK_EQ(run_queued(&s, 9, &(struct command){ .command = READ_QUEUED, .features = 8, .lba = 3,
						      .count = 9 << 3, .length = 4096 }), OK);
	CHECK(filled(at(&s, data_at(&s, 9)), 4096, 1));
}

/* No queued command was told of since load(). */
static void nothing_was_told(void)
{
	CHECK_EQ(received(&s, 0x58)[0], 0xdd);
}

static bool idle(void *opaque)
{
	(void)opaque;
	return !(port_reg(&s, P_CMD) & CMD_CR);
}

static bool ready(void *opaque)
{
	(void)opaque;
	return !(port_reg(&s, P_TFD) & (ATA_BSY | ATA_DRQ | 1)) && port_reg(&s, P_SSTS) == 0x123;
}

static void test_clearing_start(bool may_stall)
{
	set_up(may_stall);
	load();
	set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) & ~CMD_ST);
	CHECK_EQ(port_reg(&s, P_SACT), 0);
	if (!may_stall) {				/* the kernel has the guest's memory */
		some_turns();
		CHECK(port_reg(&s, P_CMD) & CMD_CR);
		/* What is begun while it stops waits for that. */
		set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) | CMD_ST);
		put(&s, 0, &(struct command){ .command = 0xe5 });
		issue(&s, 1, false);
		some_turns();
		CHECK_EQ(port_reg(&s, P_CI), 1);
		storage_stall_set(stall, 0);
		CHECK_EQ(wait_for(&s, 1), OK);
		sata_stop(&s);
	}
	CHECK(in_process_run(s.p, idle, NULL, 2000));
	storage_stall_set(stall, 0);
	some_turns();
	nothing_was_told();
	sata_start(&s);
	works();
	sata_free(&s);
}

static void comreset(void)
{
	set_port_reg(&s, P_SCTL, 0x301);
	CHECK_EQ(port_reg(&s, P_SSTS), 0);
	CHECK_EQ(port_reg(&s, P_TFD), 0x7f);
	set_port_reg(&s, P_SCTL, 0x300);
	CHECK_EQ(port_reg(&s, P_SSTS), 0x123);
	CHECK(port_reg(&s, P_SERR) & SERR_EXCHANGED);
	CHECK(port_reg(&s, P_IS) & IS_PCS);
}

static void test_comreset(bool may_stall, bool stop_first)
{
	set_up(may_stall);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 8 }), OK);
	load();
	if (stop_first)
		set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) & ~CMD_ST);
	comreset();
	if (!may_stall) {
		some_turns();
		CHECK_EQ(port_reg(&s, P_TFD), ATA_BSY);
		CHECK_EQ(port_reg(&s, P_SIG), SIGNATURE_NONE);
		storage_stall_set(stall, 0);
	}
	CHECK(in_process_run(s.p, ready, NULL, 2000));
	storage_stall_set(stall, 0);
	CHECK_EQ(port_reg(&s, P_SIG), SIGNATURE_DISK);
	CHECK_EQ(received(&s, 0x40)[0], 0x34);
	nothing_was_told();
	recover(&s);
	works();
	CHECK_EQ(run(&s, &(struct command){ .command = READ_MULTIPLE, .count = 8, .length = 4096 }),
		 FAILED(ATA_ABRT));			/* settings are lost */
	sata_free(&s);
}

/* The two frames of a software reset, in slot 0. */
static void soft_reset(void)
{
	struct command none = { 0 };

	for (unsigned on = 2; on--;) {
		put(&s, 0, &none);
		at(&s, table_at(&s, 0))[1] = 0;
		at(&s, table_at(&s, 0))[15] = on ? 4 : 0;
		if (on)
			at(&s, header_at(&s, 0))[1] |= 5;	/* clear busy, reset */
		issue(&s, 1, false);
		/* The second may have to wait until the first has ended what was in flight. */
		CHECK_EQ(port_reg(&s, P_CI) & 1 & on, 0);
	}
}

static void test_soft_reset(void)
{
	set_up(true);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 0x66 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 8 }), OK);
	memset(received(&s, 0), 0, 256);
	soft_reset();
	CHECK_EQ(received(&s, 0x40)[0], 0x34);
	CHECK_EQ(port_reg(&s, P_TFD), 0x150);
	works();
	CHECK_EQ(run(&s, &(struct command){ .command = READ_MULTIPLE, .count = 8, .length = 4096 }),
		 OK);					/* settings were to be kept */
	/* Under load: after the engine was stopped. */
	load();
	sata_stop(&s);
	set_port_reg(&s, P_CMD, (port_reg(&s, P_CMD) & ~CMD_ST) | CMD_CLO);
	CHECK(!(port_reg(&s, P_CMD) & CMD_CLO));
	set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) | CMD_ST);
	soft_reset();
	CHECK(in_process_run(s.p, ready, NULL, 2000));
	storage_stall_set(stall, 0);
	nothing_was_told();
	works();
	sata_free(&s);
}

static bool nothing_issued(void *opaque)
{
	(void)opaque;
	return !port_reg(&s, P_CI);
}

/* More than the port's room, from a storage that stalls: other ports go on, and so do control frames. */
static void test_no_room(void)
{
	struct prd prd[9] = { { 0 } };
	struct command c = { .command = READ_QUEUED, .prd = prd };	/* 65536 sectors */
	struct vd_storage *lower;

	CHECK_OK(storage_open_memory(64u << 20, 1, &lower));
	CHECK_OK(storage_open_stall(lower, &stall));
	sata_new(&s, disk_on(stall), &(struct device_options){ .may_stall = true });
	CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, "port=1", NULL, NULL));
	storage_stall_set(stall, FAULT_READ);
	for (unsigned i = 0; i < 8; i++)
		prd[i] = (struct prd){ DATA, 4u << 20, false };
	for (unsigned slot = 1; slot < 12; slot++) {
		c.count = (uint16_t)(slot << 3);
		put(&s, slot, &c);
	}
	issue(&s, 0xffe, true);
	some_turns();
	CHECK(port_reg(&s, P_CI) & 1u << 11);		/* it waits */
	s.port = 1;
	sata_start(&s);
	works();
	s.port = 0;
	soft_reset();
	CHECK(in_process_run(s.p, nothing_issued, NULL, 2000));
	CHECK(in_process_run(s.p, ready, NULL, 2000));
	storage_stall_set(stall, 0);
	recover(&s);
	works();
	sata_free(&s);
}

static bool reset_over(void *opaque)
{
	(void)opaque;
	return !(reg(&s, R_GHC) & GHC_HR);
}

static void test_host_reset(bool may_stall)
{
	set_up(may_stall);
	load();
	set_reg(&s, R_GHC, GHC_HR | GHC_IE);
	if (!may_stall) {
		some_turns();
		CHECK(reg(&s, R_GHC) & GHC_HR);
		set_port_reg(&s, P_CI, 1);		/* falls on deaf ears */
		set_reg(&s, R_GHC, GHC_IE);
		storage_stall_set(stall, 0);
	}
	CHECK(in_process_run(s.p, reset_over, NULL, 1000));
	storage_stall_set(stall, 0);
	CHECK_EQ(reg(&s, R_GHC), 0x80000000);
	CHECK_EQ(port_reg(&s, P_CLB), 0);
	CHECK_EQ(port_reg(&s, P_CMD), CMD_SUD | CMD_POD | CMD_HPCP);
	CHECK_EQ(port_reg(&s, P_IE), 0);
	CHECK_EQ(port_reg(&s, P_SSTS), 0x123);
	nothing_was_told();
	sata_start(&s);
	works();
	sata_free(&s);
}

static void test_pci_reset(void)
{
	set_up(true);
	load();
	set_reg(&s, R_GHC, GHC_HR | GHC_IE);		/* and in the middle of that */
	in_process_reset(s.p);
	CHECK_EQ(reg(&s, R_GHC), 0x80000000);
	CHECK_EQ(port_reg(&s, P_CMD), CMD_SUD | CMD_POD | CMD_HPCP);
	storage_stall_set(stall, 0);
	nothing_was_told();
	sata_start(&s);
	works();
	sata_free(&s);
}

/* --------------------------------------------------------------------------------------- hot plug */

static void test_unplug_under_load(void)
{
	uint64_t messages;

	set_up(true);
	load();
	messages = s.p->messages[0];
	in_process_detach(s.p, s.device);
	turn(&s, 0);
	CHECK(s.p->messages[0] > messages);
	CHECK_EQ(port_reg(&s, P_SSTS), 0);
	CHECK_EQ(port_reg(&s, P_SIG), SIGNATURE_NONE);
	CHECK_EQ(port_reg(&s, P_IS), IS_PRCS | IS_PCS);
	storage_stall_set(stall, 0);
	some_turns();
	nothing_was_told();
	/* Nothing is begun without a disk. */
	recover(&s);
	put(&s, 0, &(struct command){ .command = 0xec, .length = 512 });
	issue(&s, 1, false);
	some_turns();
	CHECK_EQ(port_reg(&s, P_CI), 1);
	sata_stop(&s);
	set_port_reg(&s, P_CMD, port_reg(&s, P_CMD) | CMD_ST);

	messages = s.p->messages[0];
	CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, NULL, &s.device, NULL));
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], messages + 1);
	CHECK_EQ(port_reg(&s, P_IS), IS_PRCS | IS_PCS);
	CHECK_EQ(port_reg(&s, P_SSTS), 0x123);
	set_port_reg(&s, P_SERR, ~0u);
	CHECK_EQ(port_reg(&s, P_IS), 0);
	works();
	sata_free(&s);
}

static void test_addresses(void)
{
	struct device *d;
	char text[32];

	sata_new(&s, memory_disk(DISK_SIZE), NULL);
	struct vd_error err = {""};
	CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, "port=2", &d, NULL));
	s.p->c->type->address(s.p->c, d, text, sizeof(text));
	CHECK_STR(text, "port=2");
	CHECK_EQ(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, "port=2", &d, &err), -EBUSY);
	CHECK_STR(err.text, "ahci: port 2 has a disk already");
	CHECK_EQ(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, "port=6", &d, &err), -EINVAL);
	for (unsigned i = 0; i < 4; i++)
		CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, NULL, &d, NULL));
	CHECK_EQ(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, NULL, &d, &err), -ENOSPC);
	CHECK_STR(err.text, "ahci: all 6 ports are taken");
	sata_free(&s);
}

/* With staggered spin-up a disk is there when the guest says so. */
static void test_staggered(void)
{
	static const struct option_value value[] = { { "ports", "30" }, { "staggered", "on" } };
	struct in_process_options o = { .controller = "ahci", .memory_size = MEMORY,
					.options = { value, 2 } };

	sata_new_with(&s, &o);
	CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, "port=29", NULL, NULL));
	s.port = 29;
	CHECK_EQ(reg(&s, R_PI), 0x3fffffff);
	CHECK_EQ(reg(&s, R_CAP) & 1u << 27, 1u << 27);
	CHECK_EQ(port_reg(&s, P_SSTS), 0);
	set_port_reg(&s, P_CMD, CMD_SUD);
	CHECK_EQ(port_reg(&s, P_SSTS), 0x123);
	set_port_reg(&s, P_CMD, 0);
	CHECK_EQ(port_reg(&s, P_SSTS), 0);
	s.port = 2;			/* its tables have room in memory */
	sata_free(&s);
}

static uint64_t identified_sectors(void)
{
	CHECK_EQ(run(&s, &(struct command){ .command = IDENTIFY, .length = 512 }), OK);
	return le64(at(&s, DATA + 200));
}

static void test_resize(void)
{
	struct vd_create_options o = {.format = "vdi", .size = DISK_SIZE};
	char *path = test_path("grows.vdi");
	struct vd_disk *disk;

	CHECK_OK(vd_create(path, &o, NULL));
	CHECK_OK(vd_open(path, VD_OPEN_WRITE, NULL, &disk, NULL));
	sata_new(&s, disk, NULL);
	CHECK_EQ(identified_sectors(), SECTORS);
	CHECK_OK(medium_resize(device_medium(s.device), 2 * DISK_SIZE, NULL));
	device_refresh(s.device);
	/* A guest that is told another size of a disk that it uses gives the disk up. */
	CHECK_EQ(identified_sectors(), SECTORS);
	CHECK(run(&s, &(struct command){ .command = READ_DMA_EXT, .lba = SECTORS, .count = 1,
					 .length = 512 }) != OK);
	set_reg(&s, R_GHC, GHC_HR | GHC_IE);
	turn(&s, 0);
	sata_start(&s);
	CHECK_EQ(identified_sectors(), SECTORS);
	/* The machine is reset: nobody knows the old size any more. */
	in_process_reset(s.p);
	turn(&s, 0);
	sata_start(&s);
	CHECK_EQ(identified_sectors(), 2 * SECTORS);
	CHECK_EQ(run(&s, &(struct command){ .command = READ_DMA_EXT, .lba = 2 * SECTORS - 1,
					    .count = 1, .length = 512 }), OK);
	sata_free(&s);
	unlink(path);
	free(path);
}

/* ------------------------------------------------------------------------------------- interrupts */

static void test_one_message_a_round(void)
{
	uint64_t before;

	set_up(false);
	storage_stall_set(stall, FAULT_READ);
	for (unsigned slot = 0; slot < 4; slot++)
		put(&s, slot, &(struct command){ .command = 0xe5, .count = 0 });
	before = s.p->messages[0];
	issue(&s, 0xf, false);
	CHECK_EQ(wait_for(&s, 0xf), OK);
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], before + 1);
	CHECK_EQ(reg(&s, R_IS), 1);
	/* Cleared in the wrong order, it comes again. */
	set_reg(&s, R_IS, 1);
	CHECK_EQ(reg(&s, R_IS), 1);
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], before + 2);
	set_port_reg(&s, P_IS, ~0u);
	set_reg(&s, R_IS, 1);
	CHECK_EQ(reg(&s, R_IS), 0);
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], before + 2);
	/* Nothing while they are off; then at once. */
	set_port_reg(&s, P_IE, 0);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], before + 2);
	CHECK_EQ(reg(&s, R_IS), 0);
	set_port_reg(&s, P_IE, IS_DHRS);
	turn(&s, 0);
	CHECK_EQ(s.p->messages[0], before + 3);
	storage_stall_set(stall, 0);
	sata_free(&s);
}

static void test_level(void)
{
	struct in_process_options o = { .controller = "ahci", .memory_size = MEMORY };

	sata_new_with(&s, &o);
	CHECK_OK(in_process_attach(s.p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	sata_start(&s);
	turn(&s, 0);
	CHECK(!s.p->level);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	turn(&s, 0);
	CHECK(s.p->level);
	set_port_reg(&s, P_IS, ~0u);
	CHECK(s.p->level);
	set_reg(&s, R_IS, 1);
	CHECK(!s.p->level);
	CHECK_EQ(run(&s, &(struct command){ .command = 0xe5 }), OK);
	turn(&s, 0);
	CHECK(s.p->level);
	set_reg(&s, R_GHC, 0);
	CHECK(!s.p->level);
	sata_free(&s);
}

int main(void)
{
	test_clearing_start(true);
	test_clearing_start(false);
	test_comreset(true, true);
	test_comreset(true, false);
	test_comreset(false, true);
	test_soft_reset();
	test_no_room();
	test_host_reset(true);
	test_host_reset(false);
	test_pci_reset();
	test_unplug_under_load();
	test_addresses();
	test_staggered();
	test_resize();
	test_one_message_a_round();
	test_level();
	return 0;
}
