/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* error.c - sentences for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checked.h"
#include "formats/format.h"

int fail(struct vd_error *err, int code, const char *format, ...)
{
	va_list ap;

	if (err) {
		va_start(ap, format);
		vsnprintf(err->text, sizeof(err->text), format, ap);
		va_end(ap);
		err->remedies = 0;
	}
	return code;
}

int fail_remedy(struct vd_error *err, unsigned remedies, int code)
{
	if (err)
		err->remedies = remedies;
	return code;
}

void vd_error_advise(struct vd_error *err, const struct vd_option_words *words)
{
	const struct {
		unsigned remedy;
		const char *word, *before, *after;
	} advice[] = {
		{ VD_REMEDY_NO_PARENTS, words->parent, "leave ", " out" },
		{ VD_REMEDY_PARENT, words->parent, "give the right file with ", "" },
		{ VD_REMEDY_PARENT_DIR, words->parent_dir, "its folder with ", "" },
		{ VD_REMEDY_FORCE_PARENT, words->force_parent, "take this one with ", "" },
		{ VD_REMEDY_FORCE, words->force, "", " allows it nevertheless" },
		{ VD_REMEDY_RAW, words->raw, "if it is a raw disk all the same, say so with ", "" },
	};
	const char *gap = "; ";

	for (unsigned i = 0; err && i < ARRAY_SIZE(advice); i++) {
		size_t n = strlen(err->text);

		if (!(err->remedies & advice[i].remedy) || !advice[i].word)
			continue;
		snprintf(err->text + n, sizeof(err->text) - n, "%s%s%s%s", gap, advice[i].before,
			 advice[i].word, advice[i].after);
		gap = ", or ";
	}
	if (err)
		err->remedies = 0;
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
