/* SPDX-License-Identifier: GPL-2.0-or-later */
/* REPORT SUPPORTED OPERATION CODES tells exactly which commands are answered, and which of their bits
 * may be set. */
#include "scsi-test.h"

static uint8_t in[8192];

static bool is_listed(const uint8_t *list, unsigned n, uint8_t opcode, int service)
{
	for (unsigned at = 4; at < n; at += list[at + 5] & 2 ? 20 : 8)
		if (list[at] == opcode && (!(list[at + 5] & 1) ||
					   service < 0 || be16(list + at + 2) == service))
			return true;
	return false;
}

/* Nothing that is listed is answered "invalid opcode", all that is not is. */
static void test_all(void)
{
	static uint8_t list[4096];
	unsigned n;

	GOOD(run(list, sizeof(list), 0xa3, 0x0c, 0, 0, 0, 0, B4(sizeof(list)), 0, 0));
	n = (unsigned)command.transferred;
	CHECK_EQ(be32(list), n - 4);
	for (unsigned op = 0; op < 256; op++) {
		uint8_t cdb[16] = {(uint8_t)op, 0x10};
		struct scsi_command *c = run_cdb(cdb, 16, in, sizeof(in));
		bool unknown = c->status == SCSI_CHECK_CONDITION &&
			       sense_read(c->sense, c->sense_length).asc == ASC_INVALID_OPCODE;

		CHECK_EQ(unknown, !is_listed(list, n, (uint8_t)op, -1));
		if (op == 0x1b)		/* that one stopped it */
			GOOD(run(NULL, 0, 0x1b, 0, 0, 0, 1, 0));
	}
	for (unsigned i = 0; i < n; i++) {
		GOOD(run(in, i, 0xa3, 0x0c, 0, 0, 0, 0, B4(i), 0, 0));
		CHECK_EQ(command.transferred, i);
		CHECK(!memcmp(in, list, i));
	}
	GOOD(run(in, sizeof(in), 0xa3, 0x0c, 0x80, 0, 0, 0, B4(sizeof(in)), 0, 0));
	CHECK_EQ(be32(in) / 20, (n - 4) / 8);
	for (unsigned at = 4; at < be32(in) + 4; at += 20) {
		CHECK(in[at + 5] & 2);
		CHECK_EQ(be16(in + at + 8), 10);
	}
}

/* A command with each bit outside its usage data set, one at a time, is refused at that bit. */
static void check_bits(const uint8_t *usage, unsigned length)
{
	for (unsigned bit = 8; bit < 8 * length; bit++) {
		uint8_t cdb[16] = {usage[0]}, mask = (uint8_t)(1 << bit % 8);
		struct sense_read s;

		if (usage[0] == 0x9e || usage[0] == 0xa3)
			cdb[1] = usage[1] & 0x1f;
		if (usage[bit / 8] & mask || cdb[bit / 8] & mask)
			continue;
		if (bit / 8 == 1 && (length == 6 || usage[0] == 0x9e || usage[0] == 0xa3) &&
		    (length == 6 ? bit % 8 >= 5 : bit % 8 < 5))
			continue;	/* an old LUN; another service action */
		cdb[bit / 8] |= mask;
		SENSE(run_cdb(cdb, length, in, sizeof(in)), ILLEGAL_REQUEST,
		      ASC_INVALID_FIELD_IN_CDB);
		s = sense_read(command.sense, command.sense_length);
		CHECK_EQ(s.byte, bit / 8);
		CHECK_EQ(s.bit, (int)(bit % 8));
	}
}

static void test_each(void)
{
	static uint8_t list[4096];
	uint8_t one[64];
	unsigned n;

	GOOD(run(list, sizeof(list), 0xa3, 0x0c, 0, 0, 0, 0, B4(sizeof(list)), 0, 0));
	n = (unsigned)command.transferred;
	for (unsigned at = 4; at < n; at += 8) {
		uint8_t option = list[at + 5] & 1 ? 2 : 1;
		unsigned length = be16(list + at + 6);

		GOOD(run(one, sizeof(one), 0xa3, 0x0c, option, list[at], list[at + 2],
			 list[at + 3], B4(sizeof(one)), 0, 0));
		CHECK_EQ(one[1], 3);
		CHECK_EQ(be16(one + 2), length);
		CHECK_EQ(command.transferred, 4 + length);
		CHECK_EQ(one[4], list[at]);
		check_bits(one + 4, length);
		GOOD(run(one, sizeof(one), 0xa3, 0x0c, option | 0x80, list[at], list[at + 2],
			 list[at + 3], B4(sizeof(one)), 0, 0));
		CHECK_EQ(one[1], 0x83);
		CHECK_EQ(command.transferred, 16 + length);
		CHECK(be32(one + 4 + length + 8) > 0);
		/* The other option is for commands of the other kind. */
		BAD_CDB(run(one, sizeof(one), 0xa3, 0x0c, 3 - option, list[at], list[at + 2],
			    list[at + 3], B4(sizeof(one)), 0, 0), 2, 2);
		GOOD(run(one, sizeof(one), 0xa3, 0x0c, 3, list[at], list[at + 2], list[at + 3],
			 B4(sizeof(one)), 0, 0));
		CHECK_EQ(one[1], 3);
	}
}

static void test_unsupported(void)
{
	uint8_t one[64];

	for (uint8_t option = 1; option < 4; option++) {
		GOOD(run(one, sizeof(one), 0xa3, 0x0c, option, 0xc0, 0, 0, B4(64), 0, 0));
		CHECK_EQ(one[1], 1);
		CHECK_EQ(command.transferred, 4);
	}
	GOOD(run(one, sizeof(one), 0xa3, 0x0c, 2, 0x9e, 0, 0x1e, B4(64), 0, 0));
	CHECK_EQ(one[1], 1);
	GOOD(run(one, sizeof(one), 0xa3, 0x0c, 3, 0x28, 0, 1, B4(64), 0, 0));
	CHECK_EQ(one[1], 1);
	GOOD(run(one, sizeof(one), 0xa3, 0x0c, 1, 0x5f, 0, 0, B4(64), 0, 0));
	CHECK_EQ(one[1], 1);				/* persistent reservations */
	BAD_CDB(run(one, sizeof(one), 0xa3, 0x0c, 4, 0x28, 0, 0, B4(64), 0, 0), 2, 2);
}

static void test_functions(void)
{
	GOOD(run(in, 64, 0xa3, 0x0d, 0, 0, 0, 0, B4(64), 0, 0));
	CHECK_EQ(command.transferred, 4);
	CHECK_EQ(in[0], 0xde);
	CHECK_EQ(in[1], 0x03);
	GOOD(run(in, 64, 0xa3, 0x0d, 0x80, 0, 0, 0, B4(64), 0, 0));
	CHECK_EQ(command.transferred, 16);
	CHECK_EQ(in[3], 12);
	BAD_CDB(run(in, 64, 0xa3, 0x0d, 0, 0, 0, 0, B4(3), 0, 0), 6, -1);
}

static void test_short_cdb(void)
{
	SENSE(run(in, 512, 0x28, 0, 0, 0, 0, 0), ILLEGAL_REQUEST, ASC_INVALID_FIELD_IN_CDB);
	SENSE(run(in, 512, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0), ILLEGAL_REQUEST,
	      ASC_INVALID_FIELD_IN_CDB);
}

int main(void)
{
	lab_open(&(struct lab_options){0});
	test_all();
	test_each();
	test_unsupported();
	test_functions();
	test_short_cdb();
	lab_close();

	/* No UNMAP without thin provisioning. */
	lab_open(&(struct lab_options){.no_discard = true});
	GOOD(run(in, 64, 0xa3, 0x0c, 1, 0x42, 0, 0, B4(64), 0, 0));
	CHECK_EQ(in[1], 1);
	SENSE(run(in, 24, 0x42, 0, 0, 0, 0, 0, 0, B2(24), 0), ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	test_all();
	lab_close();
	return 0;
}
