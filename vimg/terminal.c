/* SPDX-License-Identifier: GPL-2.0-or-later */
/* terminal.c - signals that stop what takes long, and how far it is. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vimg.h"

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

void catch_interrupts(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESETHAND }, before;

	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		/* nohup and the like want it to be ignored. */
		if (!sigaction(numbers[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
}

bool interrupted(void)
{
	return caught;
}

void end_by_interrupt(void)
{
	if (!caught)
		return;
	signal(caught, SIG_DFL);
	raise(caught);
}

/* ----------------------------------------------------------------------------------- progress */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_begin(struct progress *p, bool quiet)
{
	*p = (struct progress){ .next = now() + 1, .show = !quiet && isatty(STDERR_FILENO) };
}

int progress_tell(void *opaque, uint64_t done, uint64_t total)
{
	struct progress *p = opaque;

	if (p->show && now() >= p->next) {
		fprintf(stderr, "\r%5.1f %%", total ? 100.0 * (double)done / (double)total : 100.0);
		p->next = now() + 0.2;
		p->shown = true;
	}
	return interrupted();
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r       \r", stderr);
	p->shown = false;
}
