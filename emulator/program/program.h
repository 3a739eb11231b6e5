/* SPDX-License-Identifier: GPL-2.0-or-later */
/* program.h - vimg-emulator: what its verbs share. */
#ifndef VIMG_EMULATOR_PROGRAM_H
#define VIMG_EMULATOR_PROGRAM_H

#include <stdbool.h>

#include "machine/machine.h"

enum { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* To stderr, with the program's name in front. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with a hint at --help; returns STATUS_USAGE. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The verbs: argv[0] is the verb. */
int verb_serve(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_ctl(int argc, char **argv);

/* What serve and run have in common on the command line. */
struct arguments {
	struct machine_description machine;
	char *control;			/* --control, or NULL */
	bool sandbox;
	bool help;
	char **rest;			/* after the options */
	int rest_count;
};
/* STATUS_OK, or STATUS_USAGE after having said why. */
int arguments_parse(int argc, char **argv, struct arguments *out);
/* Says which options have no effect. */
void arguments_warn(const struct arguments *a);
void arguments_free(struct arguments *a);
void arguments_help(void);

/*
 * Serves the machine until SIGTERM or SIGINT, or until `stop_fd` is readable or closed (-1: none).
 * Writes a byte to ready_fd (-1: none) when the sockets are there.
 */
int serve(const struct arguments *a, int ready_fd, int stop_fd);

/* The control socket. The socket is bound before the sandbox is entered. */
struct control;
int control_new(const char *path, struct loop *loop, struct machine *m, struct events *events,
		struct control **out, struct vd_error *err);
void control_free(struct control *c);

/*
 * Locks the process in: system calls (seccomp) and files (Landlock), as far as this kernel and this
 * build can. sandbox_enter is for the process, before threads are made: files may be opened below
 * `folders` and `more` only, and `sockets` removed. sandbox_enter_thread is for a controller's thread: it may
 * open nothing. *what says what is on, for people.
 */
int sandbox_enter(const char *const *folders, const char *const *more,
		  const char *const *sockets, const char **what, struct vd_error *err);
void sandbox_enter_thread(void);

#endif
