/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checked arithmetic is right on both sides of each limit. */
#include "checked.h"
#include "test.h"

static void sums(void)
{
	uint64_t r;
	size_t s;

	CHECK(add_u64(UINT64_MAX - 1, 1, &r) && r == UINT64_MAX);
	CHECK(!add_u64(UINT64_MAX, 1, &r));
	CHECK(sub_u64(5, 5, &r) && r == 0);
	CHECK(!sub_u64(5, 6, &r));
	CHECK(mul_u64(UINT32_MAX, UINT32_MAX, &r) && r == 0xfffffffe00000001);
	CHECK(!mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &r));
	CHECK(add_size(SIZE_MAX, 0, &s) && s == SIZE_MAX);
	CHECK(!add_size(SIZE_MAX, 1, &s));
	CHECK(!mul_size(SIZE_MAX, 2, &s));
	r = 7;
	CHECK(add_u64(r, r, &r) && r == 14);
}

static void alignment(void)
{
	uint64_t r;

	CHECK_EQ(align_down(511, 512), 0);
	CHECK_EQ(align_down(1000, 300), 900);
	CHECK(align_up(0, 300, &r) && r == 0);
	CHECK(align_up(1, 300, &r) && r == 300);
	CHECK(align_up(300, 300, &r) && r == 300);
	CHECK(align_up(UINT64_MAX - 511, 512, &r) && r == UINT64_MAX - 511);
	CHECK(!align_up(UINT64_MAX - 510, 512, &r));
	CHECK(is_aligned(600, 300) && !is_aligned(601, 300));
	CHECK_EQ(div_up(0, 512), 0);
	CHECK_EQ(div_up(512, 512), 1);
	CHECK_EQ(div_up(513, 512), 2);
	CHECK_EQ(div_up(UINT64_MAX, 512), UINT64_C(1) << 55);
}

static void ranges(void)
{
	CHECK(range_in(0, 0, 0));
	CHECK(range_in(10, 0, 10));
	CHECK(!range_in(11, 0, 10));
	CHECK(range_in(9, 1, 10));
	CHECK(!range_in(9, 2, 10));
	CHECK(!range_in(5, UINT64_MAX, 10));
	CHECK(!range_in(UINT64_MAX, 1, 10));
}

int main(void)
{
	int three[3];

	sums();
	alignment();
	ranges();
	CHECK_EQ(min_u64(1, 2), 1);
	CHECK_EQ(max_u64(1, 2), 2);
	CHECK(is_power_of_2(1) && is_power_of_2(UINT64_C(1) << 63));
	CHECK(!is_power_of_2(0) && !is_power_of_2(3));
	CHECK_EQ(ARRAY_SIZE(three), 3);
	return 0;
}
