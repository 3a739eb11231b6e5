/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fail.c - see fail.h. */
#include "core/fail.h"

#include <stdarg.h>
#include <stdio.h>

int fail_with(struct vd_error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->remedies = 0;
	return code;
}
