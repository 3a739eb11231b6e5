/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bytes.h - numbers in bytes: little- and big-endian loads and stores at any address.
 *
 * le32(p) reads, put_le32(p, v) writes. They take const void * and void *, so that a parser can say
 * le32(buf + 0x48) whatever the alignment; compilers make single instructions of them.
 */
#ifndef BYTES_H
#define BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define BYTES_DEFINE(order, bits)						\
	static inline uint##bits##_t order##bits(const void *p)			\
	{									\
		uint##bits##_t v;						\
										\
		memcpy(&v, p, sizeof(v));					\
		return order##bits##toh(v);					\
	}									\
										\
	static inline void put_##order##bits(void *p, uint##bits##_t v)		\
	{									\
		v = hto##order##bits(v);					\
		memcpy(p, &v, sizeof(v));					\
	}

BYTES_DEFINE(le, 16)
BYTES_DEFINE(le, 32)
BYTES_DEFINE(le, 64)
BYTES_DEFINE(be, 16)
BYTES_DEFINE(be, 32)
BYTES_DEFINE(be, 64)

#undef BYTES_DEFINE

#endif
