/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * brief.c - see brief.h.
 *
 * The timer is set by the first call after it fired last, and fires once, PERIOD later. The handler
 * runs in the thread of the calls, so that it sees whether it is inside of one. Then it sets the
 * timer again: it may have come just before the call began to wait, and so have ended nothing yet.
 */
#include "core/brief.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define PERIOD_NS 50000000l

struct brief {
	timer_t timer;
	/* Shared with the signal handler. */
	volatile sig_atomic_t inside;	/* a call is under way */
	volatile sig_atomic_t set;	/* the timer is */
};

static void set_timer(struct brief *b)
{
	const struct itimerspec once = {.it_value.tv_nsec = PERIOD_NS};

	timer_settime(b->timer, 0, &once, NULL);
}

static void fired(int signal_number, siginfo_t *info, void *context)
{
	struct brief *b = info->si_value.sival_ptr;
	int saved = errno;

	(void)signal_number;
	(void)context;
	if (info->si_code != SI_TIMER)
		return;
	if (b->inside)
		set_timer(b);
	else
		b->set = false;
	errno = saved;
}

/* Without SA_RESTART, or the call would go on waiting. */
static void catch_signal(void)
{
	struct sigaction action = {.sa_sigaction = fired, .sa_flags = SA_SIGINFO};

	sigemptyset(&action.sa_mask);
	sigaction(SIGRTMIN, &action, NULL);
}

int brief_new(struct brief **out)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct brief *b = calloc(1, sizeof(*b));
	struct sigevent to = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN, .sigev_value.sival_ptr = b,
	};
	sigset_t ours;
	int r;

	if (!b)
		return -ENOMEM;
	pthread_once(&once, catch_signal);
	to.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
	if (timer_create(CLOCK_MONOTONIC, &to, &b->timer)) {
		r = -errno;
		free(b);
		return r;
	}
	sigemptyset(&ours);
	sigaddset(&ours, SIGRTMIN);
	pthread_sigmask(SIG_UNBLOCK, &ours, NULL);
	*out = b;
	return 0;
}

/* What the timer sent to this very thread has arrived when timer_delete() returns. */
void brief_free(struct brief *b)
{
	if (!b)
		return;
	timer_delete(b->timer);
	free(b);
}

static void begin(struct brief *b)
{
	b->inside = true;
	atomic_signal_fence(memory_order_seq_cst);
	if (b->set)
		return;
	b->set = true;
	set_timer(b);
}

static ssize_t end(struct brief *b, ssize_t r)
{
	if (r < 0)
		r = errno == EINTR ? -ETIMEDOUT : -errno;
	atomic_signal_fence(memory_order_seq_cst);
	b->inside = false;
	return r;
}

ssize_t brief_read(struct brief *b, int fd, void *buf, size_t n)
{
	begin(b);
	return end(b, read(fd, buf, n));
}

ssize_t brief_write(struct brief *b, int fd, const void *buf, size_t n)
{
	begin(b);
	return end(b, write(fd, buf, n));
}
