/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can hold no disk is refused with a sentence, and without waiting for a FIFO's other end.
 */
#include "test.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "storage/storage.h"

static void refused(const char *path, int code, const char *why)
{
	for (int writable = 0; writable <= 1; writable++) {
		struct vd_error err = { "" };
		struct vd_storage *s = NULL;

		CHECK_EQ(storage_open_file(path, writable, &s, &err), code);
		CHECK(!s);
		CHECK(!strncmp(err.text, path, strlen(path)));
		if (!strstr(err.text, why))
			test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.text, why);
		CHECK_EQ(storage_open_file(path, writable, &s, NULL), code);
	}
}

int main(void)
{
	char *fifo = test_path("fifo"), *link = test_path("link"), *sock = test_path("sock");
	char *file = test_path("file");
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct vd_storage *s;
	struct vd_error err;
	int fd;

	alarm(20);
	CHECK_EQ(mkfifo(fifo, 0600), 0);
	CHECK_EQ(symlink(fifo, link), 0);
	refused(fifo, -ENOTSUP, "it is a named pipe; only a regular file");
	refused(link, -ENOTSUP, "it is a named pipe");
	refused(test_tmpdir(), -EISDIR, "it is a directory");
	refused("/dev/zero", -ENOTSUP, "it is a character device");
	refused(file, -ENOENT, "No such file or directory");

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", sock);
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	refused(sock, -ENOTSUP, "it is a socket");
	close(fd);

	CHECK_OK(storage_create_file(file, &s, &err));
	storage_close(s);
	CHECK_EQ(storage_create_file(fifo, &s, &err), -EEXIST);
	if (geteuid() != 0) {
		CHECK_EQ(chmod(file, 0400), 0);
		CHECK_EQ(storage_open_file(file, true, &s, &err), -EACCES);
		CHECK(strstr(err.text, "cannot open for writing: Permission denied"));
	}
	/* By a symbolic link, a file is as good as any. */
	CHECK_EQ(unlink(link), 0);
	CHECK_EQ(symlink(file, link), 0);
	CHECK_OK(storage_open_file(link, false, &s, &err));
	storage_close(s);
	free(fifo);
	free(link);
	free(sock);
	free(file);
	return 0;
}
