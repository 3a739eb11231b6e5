/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is marked for clean-up is given back once, also by an early return, and not when taken. */
#include <fcntl.h>

#include "cleanup.h"
#include "test.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static bool is_locked(void)
{
	if (pthread_mutex_trylock(&lock))
		return true;
	pthread_mutex_unlock(&lock);
	return false;
}

static int leave_early(bool early, int *fd_out)
{
	CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP_FREE char *text = strdup("freed; valgrind sees it if not");
	LOCK_SCOPE(&lock);

	CHECK(fd >= 0 && text && is_locked());
	*fd_out = fd;
	errno = EXDEV;
	if (early)
		return -1;
	return 0;
}

static int keep_fd(void)
{
	CLEANUP_CLOSE int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	return TAKE_FD(fd);
}

static char *keep_text(void)
{
	CLEANUP_FREE char *text = strdup("kept");

	return TAKE_PTR(text);
}

int main(void)
{
	CLEANUP_FREE char *text = keep_text();
	int fd;

	for (int early = 0; early < 2; early++) {
		CHECK_EQ(leave_early(early, &fd), -early);
		CHECK_EQ(errno, EXDEV);
		CHECK(fcntl(fd, F_GETFD) == -1 && errno == EBADF);
		CHECK(!is_locked());
	}
	{
		LOCK_SCOPE(&lock);
		CHECK(is_locked());
	}
	CHECK(!is_locked());
	fd = keep_fd();
	CHECK(fcntl(fd, F_GETFD) != -1);
	close(fd);
	CHECK_STR(text, "kept");
	return 0;
}
