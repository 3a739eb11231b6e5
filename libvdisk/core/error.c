/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - sentences for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/format.h"

int fail(struct vd_error *err, int code, const char *format, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, format);
		vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
	}
	return code;
}

int image_fail(const struct vd_image *img, struct vd_error *err, int code, const char *format,
	       ...)
{
	char text[sizeof(err->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return fail(err, code, "%s: %s", img->path, text);
}

void image_warn(struct vd_image *img, const char *format, ...)
{
	va_list ap;

	if (img->warning)
		return;
	va_start(ap, format);
	if (vasprintf(&img->warning, format, ap) < 0)
		img->warning = NULL; /* no memory for a warning: go on without */
	va_end(ap);
}

void check_finding(struct check_ctx *ctx, enum vd_finding_kind kind, bool repaired,
		   const char *format, ...)
{
	struct vd_check_result *r = ctx->result;
	char text[512];
	va_list ap;

	*(kind == VD_FINDING_ERROR ? &r->errors :
	  kind == VD_FINDING_LEAK ? &r->leaks : &r->minor) += 1;
	r->repaired += repaired;
	if (!ctx->found)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	ctx->found(ctx->opaque, kind, repaired, text);
}
