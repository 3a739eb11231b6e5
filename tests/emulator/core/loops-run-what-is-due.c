/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A loop's round: descriptors, timers in their order, posted tasks from other threads, deferred ones;
 * and what is removed from within a callback is not called any more. */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "checked.h"
#include "core/loop.h"
#include "emulator-test.h"

static char order[64];
static struct loop *l;

static void note(void *opaque)
{
	strcat(order, opaque);
}

static int is_due_later(const void *a, const void *b)
{
	const struct loop_timer *const *x = a, *const *y = b;

	return ((*x)->at > (*y)->at) - ((*x)->at < (*y)->at);
}

static void test_timers(void)
{
	struct loop_timer late = {.fired = note, .opaque = "c"};
	struct loop_timer soon = {.fired = note, .opaque = "a"};
	struct loop_timer between = {.fired = note, .opaque = "b"};
	struct loop_timer never = {.fired = note, .opaque = "x"};
	const struct loop_timer *due[] = {&soon, &between, &late};
	char expected[4] = "";
	uint64_t begun = loop_now();

	loop_timer_set(l, &late, 6000000);
	loop_timer_set(l, &never, 2000000);
	loop_timer_set(l, &soon, 9000000);
	loop_timer_set(l, &soon, 2000000);
	loop_timer_set(l, &between, 4000000);
	loop_timer_cancel(l, &never);
	loop_timer_cancel(l, &never);
	/* As it should be, unless this process was held up between the calls for that long. */
	qsort(due, ARRAY_SIZE(due), sizeof(*due), is_due_later);
	for (unsigned i = 0; i < ARRAY_SIZE(due); i++)
		expected[i] = *(const char *)due[i]->opaque;
	order[0] = '\0';
	while (strlen(order) < 3)
		loop_once(l, -1);
	CHECK_STR(order, expected);
	CHECK(loop_now() - begun >= 6000000);
}

static void test_deferred(void)
{
	struct loop_task a = {.run = note, .opaque = "a"}, b = {.run = note, .opaque = "b"};
	struct loop_task c = {.run = note, .opaque = "c"};

	order[0] = '\0';
	loop_defer(l, &a);
	loop_defer(l, &c);
	loop_defer(l, &b);
	loop_defer(l, &a);
	loop_undefer(l, &c);
	loop_undefer(l, &c);
	loop_once(l, -1);
	CHECK_STR(order, "ab");
}

static struct loop_task again;
static unsigned rounds;

static void defer_again(void *opaque)
{
	(void)opaque;
	if (++rounds < 1000)
		loop_defer(l, &again);
}

static void count_up(void *opaque, uint32_t events)
{
	CHECK(events & EPOLLIN);
	(*(unsigned *)opaque)++;
}

/* A task that always defers itself does not keep descriptors waiting. */
static void test_fairness(void)
{
	unsigned seen = 0;
	struct loop_watch w = {.fd = eventfd(1, EFD_NONBLOCK), .ready = count_up, .opaque = &seen};

	again = (struct loop_task){.run = defer_again};
	CHECK_OK(loop_watch(l, &w, EPOLLIN));
	loop_defer(l, &again);
	while (rounds < 1000)
		loop_once(l, -1);
	CHECK(seen > 5);
	loop_unwatch(l, &w);
	loop_unwatch(l, &w);
	close(w.fd);
}

static struct loop_watch pair[2];

static void remove_other(void *opaque, uint32_t events)
{
	(void)events;
	strcat(order, "1");
	loop_unwatch(l, &pair[opaque == &pair[0]]);
}

static void test_removal(void)
{
	order[0] = '\0';
	for (int i = 0; i < 2; i++) {
		pair[i] = (struct loop_watch){.fd = eventfd(1, EFD_NONBLOCK),
					      .ready = remove_other, .opaque = &pair[i]};
		CHECK_OK(loop_watch(l, &pair[i], EPOLLIN));
	}
	loop_once(l, -1);
	CHECK_STR(order, "1");
	for (int i = 0; i < 2; i++) {
		loop_unwatch(l, &pair[i]);
		close(pair[i].fd);
	}
}

static struct loop_task mail[3];

static void *post(void *opaque)
{
	(void)opaque;
	for (int i = 0; i < 3; i++)
		loop_post(l, &mail[i]);
	loop_stop(l);
	return NULL;
}

/* All that was posted before the stop has run when loop_run() returns. */
static void test_posting(void)
{
	static char *name[] = {"a", "b", "c"};
	pthread_t thread;

	order[0] = '\0';
	for (int i = 0; i < 3; i++)
		mail[i] = (struct loop_task){.run = note, .opaque = name[i]};
	CHECK(!pthread_create(&thread, NULL, post, NULL));
	loop_run(l);
	pthread_join(thread, NULL);
	CHECK_STR(order, "abc");
}

int main(void)
{
	CHECK_OK(loop_new(&l));
	test_timers();
	test_deferred();
	test_fairness();
	test_removal();
	test_posting();
	loop_free(l);
	return 0;
}
