/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NVM commands with right and wrong parameters, what errors of a disk become, read-only disks,
 * data in memory that only messages reach. */
#include "lib-nvme.h"

static struct ring io;
static struct vd_storage *fault;

static struct command dataset(struct guest *g, unsigned ranges)
{
	return (struct command){ .opcode = NVME_IO_DATASET, .nsid = 1, .prp1 = g->data,
				 .d10 = ranges - 1, .d11 = NVME_DATASET_DEALLOCATE };
}

static void range(struct guest *g, unsigned i, uint64_t lba, uint32_t blocks)
{
	uint8_t *to = at(g, g->data + 16 * i);

	put_le32(to, 0);
	put_le32(to + 4, blocks);
	put_le64(to + 8, lba);
}

static void write_pattern(struct guest *g, uint64_t lba, uint32_t blocks, uint8_t byte)
{
	struct command c = rw(NVME_IO_WRITE, g->data, lba, blocks);
	uint64_t list = g->data + (1 << 20);

	memset(at(g, g->data), byte, blocks * 512);
	for (unsigned i = 0; i < 256; i++)
		put_le64(at(g, list + 8 * i), g->data + (i + 1) * PAGE);
	c.prp2 = blocks > 16 ? list : g->data + PAGE;
	CHECK_EQ(status_of(g, &io, &c), 0);
}

/* All of the block is that byte. */
static bool reads(struct guest *g, uint64_t lba, uint8_t byte)
{
	struct command c = rw(NVME_IO_READ, g->data + 0x180000, lba, 1);
	const uint8_t *p = at(g, c.prp1);

	CHECK_EQ(status_of(g, &io, &c), 0);
	return p[0] == byte && !memcmp(p, p + 1, 511);
}

static void test_ranges(struct guest *g)
{
	static const uint8_t opcodes[] = { NVME_IO_READ, NVME_IO_WRITE, NVME_IO_COMPARE,
					   NVME_IO_VERIFY, NVME_IO_WRITE_ZEROES };
	uint64_t end = DISK_SIZE / 512;

	for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++) {
		struct command c = rw(opcodes[i], g->data, end - 1, 1);

		memset(at(g, g->data), 0, 512);
		CHECK_EQ(status_of(g, &io, &c), 0);
		c.d12 = 1;
		CHECK_EQ(status_of(g, &io, &c), NVME_LBA_OUT_OF_RANGE | DNR);
		c = rw(opcodes[i], g->data, end, 1);
		CHECK_EQ(status_of(g, &io, &c), NVME_LBA_OUT_OF_RANGE | DNR);
		c = rw(opcodes[i], g->data, -1, 2);
		CHECK_EQ(status_of(g, &io, &c), NVME_LBA_OUT_OF_RANGE | DNR);
		c = rw(opcodes[i], g->data, 0, 1);
		c.nsid = 0;
		CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_NAMESPACE | DNR);
		c.nsid = 256;
		CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_NAMESPACE | DNR);
		c.nsid = NVME_ALL;
		CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_NAMESPACE | DNR);
		c.nsid = 2;
		CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
		c.nsid = 1;
		c.flags = 1;		/* fused */
		CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	}
}

static void test_transfer_limit(struct guest *g)
{
	struct command c = rw(NVME_IO_READ, g->data, 0, 2049);

	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	c.opcode = NVME_IO_COMPARE;
	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	c.opcode = NVME_IO_VERIFY;	/* moves nothing */
	CHECK_EQ(status_of(g, &io, &c), 0);
	c.opcode = NVME_IO_WRITE;
	c.d12 = 1u << 20;		/* a directive */
	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_FIELD | DNR);
	c.opcode = 0x04;		/* write uncorrectable */
	CHECK_EQ(status_of(g, &io, &c), NVME_INVALID_OPCODE | DNR);
}

static void test_compare(struct guest *g)
{
	struct command c;

	write_pattern(g, 64, 32, 'c');
	c = rw(NVME_IO_COMPARE, g->data, 64, 16);
	c.prp2 = g->data + PAGE;
	CHECK_EQ(status_of(g, &io, &c), 0);
	*(uint8_t *)at(g, g->data + 2 * PAGE - 1) = 'd';
	CHECK_EQ(status_of(g, &io, &c), NVME_COMPARE_FAILED | DNR);
	c.prp1 = 1ull << 40;
	CHECK_EQ(status_of(g, &io, &c), NVME_DATA_TRANSFER_ERROR | DNR);
}

static void test_zeroes(struct guest *g)
{
	struct command c = rw(NVME_IO_WRITE_ZEROES, 0, 101, 8);

	write_pattern(g, 100, 32, 'z');
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 100, 'z') && reads(g, 101, 0) && reads(g, 108, 0) && reads(g, 109, 'z'));
	c = rw(NVME_IO_WRITE_ZEROES, 0, 120, 2);
	c.d12 |= NVME_ZEROES_DEAC | NVME_RW_FUA;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 119, 'z') && reads(g, 120, 0) && reads(g, 121, 0) && reads(g, 122, 'z'));
	c = rw(NVME_IO_WRITE_ZEROES, 0, 0, DISK_SIZE / 512);	/* no limit but the count's */
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 122, 0));
}

static void test_dataset(struct guest *g)
{
	struct command c = dataset(g, 3);

	write_pattern(g, 200, 64, 'd');
	range(g, 0, 201, 4);
	range(g, 1, 0, 0);
	range(g, 2, 220, 2);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 200, 'd') && reads(g, 201, 0) && reads(g, 204, 0) && reads(g, 205, 'd'));
	CHECK(reads(g, 220, 0) && reads(g, 221, 0) && reads(g, 222, 'd'));

	range(g, 0, 230, 4);		/* all or nothing */
	range(g, 1, DISK_SIZE / 512 - 1, 2);
	CHECK_EQ(status_of(g, &io, &c), NVME_LBA_OUT_OF_RANGE | DNR);
	range(g, 1, ~0ull, ~0u);
	CHECK_EQ(status_of(g, &io, &c), NVME_LBA_OUT_OF_RANGE | DNR);
	CHECK(reads(g, 230, 'd'));
	c.d10 = 0;
	c.d11 = 1;			/* hints of reading are taken and not used */
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 230, 'd'));

	for (unsigned i = 0; i < 256; i++)
		range(g, i, 232 + i % 8, 1);
	c = dataset(g, 256);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 232, 0) && reads(g, 239, 0) && reads(g, 240, 'd'));
	c.prp1 = 1ull << 40;
	CHECK_EQ(status_of(g, &io, &c), NVME_DATA_TRANSFER_ERROR | DNR);
}

static uint64_t syncs(void)
{
	return storage_fault_calls(fault);
}

/* Flush and FUA reach the storage; with the cache off every write does. */
static void test_durable(struct guest *g)
{
	struct command c = rw(NVME_IO_WRITE, g->data, 7, 1);
	struct command flush = { .opcode = NVME_IO_FLUSH, .nsid = 1 };

	CHECK_EQ(status_of(g, &io, &flush), 0);
	storage_fault_arm(fault, FAULT_SYNC, 0, 0, false);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(syncs(), 0);
	c.d12 |= NVME_RW_FUA;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(syncs(), 1);
	c.d12 &= ~NVME_RW_FUA;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(status_of(g, &io, &flush), 0);
	CHECK_EQ(syncs(), 2);
	CHECK_EQ(status_of(g, &io, &c), 0);
	c.opcode = NVME_IO_READ;	/* shows what is on the medium */
	c.d12 |= NVME_RW_FUA;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(syncs(), 3);

	c = rw(NVME_IO_WRITE, g->data, 7, 1);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(set_feature(g, NVME_FEATURE_CACHE, 0, NULL), 0);	/* flushes */
	CHECK_EQ(syncs(), 4);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(syncs(), 5);
	CHECK_EQ(set_feature(g, NVME_FEATURE_CACHE, 1, NULL), 0);
	flush.nsid = NVME_ALL;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK_EQ(status_of(g, &io, &flush), 0);
	CHECK_EQ(syncs(), 6);
	flush.nsid = 9;
	CHECK_EQ(status_of(g, &io, &flush), NVME_INVALID_FIELD | DNR);
}

/* Its status says that the log has more, and the log has it. */
static void fails(struct guest *g, uint8_t opcode, unsigned kind, int error, uint16_t status)
{
	struct command c = rw(opcode, g->data, 300, 1);
	uint64_t before;
	struct completion done;
	const uint8_t *log = at(g, g->data);

	CHECK_EQ(get_log(g, NVME_LOG_ERRORS), 0);
	before = le64(log);
	storage_fault_arm(fault, kind, 1, error, false);
	done = complete(g, &io, &c);
	CHECK_EQ(done.status, status | NVME_MORE);
	CHECK_EQ(get_log(g, NVME_LOG_ERRORS), 0);
	CHECK_EQ(le64(log), before + 1);
	CHECK_EQ(le16(log + 8), io.sq);
	CHECK_EQ(le16(log + 10), done.cid);
	CHECK_EQ(le16(log + 12) >> 1, done.status);
	CHECK_EQ(le64(log + 16), 300);
	CHECK_EQ(le32(log + 24), 1);
	CHECK_EQ(status_of(g, &io, &c), 0);	/* once */
}

static void test_errors(struct guest *g)
{
	fails(g, NVME_IO_READ, FAULT_READ, -EIO, NVME_READ_ERROR);
	fails(g, NVME_IO_VERIFY, FAULT_READ, -EIO, NVME_READ_ERROR);
	fails(g, NVME_IO_WRITE, FAULT_WRITE, -EIO, NVME_WRITE_FAULT);
	fails(g, NVME_IO_WRITE, FAULT_WRITE, -ENOSPC, NVME_CAPACITY_EXCEEDED | DNR);
	CHECK_EQ(get_log(g, NVME_LOG_SMART), 0);
	CHECK_EQ(le64((uint8_t *)at(g, g->data) + 160), 3);	/* media errors */
}

static void test_read_only(struct guest *g)
{
	static const uint8_t opcodes[] = { NVME_IO_WRITE, NVME_IO_WRITE_ZEROES };
	struct vd_storage *s;
	struct vd_disk *disk;
	struct command c;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	s->writable = false;
	disk = disk_on(s);
	CHECK_OK(in_process_attach(g->p, disk, NULL, "nsid=7", NULL, NULL));
	for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++) {
		c = rw(opcodes[i], g->data, 0, 1);
		c.nsid = 7;
		CHECK_EQ(status_of(g, &io, &c), NVME_WRITE_PROTECTED | DNR);
	}
	c = dataset(g, 1);
	c.nsid = 7;
	CHECK_EQ(status_of(g, &io, &c), NVME_WRITE_PROTECTED | DNR);
	c = rw(NVME_IO_READ, g->data, 0, 1);
	c.nsid = 7;
	CHECK_EQ(status_of(g, &io, &c), 0);
	c = (struct command){ .opcode = NVME_IO_FLUSH, .nsid = 7 };
	CHECK_EQ(status_of(g, &io, &c), 0);
	c = (struct command){ .opcode = NVME_ADMIN_IDENTIFY, .nsid = 7, .prp1 = g->data };
	CHECK_EQ(admin(g, &c), 0);
	CHECK_EQ(*(uint8_t *)at(g, g->data + 99) & 1, 1);
}

static void test_remote(struct guest *g)
{
	uint8_t *remote = g->p->remote;
	struct command c = rw(NVME_IO_WRITE, IN_PROCESS_REMOTE + 512, 400, 1);

	memset(remote + 512, 'r', 512);
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 400, 'r'));
	c = rw(NVME_IO_READ, IN_PROCESS_REMOTE + PAGE - 512, 400, 2);
	c.prp2 = g->data;		/* half there, half here */
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(!memcmp(remote + PAGE - 512, remote + 512, 512));
	c = rw(NVME_IO_COMPARE, IN_PROCESS_REMOTE + 512, 400, 1);
	CHECK_EQ(status_of(g, &io, &c), 0);
	memset(remote, 'u', PAGE);		/* a failed read leaves it alone */
	storage_fault_arm(fault, FAULT_READ, 1, -EIO, false);
	c = rw(NVME_IO_READ, IN_PROCESS_REMOTE, 400, 8);
	CHECK_EQ(status_of(g, &io, &c), NVME_READ_ERROR);
	CHECK(remote[0] == 'u' && !memcmp(remote, remote + 1, PAGE - 1));
	c = rw(NVME_IO_READ, g->data, 400, 32);
	c.prp2 = IN_PROCESS_REMOTE;	/* lists cannot be there */
	CHECK_EQ(status_of(g, &io, &c), NVME_DATA_TRANSFER_ERROR | DNR);
	c = (struct command){ .opcode = NVME_ADMIN_IDENTIFY, .prp1 = IN_PROCESS_REMOTE, .d10 = 1 };
	CHECK_EQ(admin(g, &c), 0);
	CHECK(!memcmp(remote + 24, "ORCL-VBOX-NVME-VER12", 20));
	range(g, 0, 400, 1);
	memcpy(remote, at(g, g->data), 16);
	c = dataset(g, 1);
	c.prp1 = IN_PROCESS_REMOTE;
	CHECK_EQ(status_of(g, &io, &c), 0);
	CHECK(reads(g, 400, 0));
}

int main(void)
{
	struct in_process_options o = { .remote_size = 1 << 20, .irq = PCI_IRQ_MSIX,
					.vectors = 65 };
	struct device_options d = { .discard = true, .on_full = DEVICE_FULL_ERROR };
	struct vd_storage *s;
	struct guest g;

	CHECK_OK(storage_open_memory(DISK_SIZE, 1, &s));
	CHECK_OK(storage_open_fault(s, &fault));
	guest_new(&g, &o);
	guest_enable(&g);
	CHECK_OK(in_process_attach(g.p, disk_on(fault), &d, NULL, NULL, NULL));
	ring_create(&g, &io, 1, 8);
	test_ranges(&g);
	test_transfer_limit(&g);
	test_compare(&g);
	test_zeroes(&g);
	test_dataset(&g);
	test_durable(&g);
	test_errors(&g);
	test_read_only(&g);
	test_remote(&g);
	guest_free(&g);
	return 0;
}
