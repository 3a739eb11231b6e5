/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A function-level reset by the capability that says it can be done, PCI Express's or Advanced
 * Features: when the write is answered the function is as at power-on, again and again. The other
 * capabilities stay where they always were.
 */
#include "emulator-test.h"
#include "front/client.h"
#include "front/server.h"

enum { COMMAND = 4, BAR5 = 0x24, CAPABILITIES = 0x34 };
enum { EXPRESS = 0x10, ADVANCED = 0x13 };

static struct client c;

static uint32_t config(uint32_t at, unsigned n)
{
	return (uint32_t)client_read(&c, CLIENT_CONFIG, at, n);
}

/* "id@offset" of all, in their order. */
static void check_capabilities(const char *expected)
{
	char text[256] = "";
	size_t n = 0;

	for (uint32_t at = config(CAPABILITIES, 1); at; at = config(at + 1, 1)) {
		CHECK(at >= 0x40 && at % 4 == 0 && n < sizeof(text) - 8);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%02x@%02x", n ? " " : "",
				      config(at, 1), at);
	}
	CHECK_STR(text, expected);
}

static uint32_t capability(unsigned id)
{
	for (uint32_t at = config(CAPABILITIES, 1); at; at = config(at + 1, 1))
		if (config(at, 1) == id)
			return at;
	return 0;
}

/* As Linux does it: only where the bits say that it can be done, and nothing is pending. */
static void reset_function(void)
{
	uint32_t express = capability(EXPRESS), advanced = capability(ADVANCED);

	CHECK(!express != !advanced);
	if (express) {
		CHECK(config(express + 4, 4) & 1u << 28);
		CHECK(!(config(express + 10, 2) & 1u << 5));
		client_write(&c, CLIENT_CONFIG, express + 8, config(express + 8, 2) | 1u << 15, 2);
		CHECK(!(config(express + 8, 2) & 1u << 15));
	} else {
		CHECK_EQ(config(advanced + 2, 1), 6);
		CHECK_EQ(config(advanced + 3, 1), 3);
		CHECK_EQ(config(advanced + 5, 1) & 1, 0);
		client_write(&c, CLIENT_CONFIG, advanced + 4, 1, 1);
		CHECK_EQ(config(advanced + 4, 2), 0);
	}
}

static void one(const char *type, const char *capabilities, unsigned bar, uint64_t reg,
		uint32_t value)
{
	struct server s = {0};
	uint64_t before;

	server_new(&s, type);
	server_attach(&s, memory_disk(1 << 20));
	server_start(&s);
	client_connect(&c, s.path);
	CHECK_OK(client_version(&c, NULL));
	check_capabilities(capabilities);
	before = client_read(&c, bar, reg, 4);
	for (unsigned i = 0; i < 3; i++) {
		client_write(&c, CLIENT_CONFIG, COMMAND, 7, 2);
		client_write(&c, CLIENT_CONFIG, BAR5, 0xfebf0000, 4);
		client_write(&c, bar, reg, value, 4);
		CHECK(client_read(&c, bar, reg, 4) != before);
		reset_function();
		CHECK_EQ(config(COMMAND, 2), 0);
		CHECK_EQ(config(BAR5, 4) >> 16, 0);
		CHECK_EQ(client_read(&c, bar, reg, 4), before);
		check_capabilities(capabilities);
	}
	/* Nothing but the bit does it. */
	client_write(&c, bar, reg, value, 4);
	if (capability(ADVANCED))
		client_write(&c, CLIENT_CONFIG, capability(ADVANCED) + 4, 0xfe, 1);
	else
		client_write(&c, CLIENT_CONFIG, capability(EXPRESS) + 8, 0x7fff, 2);
	CHECK(client_read(&c, bar, reg, 4) != before);
	client_close(&c);
	server_stop(&s);
}

int main(void)
{
	alarm(60);
	/* ASQ; GHC.IE; the driver's feature select. */
	one("nvme", "01@40 05@50 11@68 10@78", 0, 0x28, 0x1000);
	one("ahci", "05@80 01@70 12@a8 13@b0", 5, 0x04, 0x80000002);
	one("virtio-scsi", "11@40 09@50 09@60 09@70 09@80 09@94 05@a8 13@c0", 4, 0x08, 1);
	return 0;
}
