/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A read or write that would wait for ever ends by itself, again and again; others are as ever. */
#include <fcntl.h>
#include <sys/eventfd.h>

#include "core/brief.h"
#include "test.h"

int main(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint64_t one = 1, most = UINT64_MAX - 1, got = 0;
	struct brief *b, *other;

	alarm(60);
	CHECK_OK(brief_new(&b));
	CHECK_OK(brief_new(&other));
	CHECK_EQ(brief_write(b, fd, &one, 8), 8);
	CHECK_EQ(brief_read(other, fd, &got, 8), 8);
	CHECK_EQ(got, 1);
	CHECK_EQ(brief_read(b, fd, &got, 8), -EAGAIN);
	CHECK_EQ(brief_write(b, fd, &most, 8), 8);
	CHECK_EQ(brief_write(b, fd, &one, 8), -EAGAIN);
	CHECK_EQ(brief_write(b, fd, &one, 4), -EINVAL);
	CHECK_OK(fcntl(fd, F_SETFL, 0));
	for (unsigned i = 0; i < 3; i++) {
		CHECK_EQ(brief_write(b, fd, &one, 8), -ETIMEDOUT);
		CHECK_EQ(brief_write(other, fd, &one, 8), -ETIMEDOUT);
	}
	CHECK_EQ(read(fd, &got, 8), 8);
	CHECK_EQ(got, most);
	for (unsigned i = 0; i < 3; i++)
		CHECK_EQ(brief_read(b, fd, &got, 8), -ETIMEDOUT);
	CHECK_EQ(brief_write(b, fd, &one, 8), 8);
	CHECK_EQ(brief_read(b, fd, &got, 8), 8);
	brief_free(b);
	brief_free(other);
	brief_free(NULL);
	close(fd);
	return 0;
}
