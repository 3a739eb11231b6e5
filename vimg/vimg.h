/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vimg.h - what a verb of vimg is, and what the verbs share.
 *
 * A verb is one file that ends in one `const struct verb`, and one line in main.c's table. It
 * declares its options; vimg reads them into a structure of the verb's own and calls run. Verbs
 * keep no global state.
 */
#ifndef VIMG_H
#define VIMG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vdisk.h"

enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,	/* not done, or what was looked for is not so */
	STATUS_USAGE = 2,	/* the command line is wrong; nothing was touched */
};

/* ------------------------------------------------------------------------------------- verbs */

enum option_kind {
	OPTION_FLAG,	/* bool; takes no value */
	OPTION_TEXT,	/* const char * */
	OPTION_LIST,	/* const char **: may be given many times; NULL, or NULL-terminated */
	OPTION_SIZE,	/* uint64_t, bytes */
	OPTION_UUID,	/* struct vd_uuid */
	OPTION_FORMAT,	/* const char *: the name of a format, as libvdisk spells it */
	OPTION_OUTPUT,	/* bool: "json" is true, "human" is false, as qemu-img has it */
};

struct option_spec {
	const char *name;	/* "parent-dir"; a spec without one ends the list */
	char letter;		/* or 0 */
	enum option_kind kind;
	size_t at;		/* where it goes in the verb's structure */
	const char *value;	/* what --help calls the value, or NULL */
	const char *help;	/* NULL: another name for an option, not shown */
};

struct verb {
	const char *name;
	const char *words;		/* what follows the options: "IMAGE [SIZE]" */
	int min_words, max_words;	/* max: -1 for any number */
	const char *summary;		/* one line */
	const char *help;		/* more, after the options; or NULL */
	const struct option_spec *options;
	size_t options_size;		/* of the verb's structure, which begins zeroed */
	const char *done;		/* "made": said where all went well but for the output; or NULL */
	/* `words` ends with NULL. Returns a STATUS_. */
	int (*run)(const void *options, const char *const *words);
};

/* options.c: fills `into`, whose lists options_free() frees also after a failure. */
int options_parse(const struct verb *verb, int argc, char **argv, void *into, bool *help,
		  const char *const **words);
void options_free(const struct verb *verb, void *into);
void options_help(const struct verb *verb);

/* Options that every verb has which opens disks with their parents. */
struct chain_options {
	const char *format;
	const char **parents, **parent_dirs, **allow_dirs;
	bool force_parent, no_lock;
};

#define FORMAT_OPTION(type, member)							\
	{ "format", 'f', OPTION_FORMAT, offsetof(type, member), "FORMAT",		\
	  "the image's format; without it: by content" }

#define NO_LOCK_OPTIONS(type, member)							\
	{ "no-lock", 'U', OPTION_FLAG, offsetof(type, member), NULL,			\
	  "look also at what another program is writing to" },				\
	{ "force-share", 0, OPTION_FLAG, offsetof(type, member), NULL, NULL }

/* Without --parent, which create words in its own way. */
#define SEARCH_OPTIONS(type, member)							\
	{ "parent-dir", 0, OPTION_LIST, offsetof(type, member.parent_dirs), "DIR",	\
	  "look for parents in this folder, too; repeatable" },				\
	{ "allow-dir", 0, OPTION_LIST, offsetof(type, member.allow_dirs), "DIR",	\
	  "trust recorded paths of parents into this folder; repeatable" },		\
	{ "force-parent", 0, OPTION_FLAG, offsetof(type, member.force_parent), NULL,	\
	  "take a parent although its id is not the recorded one" }

#define JSON_OPTIONS(type, member)							\
	{ "json", 0, OPTION_FLAG, offsetof(type, member), NULL,				\
	  "one JSON object, sizes in bytes" },						\
	{ "output", 0, OPTION_OUTPUT, offsetof(type, member), NULL, NULL }

/* Opens a disk. Without err it says itself why it cannot. */
int open_disk(const char *path, unsigned flags, const struct chain_options *options,
	      struct vd_disk **out, struct vd_error *err);

/* ------------------------------------------------------------------------------------ helpers */

/* "vimg: " and one sentence, on stderr. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same; STATUS_USAGE, so that it can end a function. */
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The library's name of a format that a person named: any case, and "vpc" for vhd. Or NULL. */
const char *format_named(const char *name);
/* By the extension, or NULL. */
const char *format_of_name(const char *path);
/* "vdi, vhd or raw": those with all of the caps. To be freed. */
char *format_list(unsigned caps);

/* Text from an image or a file name made fit for a terminal. To be freed; NULL stays NULL. */
char *printable(const char *text);

/*
 * From now on SIGINT, SIGTERM and SIGHUP do not end the program but make interrupted() true, so
 * that what is half done can be undone. The second of a kind ends it. When the verb has failed,
 * the program ends by the signal.
 */
void catch_interrupts(void);
bool interrupted(void);
void end_by_interrupt(void);

/* How far something is, on stderr if that is a terminal and it takes more than a second. */
struct progress {
	double next;
	bool show, shown;
};

void progress_begin(struct progress *p, bool quiet);
/* What vd_create and others call. Not 0 when the person wants it to stop. */
int progress_tell(void *progress, uint64_t done, uint64_t total);
void progress_end(struct progress *p);

#endif
