/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * internal.h - what the files of the storage layer share among themselves.
 */
#ifndef VIMG_STORAGE_INTERNAL_H
#define VIMG_STORAGE_INTERNAL_H

#include "storage.h"

/* Fills err, if any, with "path: sentence" and returns code. */
int storage_fail(struct vd_error *err, int code, const char *path, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Zeros by writing them. */
int storage_write_zeros(struct vd_storage *s, uint64_t offset, uint64_t length);

/* Sum of the lengths, which the caller has checked for overflow. */
uint64_t storage_iov_length(const struct iovec *iov, int n);

/*
 * Describes in `out` (room for `max`) what begins `skip` bytes into iov, at most `limit` bytes of
 * it. Returns how many were filled in.
 */
int storage_iov_part(struct iovec *out, int max, const struct iovec *iov, int n, uint64_t skip,
		     uint64_t limit);

#endif
