/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * size.h - sizes as people write and read them; one grammar for all programs.
 *
 *	20G	1.5M	64K	512	powers of 1024, as for qemu-img and coreutils; in any case
 *	20GiB	64KiB			the same, as for coreutils and parted
 *	20GB	64KB			powers of 1000, as for coreutils and parted
 *	512b	512B	4s		bytes; sectors of 512, as for parted
 *
 * The manual pages of all programs that take sizes say so, too. Not taken: bits (VBoxManage's k, m
 * and g of bandwidths), hexadecimal numbers, signs, and exponents.
 */
#ifndef SIZE_H
#define SIZE_H

#include <stdint.h>

/*
 * Bytes. A fraction wants a unit of 1000 or more; what it gives is rounded up to a multiple of 512.
 * Otherwise -EINVAL, or -ERANGE for more than a file can have (2^63 - 1).
 */
int size_parse(const char *text, uint64_t *out);
/* What size_parse() found fault with, for a person. */
const char *size_fault(int error);

#define SIZE_TEXT 16
/* "512", "64.0K", "19.5G": powers of 1024 with one decimal, cut off and not rounded, so that it
 * never promises more than there is. `text` has SIZE_TEXT bytes; it is returned. */
char *size_format(uint64_t size, char *text);

#endif
