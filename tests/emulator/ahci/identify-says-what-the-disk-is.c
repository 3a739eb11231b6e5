/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest sees before it does I/O: configuration space, generic registers, signatures,
 * IDENTIFY DEVICE with the words of VirtualBox's disks. */
#include "lib-ahci.h"

static unsigned word(struct sata *s, unsigned n)
{
	return le16(at(s, DATA + 2 * n));
}

static void text(struct sata *s, unsigned from, unsigned words, char *out)
{
	for (unsigned i = 0; i < 2 * words; i++)
		out[i] = (char)*at(s, DATA + 2 * from + (i ^ 1));
	for (out[2 * words] = 0; *out && out[strlen(out) - 1] == ' ';)
		out[strlen(out) - 1] = 0;
}

static void identify(struct sata *s)
{
	struct command c = { .command = IDENTIFY, .length = 512 };
	uint8_t sum = 0;

	memset(at(s, DATA), 0xee, 1024);
	CHECK_EQ(run(s, &c), OK);
	CHECK_EQ(moved(s), 512);
	for (unsigned i = 0; i < 512; i++)
		sum += *at(s, DATA + i);
	CHECK_EQ(sum, 0);
	CHECK_EQ(*at(s, DATA + 510), 0xa5);
	CHECK_EQ(*at(s, DATA + 512), 0xee);
}

static void test_pci(struct sata *s)
{
	CHECK_EQ(in_process_config_read(s->p, 0, 4), 0x28298086u);
	CHECK_EQ(in_process_config_read(s->p, 8, 4), 0x01060102u);
	CHECK_EQ(in_process_config_read(s->p, 0x34, 1), 0x80);
	CHECK_EQ(in_process_config_read(s->p, 0x80, 2), 0x7005);
	CHECK_EQ(in_process_config_read(s->p, 0x70, 2), 0xa801);
	CHECK_EQ(in_process_config_read(s->p, 0xa8, 4), 0x0010b012);
	CHECK_EQ(in_process_config_read(s->p, 0xac, 4), 0x28);
	CHECK_EQ(in_process_config_read(s->p, 0xb0, 4), 0x03060013);
	CHECK_EQ(in_process_config_read(s->p, 0x92, 2), 0);
}

static void test_generic_registers(struct sata *s)
{
	CHECK_EQ(reg(s, R_CAP), 0xc1249f05);
	CHECK_EQ(reg(s, R_PI), 0x3f);
	CHECK_EQ(reg(s, R_VS), 0x10301);
	set_reg(s, R_CAP, 0);
	set_reg(s, R_PI, 0);
	CHECK_EQ(reg(s, R_CAP), 0xc1249f05);
	set_reg(s, R_GHC, 0);
	CHECK_EQ(reg(s, R_GHC), 0x80000000);	/* AHCI cannot be switched off */
	CHECK_EQ(in_process_read(s->p, 5, 0x0c, 8), 0x000103010000003full);
	CHECK_EQ(in_process_read(s->p, 5, 0x11, 2), 0x0103);
	CHECK_EQ(reg(s, 0x1ffc), 0);
}

static void test_index_and_data(struct sata *s)
{
	in_process_write(s->p, 4, 8, R_VS, 4);
	CHECK_EQ(in_process_read(s->p, 4, 8, 4), R_VS);
	CHECK_EQ(in_process_read(s->p, 4, 12, 4), 0x10301);
	in_process_write(s->p, 4, 8, 0x100 + P_FB, 4);
	in_process_write(s->p, 4, 12, 0x12345600, 4);
	CHECK_EQ(port_reg(s, P_FB), 0x12345600);
	in_process_write(s->p, 4, 8, 0xffffffff, 4);
	CHECK_EQ(in_process_read(s->p, 4, 12, 4), 0);
	CHECK_EQ(in_process_read(s->p, 0, 0, 4), 0);
}

static void test_ports(struct sata *s)
{
	CHECK_EQ(port_reg(s, P_SIG), SIGNATURE_DISK);
	CHECK_EQ(port_reg(s, P_SSTS), 0x123);
	CHECK_EQ(port_reg(s, P_TFD), 0x150);
	s->port = 1;
	CHECK_EQ(port_reg(s, P_SIG), SIGNATURE_NONE);
	CHECK_EQ(port_reg(s, P_SSTS), 0);
	CHECK_EQ(port_reg(s, P_TFD), 0x7f);
	s->port = 6;				/* there are six */
	CHECK_EQ(port_reg(s, P_SIG), 0);
	s->port = 0;
	/* The drive's first frame came when frames were switched on. */
	CHECK_EQ(received(s, 0x40)[0], 0x34);
	CHECK_EQ(received(s, 0x40)[2], 0x50);
	CHECK_EQ(received(s, 0x40)[3], 1);
	CHECK_EQ(le32(received(s, 0x44)) & 0xffffff, 1);
	CHECK_EQ(received(s, 0x4c)[0], 1);
}

static void test_identify(void)
{
	struct device_options o = { .serial = "VB12345678-9abcdef0", .discard = true,
				    .nonrotational = true, .physical_block_size = 4096 };
	char string[41];
	struct sata s;

	sata_new(&s, memory_disk(DISK_SIZE), &o);
	test_pci(&s);
	test_ports(&s);
	identify(&s);
	text(&s, 10, 10, string);
	CHECK_STR(string, "VB12345678-9abcdef0");
	text(&s, 23, 4, string);
	CHECK_STR(string, "1.0");
	text(&s, 27, 20, string);
	CHECK_STR(string, "VBOX HARDDISK");
	CHECK_EQ(word(&s, 0), 0x40);
	CHECK_EQ(word(&s, 1), SECTORS / 16 / 63);
	CHECK_EQ(word(&s, 3), 16);
	CHECK_EQ(word(&s, 6), 63);
	CHECK_EQ(word(&s, 47), 0x8080);
	CHECK_EQ(word(&s, 49), 0x0b00);
	CHECK_EQ(le32(at(&s, DATA + 120)), SECTORS);
	CHECK_EQ(le64(at(&s, DATA + 200)), SECTORS);
	CHECK_EQ(word(&s, 75), 31);
	CHECK_EQ(word(&s, 76), 0x506);
	CHECK_EQ(word(&s, 83) & 0xc400, 0x4400);
	CHECK_EQ(word(&s, 85), 0x69);
	CHECK_EQ(word(&s, 105), 8);
	CHECK_EQ(word(&s, 106), 0x6003);
	CHECK_EQ(word(&s, 108) >> 12, 3);
	CHECK_EQ(word(&s, 169), 1);
	CHECK_EQ(word(&s, 69), 0x4020);
	CHECK_EQ(word(&s, 217), 1);
	test_generic_registers(&s);
	test_index_and_data(&s);
	sata_free(&s);
}

static void test_other_disk(void)
{
	struct device_options o = { .discard = false };
	struct sata s;

	sata_new(&s, memory_disk((1ull << 28) * 512), &o);
	identify(&s);
	CHECK_EQ(le32(at(&s, DATA + 120)), 0x0fffffff);
	CHECK_EQ(le64(at(&s, DATA + 200)), 1ull << 28);
	CHECK_EQ(word(&s, 1), 16383);
	CHECK_EQ(word(&s, 106), 0x4000);
	CHECK_EQ(word(&s, 169), 0);
	CHECK_EQ(word(&s, 69), 0);
	CHECK_EQ(word(&s, 217), 0);
	sata_free(&s);
}

/* What the guest sets is told. */
static void test_settings(void)
{
	struct sata s;

	sata_new(&s, memory_disk(DISK_SIZE), NULL);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 16 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 17 }),
		 FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = SET_MULTIPLE, .count = 256 + 128 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 0x82 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 0x55 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 3,
					    .count = 0x22 }), OK);
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 3,
					    .count = 0x47 }), FAILED(ATA_ABRT));
	CHECK_EQ(run(&s, &(struct command){ .command = SET_FEATURES, .features = 5 }),
		 FAILED(ATA_ABRT));
	identify(&s);
	CHECK_EQ(word(&s, 59), 0x180);
	CHECK_EQ(word(&s, 85), 0x09);
	CHECK_EQ(word(&s, 63), 0x0407);
	CHECK_EQ(word(&s, 88), 0x007f);
	CHECK_EQ(run(&s, &(struct command){ .command = 0x91, .device = 7, .count = 32 }), OK);
	identify(&s);
	CHECK_EQ(word(&s, 55), 8);
	CHECK_EQ(word(&s, 56), 32);
	CHECK_EQ(word(&s, 54), SECTORS / 8 / 32);
	sata_free(&s);
}

int main(void)
{
	test_identify();
	test_other_disk();
	test_settings();
	return 0;
}
