/* SPDX-License-Identifier: GPL-2.0-or-later */
/* options.c - a verb's options: read from the command line, and explained, from one table. */
#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "size.h"
#include "vimg.h"

#define FIRST_LONG 256	/* what getopt_long returns for spec 0 */
#define HELP (FIRST_LONG - 1)
#define HELP_COLUMN 26

static bool takes_value(const struct option_spec *spec)
{
	return spec->kind != OPTION_FLAG;
}

/* ------------------------------------------------------------------------------------- values */

static int add_to_list(const char ***list, const char *value)
{
	size_t n = 0;
	const char **grown;

	while (*list && (*list)[n])
		n++;
	grown = reallocarray(*list, n + 2, sizeof(*grown));
	if (!grown) {
		say("out of memory");
		return STATUS_FAILED;
	}
	grown[n] = value;
	grown[n + 1] = NULL;
	*list = grown;
	return STATUS_OK;
}

static int bad_format(const struct option_spec *spec, const char *value)
{
	char *known = format_list(0);

	usage_error("--%s %s: there is no such format; known are %s", spec->name, value,
		    known ? known : "");
	free(known);
	return STATUS_USAGE;
}

static int set_output(const struct option_spec *spec, const char *value, bool *json)
{
	if (strcmp(value, "json") && strcmp(value, "human"))
		return usage_error("--%s %s: it can be human or json", spec->name, value);
	*json = !strcmp(value, "json");
	return STATUS_OK;
}

static int set_option(const struct option_spec *spec, const char *value, void *into)
{
	void *at = (char *)into + spec->at;
	int r;

	if (takes_value(spec) && !*value)
		return usage_error("--%s wants a value that is not empty", spec->name);
	switch (spec->kind) {
	case OPTION_FLAG:
		*(bool *)at = true;
		break;
	case OPTION_TEXT:
		*(const char **)at = value;
		break;
	case OPTION_LIST:
		return add_to_list(at, value);
	case OPTION_SIZE:
		r = size_parse(value, at);
		if (r)
			return usage_error("--%s %s: %s", spec->name, value, size_fault(r));
		break;
	case OPTION_UUID:
		if (vd_uuid_parse(value, at) || vd_uuid_is_null(at))
			return usage_error("--%s %s: a UUID looks like "
					   "f81d4fae-7dec-41d0-a765-00a0c91e6bf6", spec->name,
					   value);
		break;
	case OPTION_FORMAT:
		*(const char **)at = format_named(value);
		if (!*(const char **)at)
			return bad_format(spec, value);
		break;
	case OPTION_OUTPUT:
		return set_output(spec, value, at);
	}
	return STATUS_OK;
}

/* ------------------------------------------------------------------------------------ parsing */

static unsigned count_options(const struct verb *verb)
{
	unsigned n = 0;

	while (verb->options[n].name)
		n++;
	return n;
}

/* What getopt wants to have: ":" first, so that it tells a missing value from an unknown name. */
static void describe(const struct verb *verb, unsigned n, struct option *longs, char *shorts)
{
	*shorts++ = ':';
	*shorts++ = 'h';
	for (unsigned i = 0; i < n; i++) {
		const struct option_spec *spec = &verb->options[i];

		longs[i] = (struct option){
			spec->name, takes_value(spec) ? required_argument : no_argument, NULL,
			FIRST_LONG + (int)i,
		};
		if (spec->letter) {
			*shorts++ = spec->letter;
			if (takes_value(spec))
				*shorts++ = ':';
		}
	}
	*shorts = '\0';
	longs[n] = (struct option){ "help", no_argument, NULL, HELP };
	longs[n + 1] = (struct option){ 0 };
}

static const struct option_spec *find_option(const struct verb *verb, int c)
{
	const struct option_spec *spec = verb->options;

	if (c >= FIRST_LONG)
		return &spec[c - FIRST_LONG];
	while (spec->letter != c)
		spec++;
	return spec;
}

static int unknown_option(const struct verb *verb, char **argv)
{
	const char *word = argv[optind - 1];

	if (optopt > 0 && optopt < HELP)
		return usage_error("there is no option -%c; see vimg %s --help", optopt,
				   verb->name);
	if (optopt)
		return usage_error("%s: this option takes no value", word);
	return usage_error("there is no option %s, or it is short for more than one; see vimg %s "
			   "--help", word, verb->name);
}

static int parse_options(const struct verb *verb, int argc, char **argv, void *into, bool *help)
{
	unsigned n = count_options(verb);
	struct option longs[n + 2];
	char shorts[2 * n + 3];
	int c, status = STATUS_OK;

	describe(verb, n, longs, shorts);
	opterr = 0;
	optind = 0;	/* starts anew, see getopt(3) */
	while (!status && (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		if (c == 'h' || c == HELP) {
			*help = true;
			return STATUS_OK;
		}
		if (c == ':')
			status = usage_error("%s wants a value after it; see vimg %s --help",
					     argv[optind - 1], verb->name);
		else if (c == '?')
			status = unknown_option(verb, argv);
		else
			status = set_option(find_option(verb, c), optarg, into);
	}
	return status;
}

int options_parse(const struct verb *verb, int argc, char **argv, void *into, bool *help,
		  const char *const **words)
{
	int status = parse_options(verb, argc, argv, into, help);
	int n = argc - optind;

	*words = (const char *const *)argv + optind;
	if (status || *help)
		return status;
	if (n < verb->min_words)
		return usage_error("this needs more words: vimg %s [OPTION...] %s", verb->name,
				   verb->words);
	if (verb->max_words >= 0 && n > verb->max_words)
		return usage_error("%s is one word too many; it is: vimg %s [OPTION...]%s%s",
				   (*words)[verb->max_words], verb->name,
				   *verb->words ? " " : "", verb->words);
	/* Where words are wanted, they are images. */
	for (int i = 0; verb->min_words && i < n; i++)
		if (!*(*words)[i])
			return usage_error("the name of the image is empty");
	return STATUS_OK;
}

void options_free(const struct verb *verb, void *into)
{
	for (const struct option_spec *spec = verb->options; spec->name; spec++)
		if (spec->kind == OPTION_LIST) {
			const char ***list = (void *)((char *)into + spec->at);

			free(*list);
			*list = NULL;	/* two names may share it */
		}
}

/* --------------------------------------------------------------------------------------- help */

static void help_option(char letter, const char *name, const char *value, const char *help)
{
	char left[80];
	int n = snprintf(left, sizeof(left), "  %c%c%c --%s%s%s", letter ? '-' : ' ',
			 letter ? letter : ' ', letter ? ',' : ' ', name, value ? " " : "",
			 value ? value : "");

	if (n < HELP_COLUMN)
		printf("%-*s%s\n", HELP_COLUMN, left, help);
	else
		printf("%s\n%*s%s\n", left, HELP_COLUMN, "", help);
}

void options_help(const struct verb *verb)
{
	printf("Usage: vimg %s [OPTION...]%s%s\n\n%c%s.\n\n", verb->name,
	       *verb->words ? " " : "", verb->words, toupper(*verb->summary), verb->summary + 1);
	for (const struct option_spec *spec = verb->options; spec->name; spec++)
		if (spec->help)
			help_option(spec->letter, spec->name, spec->value, spec->help);
	help_option('h', "help", NULL, "this text");
	if (verb->help)
		printf("\n%s", verb->help);
}
