/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who listens on a path gets a socket for its owner alone; a living one, and what is none, stay. */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/socket.h"
#include "test.h"

static void refused(const char *path, int error, const char *part)
{
	struct vd_error err = {""};
	int fd;

	CHECK_EQ(socket_listen(path, &fd, &err), error);
	CHECK(strstr(err.text, path) == err.text);
	CHECK(strstr(err.text, part) != NULL);
	CHECK_EQ(socket_listen(path, &fd, NULL), error);
}

static void unreachable(const char *path, int error, const char *part)
{
	struct vd_error err = {""};
	int fd;

	CHECK_EQ(socket_connect(path, &fd, &err), error);
	CHECK(strstr(err.text, part) != NULL);
	CHECK_EQ(socket_connect(path, &fd, NULL), error);
}

static void a_living_one_stays(const char *path)
{
	struct vd_error err = {""};
	int listener, client, accepted;
	struct stat st;

	CHECK_OK(socket_listen(path, &listener, &err));
	CHECK_OK(stat(path, &st));
	CHECK_EQ(st.st_mode & 07777, 0600);
	refused(path, -EADDRINUSE, "listening");
	CHECK_OK(socket_connect(path, &client, &err));
	for (unsigned i = 0; i < 3; i++) {	/* those that only looked came before */
		accepted = accept(listener, NULL, NULL);
		CHECK(accepted >= 0);
		if (i < 2)
			close(accepted);
	}
	CHECK_EQ(send(client, "x", 1, MSG_NOSIGNAL), 1);
	close(accepted);
	close(client);
	CHECK_EQ(accept(listener, NULL, NULL), -1);
	CHECK_EQ(errno, EAGAIN);

	close(listener);
}

static void one_whose_queue_is_full_stays(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener, client, clients = 0;

	CHECK_OK(socket_listen(path, &listener, NULL));
	strcpy(address.sun_path, path);
	do {
		client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (!connect(client, (struct sockaddr *)&address, sizeof(address)) && ++clients < 1000);
	CHECK_EQ(errno, EAGAIN);
	refused(path, -EADDRINUSE, "listening");
	close(listener);
}

static void a_stale_one_is_replaced(const char *path)
{
	struct vd_error err = {""};
	int fd;

	unreachable(path, -ECONNREFUSED, "nobody listens");
	CHECK_OK(socket_listen(path, &fd, &err));
	close(fd);
	unlink(path);
}

static void other_files_stay(const char *path)
{
	int file = open(path, O_CREAT | O_RDWR, 0600);

	refused(path, -EEXIST, "not a socket");
	unreachable(path, -ECONNREFUSED, "not a socket");
	CHECK_OK(access(path, F_OK));
	close(file);
	unlink(path);
	unreachable(path, -ENOENT, "No such file");
}

static void datagrams_stay(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(address.sun_path, path);
	CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	refused(path, -EADDRINUSE, "already");
	CHECK_OK(access(path, F_OK));
	close(fd);
	unlink(path);
}

int main(void)
{
	char *path = test_path("socket"), longer[200];

	a_living_one_stays(path);
	one_whose_queue_is_full_stays(path);
	a_stale_one_is_replaced(path);
	other_files_stay(path);
	datagrams_stay(path);
	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	refused(longer, -ENAMETOOLONG, "107 bytes at most");
	unreachable(longer, -ENAMETOOLONG, "107 bytes at most");
	refused("/nonexistent/socket", -ENOENT, "No such file");
	refused("", -ENOENT, "missing");
	unreachable("", -ENOENT, "missing");
	free(path);
	return 0;
}
