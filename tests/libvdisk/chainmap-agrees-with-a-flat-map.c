/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random fills, patches, drops and evictions against one entry a KiB in an array. */
#include "core/chainmap.h"
#include "test.h"

#define UNIT 1024u
#define BUCKETS 6u
#define SIZE (BUCKETS * BUCKET_SIZE - 300 * UNIT) /* the last bucket is shorter */
#define UNITS (SIZE / UNIT)

/* Where each unit is: 0 zero, else level and place. */
static struct { uint8_t kind; uint16_t level; uint64_t offset; bool in_place; } flat[UNITS];

static struct run run_of(uint64_t first, uint64_t units)
{
	return (struct run) {
		.start = first * UNIT, .length = units * UNIT, .kind = flat[first].kind,
		.level = flat[first].level, .offset = flat[first].offset,
		.in_place = flat[first].in_place,
	};
}

static void fill(struct chainmap *m, unsigned bucket)
{
	static struct run runs[BUCKET_SIZE / UNIT];
	uint64_t from = bucket * (BUCKET_SIZE / UNIT);
	uint64_t to = from + BUCKET_SIZE / UNIT < UNITS ? from + BUCKET_SIZE / UNIT : UNITS;
	unsigned n = 0;

	for (uint64_t i = from; i < to; i++)
		runs[n++] = run_of(i, 1);
	CHECK_OK(chainmap_put(m, from * UNIT, runs, n));
}

static void set(uint64_t first, uint64_t units, unsigned kind, unsigned level, uint64_t offset)
{
	for (uint64_t i = 0; i < units; i++) {
		flat[first + i].kind = (uint8_t)kind;
		flat[first + i].level = (uint16_t)(kind == RUN_DATA ? level : 0);
		flat[first + i].offset = kind == RUN_DATA ? offset + i * UNIT : 0;
		flat[first + i].in_place = kind == RUN_DATA && !level;
	}
}

static void compare(struct chainmap *m, uint64_t first, uint64_t units)
{
	struct run runs[7];
	unsigned n = chainmap_get(m, first * UNIT, units * UNIT, runs, 7);
	uint64_t at = first * UNIT;

	for (unsigned i = 0; i < n; i++) {
		CHECK_EQ(runs[i].start, at);
		CHECK(runs[i].length > 0);
		for (uint64_t k = 0; k < runs[i].length; k += UNIT) {
			uint64_t unit = (at + k) / UNIT;

			CHECK_EQ(runs[i].kind, flat[unit].kind);
			if (runs[i].kind != RUN_DATA)
				continue;
			CHECK_EQ(runs[i].level, flat[unit].level);
			CHECK_EQ(runs[i].offset + k, flat[unit].offset);
			CHECK_EQ(runs[i].in_place, flat[unit].in_place);
		}
		at += runs[i].length;
	}
	CHECK(at <= (first + units) * UNIT);
}

int main(void)
{
	struct chainmap m;
	unsigned seen = 0;

	srand(42);
	CHECK_OK(chainmap_init(&m, 60000));
	for (int i = 0; i < 20000; i++) {
		uint64_t first = (uint64_t)rand() % UNITS;
		uint64_t units = 1 + (uint64_t)rand() % (rand() % 4 ? 40 : UNITS);
		struct run run;

		if (units > UNITS - first)
			units = UNITS - first;
		switch (rand() % 8) {
		case 0:
			fill(&m, (unsigned)rand() % BUCKETS);
			break;
		case 1: case 2: case 3:
			if (units > 60)
				units = 60;
			set(first, units, rand() % 3 ? RUN_DATA : RUN_ZERO, (unsigned)rand() % 3,
			    (uint64_t)rand() * UNIT);
			run = run_of(first, units);
			chainmap_patch(&m, &run);
			break;
		case 4:
			if (rand() % 20 == 0)
				chainmap_drop(&m, first * UNIT, units * UNIT);
			break;
		default:
			compare(&m, first, units);
			seen += chainmap_get(&m, first * UNIT, UNIT, &run, 1);
		}
		CHECK(m.bytes <= m.limit || m.count == 1);
	}
	CHECK(seen > 1000); /* it was not empty all the time */
	chainmap_drop(&m, 0, UINT64_MAX);
	CHECK_EQ(m.count, 0);
	CHECK_EQ(m.bytes, 0);
	chainmap_free(&m);
	return 0;
}
