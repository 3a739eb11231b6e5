/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the controller says of itself and its namespaces, its log pages, and its features. */
#include "lib-nvme.h"

static uint16_t identify(struct guest *g, uint32_t nsid, uint32_t cns)
{
	memset(at(g, g->data), 0xee, PAGE);
	return admin(g, &(struct command){ .opcode = NVME_ADMIN_IDENTIFY, .nsid = nsid,
					   .prp1 = g->data, .d10 = cns });
}

static void test_controller(struct guest *g)
{
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(identify(g, 0, 1), 0);
	CHECK_EQ(le16(p), 0x80ee);
	CHECK(!memcmp(p + 4, "VB1234-56789        ", 20));
	CHECK(!memcmp(p + 24, "ORCL-VBOX-NVME-VER12                    ", 40));
	CHECK(!memcmp(p + 64, "1.0     ", 8));
	CHECK_EQ(p[77], 8);				/* 1 MiB */
	CHECK_EQ(le32(p + 80), 0x10400);
	CHECK_EQ(le32(p + 92), 1 << 8);			/* OAES */
	CHECK_EQ(p[111], 1);
	CHECK_EQ(le16(p + 256), 1 << 8);
	CHECK_EQ(p[512], 0x66);
	CHECK_EQ(p[513], 0x44);
	CHECK_EQ(le32(p + 516), 255);
	CHECK_EQ(p[525], 7);
	CHECK_EQ(le32(p + 536) & 3, 1);
	CHECK(!memcmp(p + 768, "nqn.2014.08.org.nvmexpress:80ee80eeVB1234", 41));
	CHECK(memchr(p + 768, 0, 256) != NULL);
}

static void test_namespace(struct guest *g)
{
	const uint8_t *p = at(g, g->data);
	uint8_t ids[24];
	static const uint8_t none[PAGE];

	CHECK_EQ(identify(g, 1, 0), 0);
	CHECK_EQ(le64(p), DISK_SIZE / 512);
	CHECK_EQ(le64(p + 8), DISK_SIZE / 512);
	CHECK_EQ(p[25], 0);				/* one format */
	CHECK_EQ(p[33], 9);
	CHECK_EQ(p[99], 0);
	CHECK_EQ(p[128 + 2], 9);			/* 512 bytes */
	memcpy(ids, p + 104, 24);
	CHECK(memcmp(ids, none, 16) && memcmp(ids + 16, none, 8));

	CHECK_EQ(identify(g, 1, 3), 0);
	CHECK_EQ(p[0], 1);
	CHECK(!memcmp(p + 4, ids + 16, 8));
	CHECK_EQ(p[12], 2);
	CHECK(!memcmp(p + 16, ids, 16));
	CHECK_EQ(p[32], 0);				/* a raw disk has no UUID */

	CHECK_EQ(identify(g, 2, 0), 0);			/* not active: zeros */
	CHECK(!memcmp(p, none, PAGE));
	CHECK_EQ(identify(g, 2, 3), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(identify(g, 0, 0), NVME_INVALID_NAMESPACE | DNR);
	CHECK_EQ(identify(g, 256, 0), NVME_INVALID_NAMESPACE | DNR);
	CHECK_EQ(identify(g, NVME_ALL, 0), NVME_INVALID_NAMESPACE | DNR);
	CHECK_EQ(identify(g, 1, 0x11), 0);
	CHECK_EQ(le64(p), DISK_SIZE / 512);
}

static void test_lists(struct guest *g)
{
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(identify(g, 0, 2), 0);
	CHECK_EQ(le32(p), 1);
	CHECK_EQ(le32(p + 4), 5);
	CHECK_EQ(le32(p + 8), 255);
	CHECK_EQ(le32(p + 12), 0);
	CHECK_EQ(identify(g, 1, 2), 0);
	CHECK_EQ(le32(p), 5);
	CHECK_EQ(identify(g, 255, 2), 0);
	CHECK_EQ(le32(p), 0);
	CHECK_EQ(identify(g, 4, 0x10), 0);
	CHECK_EQ(le32(p), 5);
	CHECK_EQ(identify(g, 0xfffffffd, 2), 0);
	CHECK_EQ(identify(g, 0xfffffffe, 2), NVME_INVALID_NAMESPACE | DNR);
	CHECK_EQ(identify(g, NVME_ALL, 2), NVME_INVALID_NAMESPACE | DNR);
	CHECK_EQ(identify(g, 0, 0x13), 0);
	CHECK_EQ(le16(p), 1);
	CHECK_EQ(identify(g, 0, 1 << 16 | 0x13), 0);
	CHECK_EQ(le16(p), 0);
	CHECK_EQ(identify(g, 5, 0x12), 0);
	CHECK_EQ(le16(p), 1);
	CHECK_EQ(identify(g, 6, 0x12), 0);
	CHECK_EQ(le16(p), 0);
	CHECK_EQ(identify(g, 0, 6), 0);			/* the NVM command set's own */
	CHECK_EQ(p[1], 13);
	CHECK_EQ(identify(g, 1, 5), 0);
	CHECK_EQ(identify(g, 0, 4), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(identify(g, 0, 0xff), NVME_INVALID_FIELD | DNR);
}

static uint16_t log_page(struct guest *g, uint8_t id, uint64_t dwords, uint64_t offset,
			 uint32_t nsid)
{
	memset(at(g, g->data), 0xee, 2 * PAGE);
	return admin(g, &(struct command){
		.opcode = NVME_ADMIN_GET_LOG, .nsid = nsid, .prp1 = g->data, .prp2 = g->data + PAGE,
		.d10 = id | (uint32_t)(dwords - 1) << 16, .d11 = (dwords - 1) >> 16, .d12 = offset,
		.d13 = offset >> 32 });
}

static void test_logs(struct guest *g)
{
	const uint8_t *p = at(g, g->data);

	CHECK_EQ(log_page(g, NVME_LOG_SMART, 128, 0, NVME_ALL), 0);
	CHECK_EQ(le16(p + 1), 313);
	CHECK_EQ(p[3], 100);
	CHECK_EQ(p[512], 0xee);				/* as long as asked for */
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 0, 0), 0);
	CHECK_EQ(p[4], 0xee);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 0, 1), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 200, 4, 0), 0);	/* from offset 4, then zeros */
	CHECK_EQ(p[0], 10);
	CHECK_EQ(p[508], 0);
	CHECK_EQ(p[799], 0);
	CHECK_EQ(p[800], 0xee);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 512, 0), 0);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 516, 0), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 2, 0), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1, 1ull << 32, 0), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(log_page(g, NVME_LOG_SMART, 1 << 19, 0, 0), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(log_page(g, NVME_LOG_FIRMWARE, 128, 0, 0), 0);
	CHECK_EQ(p[0], 1);
	CHECK(!memcmp(p + 8, "1.0     ", 8));
	CHECK_EQ(log_page(g, NVME_LOG_EFFECTS, 1024, 0, 0), 0);
	CHECK_EQ(le32(p + 4 * NVME_ADMIN_IDENTIFY), 1);
	CHECK_EQ(le32(p + 1024 + 4 * NVME_IO_WRITE), 3);
	CHECK_EQ(le32(p + 1024 + 4 * NVME_IO_READ), 1);
	CHECK_EQ(le32(p + 1024 + 4 * 4), 0);
	CHECK_EQ(log_page(g, NVME_LOG_ERRORS, 1024, 0, 0), 0);
	CHECK_EQ(log_page(g, NVME_LOG_CHANGED, 1024, 0, 0), 0);
	CHECK_EQ(log_page(g, 0x00, 1, 0, 0), NVME_LOG_INVALID | DNR);
	CHECK_EQ(log_page(g, 0x06, 1, 0, 0), NVME_LOG_INVALID | DNR);
}

static uint32_t feature(struct guest *g, uint32_t id)
{
	uint32_t value;
	struct completion c = complete(g, &g->admin, &(struct command){
		.opcode = NVME_ADMIN_GET_FEATURES, .d10 = id & 0xffff, .d11 = id >> 16,
		.prp1 = g->data });

	CHECK_EQ(c.status, 0);
	value = c.result;
	return value;
}

static void test_simple_features(struct guest *g)
{
	static const struct { uint8_t id; uint32_t set, get, by_default; } features[] = {
		{ NVME_FEATURE_ARBITRATION, 0x01020304, 0x01020304, 0 },
		{ NVME_FEATURE_POWER, 0, 0, 0 },
		{ NVME_FEATURE_CACHE, 0, 0, 1 },
		{ NVME_FEATURE_COALESCING, 0xf0102, 0x102, 0 },
		{ NVME_FEATURE_ATOMICITY, 3, 1, 0 },
		{ NVME_FEATURE_EVENTS, 0xffffffff, 0x1ff, 0 },
		{ NVME_FEATURE_TEMPERATURE, 400, 400, 343 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		uint8_t id = features[i].id;

		CHECK_EQ(feature(g, id), features[i].by_default);
		CHECK_EQ(set_feature(g, id, features[i].set, NULL), 0);
		CHECK_EQ(feature(g, id), features[i].get);
		CHECK_EQ(feature(g, 1 << 8 | id), features[i].by_default);
		CHECK_EQ(feature(g, 2 << 8 | id), features[i].by_default);
		CHECK_EQ(feature(g, 3 << 8 | id), 4);
		CHECK_EQ(set_feature(g, id, features[i].by_default, NULL), 0);
	}
	CHECK_EQ(set_feature(g, NVME_FEATURE_POWER, 1, NULL), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(set_feature(g, NVME_FEATURE_TEMPERATURE, 1 << 16 | 400, NULL),
		 NVME_INVALID_FIELD | DNR);
	CHECK_EQ(set_feature(g, NVME_FEATURE_TEMPERATURE, 1 << 20 | 200, NULL), 0);
	CHECK_EQ(feature(g, 1u << 20 << 16 | NVME_FEATURE_TEMPERATURE), 343);
	CHECK_EQ(set_feature(g, 0x03, 0, NULL), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(set_feature(g, 0x0c, 0, NULL), NVME_INVALID_FIELD | DNR);
}

static void test_queues(struct guest *g)
{
	uint32_t result;
	struct ring io;

	CHECK_EQ(set_feature(g, NVME_FEATURE_QUEUES, 3 << 16 | 3, &result), 0);
	CHECK_EQ(result, 63 << 16 | 63);
	CHECK_EQ(feature(g, NVME_FEATURE_QUEUES), 63 << 16 | 63);
	CHECK_EQ(set_feature(g, NVME_FEATURE_QUEUES, 0xffff, NULL), NVME_INVALID_FIELD | DNR);
	CHECK_EQ(set_feature(g, NVME_FEATURE_QUEUES, 0xffff0000, NULL), NVME_INVALID_FIELD | DNR);
	ring_create(g, &io, 1, 4);
	CHECK_EQ(set_feature(g, NVME_FEATURE_QUEUES, 3 << 16 | 3, NULL), NVME_SEQUENCE_ERROR | DNR);
}

static void test_by_object(struct guest *g)
{
	struct command c = { .opcode = NVME_ADMIN_SET_FEATURES, .nsid = 5,
			     .d10 = NVME_FEATURE_RECOVERY, .d11 = 77 };

	CHECK_EQ(admin(g, &c), 0);
	c.d11 = 1 << 16;
	CHECK_EQ(admin(g, &c), NVME_INVALID_FIELD | DNR);
	c.nsid = 6;
	c.d11 = 1;
	CHECK_EQ(admin(g, &c), NVME_INVALID_FIELD | DNR);
	c.opcode = NVME_ADMIN_GET_FEATURES;
	c.nsid = 5;
	CHECK_EQ(complete(g, &g->admin, &c).result, 77);
	c.nsid = 1;
	CHECK_EQ(complete(g, &g->admin, &c).result, 0);
	c.opcode = NVME_ADMIN_SET_FEATURES;
	c.d10 = NVME_FEATURE_CACHE;
	CHECK_EQ(admin(g, &c), NVME_NOT_NAMESPACE_SPECIFIC | DNR);
	c.nsid = 0;
	c.d10 |= 1u << 31;
	CHECK_EQ(admin(g, &c), NVME_NOT_SAVEABLE | DNR);

	CHECK_EQ(set_feature(g, NVME_FEATURE_VECTOR, 1 << 16 | 64, NULL), 0);
	CHECK_EQ(feature(g, 64u << 16 | NVME_FEATURE_VECTOR), 1 << 16 | 64);
	CHECK_EQ(feature(g, 63u << 16 | NVME_FEATURE_VECTOR), 63);
	CHECK_EQ(set_feature(g, NVME_FEATURE_VECTOR, 65, NULL), NVME_INVALID_FIELD | DNR);
}

static void test_with_data(struct guest *g)
{
	struct command c = { .opcode = NVME_ADMIN_SET_FEATURES, .d10 = NVME_FEATURE_TIMESTAMP,
			     .prp1 = g->data };
	uint8_t *p = at(g, g->data);

	CHECK_EQ(feature(g, NVME_FEATURE_TIMESTAMP), 0);
	CHECK_EQ(p[6], 0);				/* counts from the reset */
	put_le64(p, 0x1234567890);
	CHECK_EQ(admin(g, &c), 0);
	memset(p, 0, 8);
	CHECK_EQ(feature(g, NVME_FEATURE_TIMESTAMP), 0);
	CHECK(le64(p) << 16 >> 16 >= 0x1234567890);
	CHECK(le64(p) << 16 >> 16 < 0x1234567890 + 60000);
	CHECK_EQ(p[6], 2);				/* set by the host */

	memcpy(p, "0123456789abcdef", 16);
	c.d10 = NVME_FEATURE_HOST_ID;
	c.d11 = 1;
	CHECK_EQ(admin(g, &c), 0);
	memset(p, 0, 16);
	CHECK_EQ(feature(g, 1 << 16 | NVME_FEATURE_HOST_ID), 0);
	CHECK(!memcmp(p, "0123456789abcdef", 16));
	c.d11 = 0;
	c.prp1 = 1ull << 40;
	CHECK_EQ(admin(g, &c), NVME_DATA_TRANSFER_ERROR | DNR);
}

static void test_unknown_commands(struct guest *g)
{
	static const uint8_t opcodes[] = { 0x03, 0x0d, 0x10, 0x11, 0x14, 0x18, 0x80, 0xff };

	for (unsigned i = 0; i < sizeof(opcodes); i++)
		CHECK_EQ(admin(g, &(struct command){ .opcode = opcodes[i] }),
			 NVME_INVALID_OPCODE | DNR);
	CHECK_EQ(admin(g, &(struct command){ .opcode = NVME_ADMIN_IDENTIFY, .flags = 1 }),
		 NVME_INVALID_FIELD | DNR);
}

static void test_options(void)
{
	struct option_value value[] = { { "serial", "MINE" }, { "queues", "2" } };
	struct in_process_options o = { .options = { value, 2 }, .irq = PCI_IRQ_MSIX,
					.vectors = 3 };
	struct guest g;
	uint32_t result;

	guest_new(&g, &o);
	guest_enable(&g);
	CHECK_EQ(identify(&g, 0, 1), 0);
	CHECK(!memcmp(at(&g, g.data + 4), "MINE                ", 20));
	CHECK_EQ(get_feature(&g, NVME_FEATURE_QUEUES, &result), 0);
	CHECK_EQ(result, 0x10001);
	CHECK_EQ(create_cq(&g, 3, pages(&g, 1), 16, 1), NVME_QUEUE_ID_INVALID | DNR);
	guest_free(&g);
}

static void refuses(const char *name, const char *text)
{
	struct option_value value = { name, text };
	struct in_process_options o = { .controller = "nvme", .options = { &value, 1 } };
	struct in_process *p;
	struct vd_error err = { "" };

	CHECK_EQ(in_process_new(&o, &p, &err), -EINVAL);
	CHECK(*err.text);
}

int main(void)
{
	struct guest g;

	guest_start(&g);
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, NULL, NULL, NULL));
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, "nsid=5", NULL, NULL));
	CHECK_OK(in_process_attach(g.p, memory_disk(DISK_SIZE), NULL, "nsid=255", NULL, NULL));
	test_controller(&g);
	test_namespace(&g);
	test_lists(&g);
	test_logs(&g);
	test_simple_features(&g);
	test_queues(&g);
	test_by_object(&g);
	test_with_data(&g);
	test_unknown_commands(&g);
	guest_free(&g);
	test_options();
	refuses("queues", "0");
	refuses("queues", "65");
	refuses("serial", "longer than twenty bytes");
	refuses("serial", "tab\t");
	return 0;
}
