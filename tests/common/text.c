/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is no UTF-8 becomes U+FFFD byte by byte; for a terminal controls do, too. */
#include "test.h"

#include "text.h"

#define NO "\xef\xbf\xbd"	/* U+FFFD */

static void becomes(const char *in, const char *json, const char *terminal)
{
	char out[TEXT_CLEAN_ROOM(64)];

	CHECK(strlen(in) < 64);
	CHECK_STR(text_clean(out, in, false), json);
	CHECK_STR(text_clean(out, in, true), terminal);
}

static void stays(const char *in)
{
	becomes(in, in, in);
}

int main(void)
{
	stays("");
	stays("disk.vdi");
	stays("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x92\xbe");
	stays("\xc2\xa0\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf4\x8f\xbf\xbf"); /* the last of each */

	becomes("\xff", NO, NO);
	becomes("a\x80z", "a" NO "z", "a" NO "z");
	becomes("\xc0\xaf", NO NO, NO NO);			/* overlong */
	becomes("\xe0\x9f\xbf", NO NO NO, NO NO NO);
	becomes("\xf0\x8f\xbf\xbf", NO NO NO NO, NO NO NO NO);
	becomes("\xed\xa0\x80", NO NO NO, NO NO NO);		/* a surrogate */
	becomes("\xf4\x90\x80\x80", NO NO NO NO, NO NO NO NO);	/* past the last */
	becomes("\xe2\x82", NO NO, NO NO);			/* cut off */
	becomes("\xf0", NO, NO);

	becomes("\x1b[2J\n", "\x1b[2J\n", NO "[2J" NO);
	becomes("\x7f", "\x7f", NO);
	becomes("\xc2\x9b", "\xc2\x9b", NO);			/* CSI in one */
	becomes("\xe2\x80\xae", "\xe2\x80\xae", NO);		/* right to left */
	becomes("\xe2\x81\xa9", "\xe2\x81\xa9", NO);
	return 0;
}
