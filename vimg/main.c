/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg VERB: the table of verbs, and what is the same for all of them. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vimg.h"

extern const struct verb verb_check, verb_create, verb_formats, verb_info, verb_resize;

/* In the order of --help. */
static const struct verb *const verbs[] = {
	&verb_create,
	&verb_info,
	&verb_check,
	&verb_resize,
	&verb_formats,
	NULL
};

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *const *v = verbs; *v; v++)
		if (!strcmp((*v)->name, name))
			return *v;
	return NULL;
}

static void help(void)
{
	puts("Usage: vimg COMMAND [OPTION...] ...\n"
	     "\n"
	     "Makes, describes, checks and enlarges the disk images of virtual machines.\n");
	for (const struct verb *const *v = verbs; *v; v++)
		printf("  %-10s%s\n", (*v)->name, (*v)->summary);
	puts("\n"
	     "vimg COMMAND --help tells the options of a command, vimg --version the version;\n"
	     "man vimg has it all. To mount an image see vimg-mount.");
}

static int run_verb(const struct verb *verb, int argc, char **argv, const char **done)
{
	void *options = calloc(1, verb->options_size);
	const char *const *words;
	bool want_help = false;
	int status;

	if (!options) {
		say("out of memory");
		return STATUS_FAILED;
	}
	status = options_parse(verb, argc, argv, options, &want_help, &words);
	if (want_help)
		options_help(verb);
	else if (!status)
		status = verb->run(options, words);
	if (!want_help && !status)
		*done = verb->done;
	options_free(verb, options);
	free(options);
	return status;
}

/* `done`: what is to be said of the work where only the output is lost. */
static int run(int argc, char **argv, const char **done)
{
	const char *first = argc > 1 ? argv[1] : NULL;
	const struct verb *verb;

	if (!first)
		return usage_error("what is to be done? See vimg --help");
	if (!strcmp(first, "--version") || !strcmp(first, "-V")) {
		printf("vimg %s\n", vd_version());
		return STATUS_OK;
	}
	if (!strcmp(first, "--help") || !strcmp(first, "-h") || !strcmp(first, "-?") ||
	    (!strcmp(first, "help") && argc == 2)) {
		help();
		return STATUS_OK;
	}
	if (!strcmp(first, "help"))
		first = argv[2];
	verb = find_verb(first);
	if (!verb)
		return usage_error("there is no %s %s; see vimg --help",
				   *first == '-' ? "option" : "command", first);
	if (first == argv[1])
		return run_verb(verb, argc - 1, argv + 1, done);
	options_help(verb);
	return STATUS_OK;
}

int main(int argc, char **argv)
{
	const char *done = NULL;
	int status;

	/* Past ulimit -f a write fails then, and what is half made can be removed. */
	signal(SIGXFSZ, SIG_IGN);
	status = run(argc, argv, &done);
	if (fflush(stdout) || ferror(stdout)) {
		say("%s%scannot write the output: %s", done ? done : "", done ? ", but " : "",
		    strerror(errno));
		status = status ? status : STATUS_FAILED;
	}
	if (status)
		end_by_interrupt();
	return status;
}
