/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * serve.c - mounts a disk and serves it until it is unmounted.
 *
 *	parent -- checks the command line and the mount point, forks, waits for one byte: the
 *	          status; then asks the mount something, to be sure that it answers
 *	child  -- opens the image, mounts, and serves with these threads:
 *	            main       libfuse's loop, with its workers (fs.c)
 *	            control    signals, and those who wait for the end (control.c)
 *	            coherence  answers writes that other nodes would show (coherence.c)
 *
 * It forks before it opens, because threads and locks do not survive a fork. The child never
 * touches its own mount: killed while it waits for itself, it would stay for ever.
 */
#include "serve.h"
#include "cleanup.h"
#include "control.h"
#include "fs.h"
#include "image.h"
#include "mounts.h"
#include "options.h"
#include "say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <syslog.h>

/* Measured: more threads gain nothing, and those that come and go cost more than all else. */
#define MAX_THREADS 10
/* What the kernel reads ahead; it offers 128 KiB and lets only root raise it. */
#define READ_AHEAD_KIB 4096

struct server {
	const struct options *options;
	char *mountpoint;		/* absolute */
	struct fuse_session *session;
	struct image image;
	struct fs fs;
	struct control control;
	struct mount_entry mount;
	bool greeted;			/* the kernel knows us */
	int report;			/* pipe to the parent, or -1 */
};

/* ------------------------------------------------------------------------ what libfuse says */

/* libfuse gives its log function nothing to keep it in. */
static char fuse_said[512];

static void keep_log(enum fuse_log_level level, const char *format, va_list args)
{
	size_t used = strlen(fuse_said);

	(void)level;
	vsnprintf(fuse_said + used, sizeof(fuse_said) - used, format, args);
}

static void drop_log(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level, (void)format, (void)args;
}

/* The first line of what was said, without the prefix that programs put before it. */
static const char *first_line(char *text, const char *prefix)
{
	text[strcspn(text, "\n")] = '\0';
	return strncmp(text, prefix, strlen(prefix)) ? text : text + strlen(prefix);
}

/* ------------------------------------------------------------------------------ the parent */

/* The mount point as an absolute path, or NULL after saying what is wrong with it. */
static char *check_mountpoint(const char *name)
{
	CLEANUP_FREE char *path = mounts_resolve(name);
	struct mount_entry mount;
	struct statfs fs;	/* which the kernel never answers for a server */
	struct stat st;

	if (!path)
		say("the mount point %s cannot be used: %s", name, strerror(errno));
	else if (mounts_find(path, &mount) == 0 && !strcmp(mount.type, MOUNT_TYPE))
		say("%s is a mount of vimg-mount already%s; vimg-mount -u %s unmounts it", name,
		    statfs(path, &fs) < 0 && errno == ENOTCONN ? ", but its server is dead" : "",
		    name);
	else if (stat(path, &st) < 0)
		say("the mount point %s cannot be used: %s", name, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		say("the mount point %s is not a folder", name);
	else
		return TAKE_PTR(path);
	return NULL;
}

static int add_options(struct fuse_args *args, const struct options *o, const char *path)
{
	CLEANUP_FREE char *name = NULL, *opts = NULL;
	int status;

	if (asprintf(&name, "fsname=%s", path) < 0)
		return -ENOMEM;
	status = fuse_opt_add_arg(args, "vimg-mount") ||
		 fuse_opt_add_opt(&opts, "subtype=vimg-mount") ||
		 fuse_opt_add_opt_escaped(&opts, name) ||
		 fuse_opt_add_opt(&opts, "default_permissions") ||
		 (!o->rw && fuse_opt_add_opt(&opts, "ro")) ||
		 /* root as the owner of the mount needs no leave to look into it. */
		 (o->root && geteuid() && fuse_opt_add_opt(&opts, "allow_root")) ||
		 (*o->fuse_options && fuse_opt_add_opt(&opts, o->fuse_options)) ||
		 fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, opts);
	return status ? -ENOMEM : 0;
}

/* A session that is not mounted yet: knows whether the -o options are good. */
static int make_session(struct server *s)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	CLEANUP_FREE char *path = image_path(s->options->image);

	if (!path)
		return STATUS_FAILED;
	fuse_set_log_func(keep_log);
	if (add_options(&args, s->options, path) == 0)
		s->session = fuse_session_new(&args, &fs_operations, sizeof(fs_operations), &s->fs);
	fuse_opt_free_args(&args);
	if (s->session)
		return STATUS_OK;
	say("-o %s: %s", s->options->fuse_options, first_line(fuse_said, "fuse: "));
	return STATUS_USAGE;
}

/* The mount is usable once its folder's attributes come through the kernel. */
static bool answers(const char *mountpoint)
{
	struct mount_entry mount;
	struct stat st;

	return stat(mountpoint, &st) == 0 && mounts_find(mountpoint, &mount) == 0 &&
	       st.st_dev == makedev(mount.major, mount.minor) && !strcmp(mount.type, MOUNT_TYPE);
}

static int wait_for_child(const struct server *s, int fd, pid_t child)
{
	unsigned char status;
	ssize_t n;

	while ((n = read(fd, &status, 1)) < 0 && errno == EINTR)
		;
	if (n == 1 && (status || answers(s->mountpoint)))
		return status;
	if (n != 1)
		waitpid(child, NULL, 0);
	say("the server ended before the mount was usable");
	return STATUS_FAILED;
}

/* ------------------------------------------------------------------------------- the child */

static void report(struct server *s, unsigned char status)
{
	if (s->report < 0)
		return;
	/* A parent that was killed does not care. */
	if (write(s->report, &status, 1) < 0)
		errno = 0;
	close(s->report);
	s->report = -1;
}

/* Leaves the terminal and the folder it was started in. */
static void go_to_background(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	if (chdir("/") < 0)
		errno = 0;
	for (int fd = 0; null >= 0 && fd < 3; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

/* The kernel has set its own by the time it asks. */
static void raise_read_ahead(void *opaque)
{
	const struct server *s = opaque;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", s->mount.major,
		 s->mount.minor);
	file = fopen(path, "we");
	if (!file)
		return; /* not root, or no /sys: slower, no more */
	fprintf(file, "%d\n", READ_AHEAD_KIB);
	fclose(file);
}

/* From here on nothing can fail that the parent should tell of. */
static void greeted(void *opaque)
{
	struct server *s = opaque;

	s->greeted = true;
	if (s->report >= 0)
		go_to_background();
	report(s, STATUS_OK);
}

/* Called at a signal: the threads that serve end once nothing depends on them. */
static void end_serving(void *opaque)
{
	struct server *s = opaque;

	coherence_drain(&s->fs.coherence);
	fuse_session_exit(s->session);
}

static void warn(void *opaque, const char *text)
{
	(void)opaque;
	say("warning: %s", text);
}

static int open_disk(struct server *s)
{
	if (image_open(s->options, &s->image) < 0)
		return -1;
	image_notes(&s->image, warn, NULL);
	if (s->image.table_status < 0 && s->options->partition == EVERY_PARTITION)
		say("warning: the partition table cannot be read, so there is only vhdd: %s",
		    *s->image.table_error.text ? s->image.table_error.text :
		    strerror(-s->image.table_status));
	s->fs.disk = s->image.disk;
	s->fs.greeted = greeted;
	s->fs.asked = raise_read_ahead;
	s->fs.opaque = s;
	s->fs.direct_io = s->options->direct_io;
	s->fs.max_read = s->options->max_read;
	buffers_init(&s->fs.buffers);
	return tree_build(&s->image, s->options, &s->fs.tree);
}

/* Mounts, with what libfuse's helper writes to stderr kept for our own sentence. */
static int mount_session(struct server *s)
{
	CLEANUP_CLOSE int kept = memfd_create("stderr", MFD_CLOEXEC);
	CLEANUP_CLOSE int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	char said[512] = "";
	int status;

	fflush(stderr);
	if (kept >= 0 && own >= 0)
		dup2(kept, STDERR_FILENO);
	status = fuse_session_mount(s->session, s->mountpoint);
	if (kept >= 0 && own >= 0) {
		dup2(own, STDERR_FILENO);
		if (pread(kept, said, sizeof(said) - 1, 0) < 0)
			*said = '\0';
	}
	fuse_set_log_func(s->options->foreground ? NULL : drop_log);
	if (!status)
		status = mounts_find(s->mountpoint, &s->mount);
	if (status)
		say("%s cannot be mounted on: %s", s->mountpoint,
		    *said ? first_line(said, "fusermount3: ") : first_line(fuse_said, "fuse: "));
	return status;
}

static int run_loop(struct server *s)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int status;

	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_clone_fd(config, s->options->clone_fd);
	fuse_loop_cfg_set_max_threads(config, MAX_THREADS);
	fuse_loop_cfg_set_idle_threads(config, MAX_THREADS);
	control_serving(&s->control, end_serving, s);
	status = fuse_session_loop_mt(s->session, config);
	control_serving(&s->control, NULL, NULL);
	fuse_loop_cfg_destroy(config);
	return status;
}

/* Serves until unmounted. The mount is gone afterwards; the image is open still. */
static int serve_mounted(struct server *s)
{
	int status = coherence_start(&s->fs.coherence, &s->fs.tree, s->session);

	if (!status) {
		control_listen(&s->control, &s->mount);
		status = run_loop(s);
	}
	/* Closes the connection, so whoever still waits for an answer gets an error. */
	fuse_session_unmount(s->session);
	coherence_stop(&s->fs.coherence);
	if (status < 0)
		say("serving %s ended: %s", s->mountpoint, strerror(-status));
	else if (!s->greeted)
		say("%s was unmounted before it was usable", s->mountpoint);
	return status < 0 || !s->greeted ? STATUS_FAILED : STATUS_OK;
}

/* Closes the image and tells those who wait for that. */
static int finish(struct server *s, int status)
{
	int flushed = image_close(&s->image);
	char text[256];

	if (flushed < 0) {
		snprintf(text, sizeof(text), "the last writes to %s may be lost: %s",
			 s->options->image, strerror(-flushed));
		say("%s", text);
		if (!s->options->foreground)
			syslog(LOG_DAEMON | LOG_ERR, "%s", text);
		status = STATUS_FAILED;
	}
	control_report(&s->control, flushed < 0 ? text : NULL);
	return status;
}

static int serve_here(struct server *s)
{
	int status = STATUS_FAILED;

	if (control_start(&s->control) < 0) {
		say("no thread can be started");
		return STATUS_FAILED;
	}
	/* Memory that is reclaimed must not wait for pages of a file system that lies on us; only
	   root may ask for that. */
	if (s->options->rw)
		prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
	if (open_disk(s) == 0 && mount_session(s) == 0)
		status = serve_mounted(s);
	control_stop(&s->control);
	status = finish(s, status);
	tree_free(&s->fs.tree);
	buffers_free(&s->fs.buffers);
	return status;
}

/* Descriptors that the caller left open are not ours to keep, least of all for long. */
static void serve_in_child(struct server *s, int report_fd)
{
	s->report = dup2(report_fd, 3);
	fcntl(s->report, F_SETFD, FD_CLOEXEC);
	close_range(4, ~0U, 0);
}

static int serve_in_background(struct server *s)
{
	int ends[2], status;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0) {
		say("no process can be started: %s", strerror(errno));
		return STATUS_FAILED;
	}
	if (child) {
		close(ends[1]);
		return wait_for_child(s, ends[0], child);
	}
	serve_in_child(s, ends[1]);
	status = serve_here(s);
	report(s, status);
	return status;
}

int serve(const struct options *o)
{
	struct server s = { .options = o, .report = -1 };
	int status = STATUS_FAILED;

	s.mountpoint = check_mountpoint(o->mountpoint);
	if (s.mountpoint)
		status = make_session(&s);
	if (!s.mountpoint || status)
		goto out;
	status = o->foreground ? serve_here(&s) : serve_in_background(&s);
out:
	if (s.session)
		fuse_session_destroy(s.session);
	free(s.mountpoint);
	return status;
}
