/* SPDX-License-Identifier: GPL-2.0-or-later */
/* socket.c - see socket.h. */
#include "core/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "core/fail.h"

#define WAITING_CLIENTS 16

static int fail(struct vd_error *err, int error, const char *path, const char *what)
{
	return fail_with(err, -error, "%.400s: %s", path, what);
}

static int address_of(const char *path, struct sockaddr_un *out, struct vd_error *err)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* An empty one would be a name that the kernel chooses. */
	if (!*path)
		return fail(err, ENOENT, path, "the path of a socket is missing");
	if (strlen(path) >= sizeof(out->sun_path))
		return fail_with(err, -ENAMETOOLONG, "%.400s: the path of a socket may have %zu "
				 "bytes at most", path, sizeof(out->sun_path) - 1);
	strcpy(out->sun_path, path);
	return 0;
}

static bool is_socket(const char *path)
{
	struct stat s;

	return !stat(path, &s) && S_ISSOCK(s.st_mode);
}

/* Takes a socket away that a process left which was killed: nobody answers on it. */
static int remove_stale(const struct sockaddr_un *address, struct vd_error *err)
{
	const char *path = address->sun_path;
	CLEANUP_CLOSE int fd = -1;
	struct stat s;

	if (lstat(path, &s))
		return errno == ENOENT ? 0 : fail(err, errno, path, strerror(errno));
	if (!S_ISSOCK(s.st_mode))
		return fail(err, EEXIST, path, "exists and is not a socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(err, errno, path, strerror(errno));
	/* EAGAIN: its queue is full; EPROTOTYPE: it is one for datagrams. */
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN ||
	    errno == EPROTOTYPE)
		return fail(err, EADDRINUSE, path, "somebody is listening on this socket already");
	if (errno == ECONNREFUSED && !unlink(path))
		return 0;
	return errno == ENOENT ? 0 : fail(err, errno, path, strerror(errno));
}

int socket_listen(const char *path, int *out, struct vd_error *err)
{
	struct sockaddr_un address;
	CLEANUP_CLOSE int fd = -1;
	int r = address_of(path, &address, err);

	if (!r)
		r = remove_stale(&address, err);
	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The file gets the mode of the socket: at no time may others connect. */
	if (fd < 0 || fchmod(fd, 0600) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, WAITING_CLIENTS))
		return fail(err, errno, path, strerror(errno));
	*out = TAKE_FD(fd);
	return 0;
}

int socket_connect(const char *path, int *out, struct vd_error *err)
{
	struct sockaddr_un address;
	CLEANUP_CLOSE int fd = -1;
	int r = address_of(path, &address, err);

	if (r)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		*out = TAKE_FD(fd);
		return 0;
	}
	if (errno == ECONNREFUSED)	/* a file of another kind refuses, too */
		return fail(err, ECONNREFUSED, path, is_socket(path) ?
			    "nobody listens on this socket" : "is not a socket");
	return fail(err, errno, path, strerror(errno));
}
