/* SPDX-License-Identifier: GPL-2.0-or-later */
/* control.c - how a mount is told to end, and tells how it ended. */
#include "control.h"
#include "cleanup.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KICK SIGUSR1		/* does nothing but interrupt */
#define KICK_INTERVAL_MS 10
#define BIND_TRIES 100		/* 10 ms each: a server of an earlier mount may just be leaving */

static socklen_t address_of(const struct mount_entry *mount, struct sockaddr_un *out)
{
	int n;

	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	n = snprintf(out->sun_path + 1, sizeof(out->sun_path) - 1, "vimg-mount/%u/%u:%u",
		     (unsigned)mount->owner, mount->major, mount->minor);
	return offsetof(struct sockaddr_un, sun_path) + 1 + n;
}

static bool peer_is(int fd, uid_t user)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == user || peer.uid == 0);
}

/* Takes those who wait at the door. */
static void accept_all(struct control *c)
{
	int fd;

	while ((fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		int *more = peer_is(fd, getuid()) ?
			realloc(c->clients, (c->client_count + 1) * sizeof(*more)) : NULL;

		if (!more) {
			close(fd);
			continue;
		}
		c->clients = more;
		c->clients[c->client_count++] = fd;
	}
}

/* A signal came. Before there is a mount nothing is left to tidy up but what the kernel does. */
static void signalled(struct control *c)
{
	struct signalfd_siginfo info;

	if (read(c->signals, &info, sizeof(info)) != sizeof(info))
		return;
	LOCK_SCOPE(&c->lock);
	if (c->stop)
		return;
	if (!c->end)
		_exit(1);
	if (!c->kick)
		c->end(c->opaque);
	c->kick = true;
}

static bool stopping(struct control *c, int *timeout)
{
	LOCK_SCOPE(&c->lock);
	/* Again and again: the first may come just before the other thread begins to wait. */
	if (c->kick && c->end)
		pthread_kill(c->main_thread, KICK);
	*timeout = c->kick && c->end ? KICK_INTERVAL_MS : -1;
	return c->stop;
}

static void *control_thread(void *opaque)
{
	struct control *c = opaque;
	int timeout;

	while (!stopping(c, &timeout)) {
		int listener = __atomic_load_n(&c->listener, __ATOMIC_ACQUIRE);
		struct pollfd fds[] = {
			{ .fd = c->wake, .events = POLLIN },
			{ .fd = c->signals, .events = POLLIN },
			{ .fd = listener, .events = POLLIN },
		};
		uint64_t ignored;

		if (poll(fds, 3, timeout) <= 0)
			continue;
		if (fds[0].revents && read(c->wake, &ignored, sizeof(ignored)) < 0)
			continue;
		if (fds[1].revents)
			signalled(c);
		if (fds[2].revents)
			accept_all(c);
	}
	return NULL;
}

static void interrupt(int number)
{
	(void)number;
}

int control_start(struct control *c)
{
	struct sigaction action = { .sa_handler = interrupt }; /* without SA_RESTART */
	sigset_t ends;
	int status;

	*c = (struct control){
		.main_thread = pthread_self(),
		.listener = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	signal(SIGPIPE, SIG_IGN);
	sigaction(KICK, &action, NULL);
	sigemptyset(&ends);
	sigaddset(&ends, SIGHUP);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	c->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->signals < 0 || c->wake < 0)
		return -errno;
	status = pthread_create(&c->thread, NULL, control_thread, c);
	return -status;
}

static void wake(struct control *c)
{
	uint64_t one = 1;

	/* Fails only where it was woken 2^64 times already. */
	if (write(c->wake, &one, sizeof(one)) < 0)
		return;
}

void control_serving(struct control *c, void (*end)(void *opaque), void *opaque)
{
	LOCK_SCOPE(&c->lock);
	c->end = end;
	c->opaque = opaque;
}

void control_listen(struct control *c, const struct mount_entry *mount)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(mount, &address);
	int tries = BIND_TRIES;

	while (fd >= 0 && bind(fd, (struct sockaddr *)&address, size) < 0) {
		if (errno != EADDRINUSE || !tries--)
			return;
		usleep(10000);
	}
	if (fd < 0 || listen(fd, 16) < 0)
		return;
	__atomic_store_n(&c->listener, TAKE_FD(fd), __ATOMIC_RELEASE);
	wake(c);
}

void control_stop(struct control *c)
{
	{
		LOCK_SCOPE(&c->lock);
		c->stop = true;
	}
	wake(c);
	pthread_join(c->thread, NULL);
	if (c->listener < 0)
		return;
	accept_all(c);
	close(c->listener);
	c->listener = -1;
}

void control_report(struct control *c, const char *failure)
{
	const char *text = failure ? failure : CONTROL_OK;

	for (size_t i = 0; i < c->client_count; i++) {
		/* Who does not listen any more is not waited for. */
		send(c->clients[i], text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL);
		close(c->clients[i]);
	}
	free(c->clients);
	c->clients = NULL;
	c->client_count = 0;
}

int control_connect(const struct mount_entry *mount)
{
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(mount, &address);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
		return -errno;
	/* Anybody may take a free name. */
	if (!peer_is(fd, mount->owner))
		return -EPERM;
	return TAKE_FD(fd);
}
