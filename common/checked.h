/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * checked.h - arithmetic on numbers that came from an image and so cannot be trusted.
 *
 * Functions that return bool return true where the result fits, and write it; on false *result holds
 * nothing of use. The result may be one of the operands.
 */
#ifndef CHECKED_H
#define CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline bool add_u64(uint64_t a, uint64_t b, uint64_t *result)
{
	return !__builtin_add_overflow(a, b, result);
}

static inline bool sub_u64(uint64_t a, uint64_t b, uint64_t *result)
{
	return !__builtin_sub_overflow(a, b, result);
}

static inline bool mul_u64(uint64_t a, uint64_t b, uint64_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

static inline bool add_size(size_t a, size_t b, size_t *result)
{
	return !__builtin_add_overflow(a, b, result);
}

static inline bool mul_size(size_t a, size_t b, size_t *result)
{
	return !__builtin_mul_overflow(a, b, result);
}

/* Does [offset, offset + length) lie inside [0, size)? An empty range at the end does. */
static inline bool range_in(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Any unit except 0, not only powers of two. */
static inline uint64_t align_down(uint64_t value, uint64_t unit)
{
	return value - value % unit;
}

static inline bool align_up(uint64_t value, uint64_t unit, uint64_t *result)
{
	uint64_t over = value % unit;

	return add_u64(value, over ? unit - over : 0, result);
}

static inline bool is_aligned(uint64_t value, uint64_t unit)
{
	return value % unit == 0;
}

/* The number of units that hold value bytes; cannot overflow. */
static inline uint64_t div_up(uint64_t value, uint64_t unit)
{
	return value / unit + (value % unit != 0);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline bool is_power_of_2(uint64_t value)
{
	return value && !(value & (value - 1));
}

#endif
