/* SPDX-License-Identifier: GPL-2.0-or-later */
/* say.c - what vimg-mount tells a person. */
#include "say.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *format, ...)
{
	char text[2048], clean[TEXT_CLEAN_ROOM(sizeof(text))];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* One call, so that lines of two processes do not mix. A terminal obeys no file's name. */
	fprintf(stderr, "vimg-mount: %s\n", text_clean(clean, text, true));
}
