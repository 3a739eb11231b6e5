/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * controllers.c - what a request costs in the emulator, without a machine and without a socket:
 * random reads of 4 KiB through the in-process front end, everything in one thread.
 *
 *	controllers [-n REQUESTS] [CONTROLLER [IMAGE]]
 *
 * IMAGE should be in the page cache of a file system that can tell so (tmpfs cannot: io_uring then
 * reads it). Without one the disk is all zeros, and no file is asked: then the time is the
 * emulator's own. CONTROLLER may be "all". -n makes so many requests instead of a
 * second's worth, for a profiler that counts instructions:
 *
 *	valgrind --tool=callgrind --toggle-collect=measure bench/controllers -n 100000 nvme
 */
#include "controllers.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vdisk.h"

#define SIZE (64u << 20)

static const struct driver *const drivers[] = {&nvme_driver, &virtio_scsi_driver, &ahci_driver};

static uint64_t size, state = 88172645463325252;

void die(const char *format, ...)
{
	va_list args;

	fputs("controllers: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

uint64_t guest_pages(struct guest *g, unsigned n)
{
	uint64_t at = g->free;

	g->free += n * PAGE;
	return at;
}

static uint64_t next_offset(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % (size / PAGE) * PAGE;
}

static double now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Not static, so that a profiler can be told of it. */
uint64_t measure(const struct driver *d, struct guest *g, unsigned depth, uint64_t requests);

/* Until that many were made, or for a second. Returns how many. */
__attribute__((noinline))
uint64_t measure(const struct driver *d, struct guest *g, unsigned depth, uint64_t requests)
{
	double end = now(CLOCK_MONOTONIC) + 1;
	unsigned slot[DEPTH], n = depth;
	uint64_t made = 0, done = 0;

	for (unsigned i = 0; i < depth; i++)
		slot[i] = i;
	for (bool more = true; more || done < made;) {
		if (more && (requests ? made >= requests : now(CLOCK_MONOTONIC) > end))
			more = false;
		for (unsigned i = 0; more && i < n; i++, made++)
			d->put(g, slot[i], next_offset());
		if (more && n)
			d->ring(g);
		loop_once(g->p->loop, 100);
		n = d->take(g, slot);
		done += n;
	}
	return done;
}

static void report(const struct driver *d, struct guest *g, unsigned depth, uint64_t requests)
{
	double cpu = now(CLOCK_PROCESS_CPUTIME_ID);
	uint64_t done = measure(d, g, depth, requests);

	cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%-12s depth %2u: %8.0f a second and processor, %5.2f us each\n", d->name, depth,
	       (double)done / cpu, cpu / (double)done * 1e6);
	fflush(stdout);
}

/* A raw image that is never written, with nothing allocated, is zeros. */
static struct vd_disk *zeros(void)
{
	char path[] = "/tmp/controllers.XXXXXX";
	struct vd_error err = {""};
	struct vd_disk *disk;
	int fd = mkstemp(path);

	if (fd < 0 || ftruncate(fd, SIZE) || vd_open(path, 0, NULL, &disk, &err))
		die("%s", *err.text ? err.text : strerror(errno));
	close(fd);
	unlink(path);
	return disk;
}

static void run(const struct driver *d, const char *image, uint64_t requests)
{
	struct in_process_options o = {
		.controller = d->name, .irq = d->vectors ? PCI_IRQ_MSIX : PCI_IRQ_MSI,
		.vectors = d->vectors ? d->vectors : 1,
	};
	struct guest g = {.free = 1u << 20};
	struct vd_error err = {""};
	struct vd_disk *disk;

	if (image ? vd_open(image, 0, NULL, &disk, &err) : !(disk = zeros()))
		die("%s", err.text);
	size = vd_size(disk);
	if (in_process_new(&o, &g.p, &err) ||
	    in_process_attach(g.p, disk, NULL, NULL, NULL, &err))
		die("%s", err.text);
	g.data = guest_pages(&g, DEPTH);
	d->start(&g);
	for (unsigned depth = 1; depth <= DEPTH; depth *= DEPTH)
		report(d, &g, depth, requests);
	in_process_free(g.p);
}

int main(int argc, char **argv)
{
	uint64_t requests = 0;
	int c;

	while ((c = getopt(argc, argv, "n:")) == 'n')
		requests = strtoull(optarg, NULL, 0);
	if (c != -1)
		return 2;
	for (unsigned i = 0; i < sizeof(drivers) / sizeof(*drivers); i++)
		if (optind == argc || !strcmp(argv[optind], "all") ||
		    !strcmp(argv[optind], drivers[i]->name))
			run(drivers[i], optind + 1 < argc ? argv[optind + 1] : NULL, requests);
	return 0;
}
