/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg-emulator VERB. */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "program/program.h"

void say(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* In one write: lines of several processes share a terminal. */
	fprintf(stderr, "vimg-emulator: %s\n", text);
}

int usage_error(const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say("%s", text);
	fprintf(stderr, "See vimg-emulator --help.\n");
	return STATUS_USAGE;
}

static void help(void)
{
	puts("Usage: vimg-emulator serve [OPTION...] --controller TYPE,socket=PATH --disk IMAGE ...\n"
	     "       vimg-emulator run [OPTION...] --controller TYPE --disk IMAGE ... -- QEMU-ARGUMENT...\n"
	     "       vimg-emulator ctl CONTROL-SOCKET COMMAND [ARGUMENT...]\n"
	     "\n"
	     "Serves disk images to virtual machines through emulated storage controllers, over\n"
	     "vfio-user sockets. run starts QEMU with them; ctl looks at a running server, attaches\n"
	     "and detaches disks, limits their bandwidth, grows them.\n");
	arguments_help();
	puts("\n"
	     "vimg-emulator --version tells the version; man vimg-emulator has it all.");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} verbs[] = {
		{"serve", verb_serve},
		{"run", verb_run},
		{"ctl", verb_ctl},
	};
	const char *verb = argc > 1 ? argv[1] : NULL;

	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* past ulimit -f a write fails then, as on a full disk */
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (!verb)
		return usage_error("what is to be done: serve, run or ctl?");
	if (!strcmp(verb, "--version") || !strcmp(verb, "-V")) {
		printf("vimg-emulator %s\n", vd_version());
		return STATUS_OK;
	}
	if (!strcmp(verb, "--help") || !strcmp(verb, "-h") || !strcmp(verb, "help")) {
		help();
		return STATUS_OK;
	}
	for (unsigned i = 0; i < sizeof(verbs) / sizeof(*verbs); i++)
		if (!strcmp(verb, verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	return usage_error("there is no command \"%s\"; there are serve, run and ctl", verb);
}
