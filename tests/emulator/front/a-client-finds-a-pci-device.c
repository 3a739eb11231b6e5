/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a vfio-user client asks at first, and registers: the answers are those of a PCI device. */
#include "bytes.h"
#include "front/client.h"
#include "front/server.h"
#include "front/toy.h"
#include "test.h"

static struct client c;

static void device_is_described(void)
{
	struct client_message m;
	uint8_t p[16] = {16};

	CHECK_OK(client_call(&c, CLIENT_GET_INFO, p, 16, &m));
	CHECK_EQ(m.length, 16);
	CHECK_EQ(le32(m.payload), 16);
	CHECK_EQ(le32(m.payload + 4), 3);
	CHECK_EQ(le32(m.payload + 8), 9);
	CHECK_EQ(le32(m.payload + 12), 5);
	CHECK_EQ(client_call(&c, CLIENT_GET_INFO, p, 12, NULL), -EINVAL);
	put_le32(p, 8);
	CHECK_EQ(client_call(&c, CLIENT_GET_INFO, p, 16, NULL), -EINVAL);
}

static uint64_t region_size(uint32_t index)
{
	struct client_message m;
	uint8_t p[32] = {32};

	put_le32(p + 8, index);
	CHECK_OK(client_call(&c, CLIENT_GET_REGION_INFO, p, 32, &m));
	CHECK_EQ(m.length, 32);
	CHECK_EQ(le32(m.payload + 8), index);
	CHECK_EQ(le32(m.payload + 4), le64(m.payload + 16) ? 3 : 0);
	return le64(m.payload + 16);
}

static void regions_are_described(void)
{
	uint8_t p[32] = {32};

	CHECK_EQ(region_size(0), 0x4000);
	CHECK_EQ(region_size(1), 0);
	CHECK_EQ(region_size(4), 16);
	CHECK_EQ(region_size(6), 0);
	CHECK_EQ(region_size(CLIENT_CONFIG), 256);
	CHECK_EQ(region_size(8), 0);
	put_le32(p + 8, 9);
	CHECK_EQ(client_call(&c, CLIENT_GET_REGION_INFO, p, 32, NULL), -EINVAL);
}

static void interrupts_are_described(void)
{
	static const uint32_t counts[] = {1, 8, TOY_VECTORS, 1, 0};
	struct client_message m;
	uint8_t p[16] = {16};

	for (uint32_t i = 0; i < 5; i++) {
		put_le32(p + 8, i);
		CHECK_OK(client_call(&c, CLIENT_GET_IRQ_INFO, p, 16, &m));
		CHECK_EQ(le32(m.payload + 8), i);
		CHECK_EQ(le32(m.payload + 12), counts[i]);
		CHECK(le32(m.payload + 4) & 1);
	}
	put_le32(p + 8, 5);
	CHECK_EQ(client_call(&c, CLIENT_GET_IRQ_INFO, p, 16, NULL), -EINVAL);
}

static void configuration_is_there(void)
{
	struct client_message m;
	uint8_t p[16] = {0};

	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 0, 4), 0x56781234);
	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 9, 1), 2);
	put_le32(p + 8, CLIENT_CONFIG);
	put_le32(p + 12, 256);
	CHECK_OK(client_call(&c, CLIENT_REGION_READ, p, 16, &m));
	CHECK_EQ(m.length, 16 + 256);
	CHECK_EQ(le16(m.payload + 16), 0x1234);
	client_write(&c, CLIENT_CONFIG, 0x10, 0xffffffff, 4);
	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 0x10, 4), 0xffffc004);
	client_write(&c, CLIENT_CONFIG, 0x30, 0xffffffff, 4);
	CHECK_EQ(client_read(&c, CLIENT_CONFIG, 0x30, 4), 0);
}

static void registers_are_reached(void)
{
	struct client_message m;
	uint8_t p[16 + 64];

	client_write(&c, 0, TOY_SCRATCH, 0x1122334455667788, 8);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH + 2, 4), 0x33445566);
	client_post(&c, 0, TOY_SCRATCH + 8, 0xabcd, 2);
	client_post(&c, 0, TOY_SCRATCH + 10, 0x12, 1);
	CHECK_EQ(client_read(&c, 0, TOY_SCRATCH + 8, 4), 0x12abcd);
	/* Long ones come to the controller in pieces. */
	memset(p, 0x5a, sizeof(p));
	put_le64(p, TOY_SCRATCH + 3);
	put_le32(p + 8, 0);
	put_le32(p + 12, 40);
	CHECK_OK(client_call(&c, CLIENT_REGION_WRITE, p, 16 + 40, NULL));
	CHECK_OK(client_call(&c, CLIENT_REGION_READ, p, 16, &m));
	CHECK(m.length == 16 + 40 && !memcmp(m.payload + 16, p + 16, 40));
	CHECK_EQ(client_read(&c, 0, TOY_LONGEST, 4), 8);
}

static void wrong_accesses_are_refused(void)
{
	uint8_t p[32] = {0};

	put_le64(p, 0x4000);
	put_le32(p + 12, 4);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -EINVAL);
	put_le64(p, 0x3ffd);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -EINVAL);
	put_le64(p, UINT64_MAX - 1);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -EINVAL);
	put_le64(p, 0);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 20, NULL), -EINVAL);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 8, NULL), -EINVAL);
	CHECK_EQ(client_call(&c, CLIENT_REGION_WRITE, p, 16 + 3, NULL), -EINVAL);
	CHECK_EQ(client_call(&c, CLIENT_REGION_WRITE, p, 16 + 5, NULL), -EINVAL);
	put_le32(p + 8, 6);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -EINVAL);
	put_le32(p + 8, UINT32_MAX);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -EINVAL);
	put_le32(p + 12, UINT32_MAX);
	CHECK_EQ(client_call(&c, CLIENT_REGION_READ, p, 16, NULL), -E2BIG);
}

static void many_writes_come_in_one_message(void)
{
	struct client_message m;
	uint8_t p[8 + 3 * 24] = {3};

	for (unsigned i = 0; i < 3; i++) {
		put_le64(p + 8 + 24 * i, 16 + 4 * i);
		put_le32(p + 20 + 24 * i, 4);
		put_le32(p + 24 + 24 * i, 0x100 + i);
	}
	CHECK_OK(client_call(&c, CLIENT_WRITE_MULTI, p, sizeof(p), &m));
	CHECK(m.length == 8 && le64(m.payload) == 3);
	CHECK_EQ(client_read(&c, 0, 20, 8), 0x10200000101);
	put_le32(p + 20 + 24, 9);
	CHECK_OK(client_call(&c, CLIENT_WRITE_MULTI, p, sizeof(p), &m));
	CHECK_EQ(le64(m.payload), 1);
	CHECK_EQ(client_call(&c, CLIENT_WRITE_MULTI, p, sizeof(p) - 1, NULL), -EINVAL);
	put_le64(p, UINT64_MAX / 24 + 2);
	CHECK_EQ(client_call(&c, CLIENT_WRITE_MULTI, p, sizeof(p), NULL), -EINVAL);
}

static void other_commands_are_unsupported(void)
{
	static const uint16_t commands[] = {0, 6, 11, 12, 14, 16, 17, 18, 19, 100, 65535};
	uint8_t p[64] = {0};

	for (unsigned i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		CHECK_EQ(client_call(&c, commands[i], p, sizeof(p), NULL), -ENOTSUP);
	CHECK_EQ(client_version(&c, NULL), -EINVAL);
}

int main(void)
{
	struct server s = {0};

	server_new(&s, NULL);
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	device_is_described();
	regions_are_described();
	interrupts_are_described();
	configuration_is_there();
	registers_are_reached();
	wrong_accesses_are_refused();
	many_writes_come_in_one_message();
	other_commands_are_unsupported();
	client_close(&c);
	server_stop(&s);
	return 0;
}
