/* SPDX-License-Identifier: GPL-2.0-or-later */
/* main.c - vimg-emulator VERB. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

/* Else the next file that is opened, an image perhaps, would be what messages are written to. */
static bool open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 && !close(fd);
}

static int run(int argc, char **argv)
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

int main(int argc, char **argv)
{
	int status;

	if (!open_standard_files())
		return STATUS_FAILED;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);	/* past ulimit -f a write fails then, as on a full disk */
	setvbuf(stderr, NULL, _IOLBF, 0);
	status = run(argc, argv);
	if (!status && (fflush(stdout) || ferror(stdout))) {
		say("the output cannot be written: %s", strerror(errno));
		status = STATUS_FAILED;
	}
	return status;
}
