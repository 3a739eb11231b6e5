/* SPDX-License-Identifier: GPL-2.0-or-later */
/* description.c - see description.h: descriptions from the words of a command line. */
#include "machine/description.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "checked.h"
#include "core/fail.h"
#include "size.h"

const struct controller_option description_controller_options[] = {
	{"socket", "where the virtual machine monitor connects"},
	{"name", "what messages and vimg-emulator ctl call it; nvme0 and so on"},
	{"bootindex", "place in the boot order; for vimg-emulator run"},
	{"msix", "off: the guest gets along with MSI and INTx"},
	{NULL, NULL}
};

const struct controller_option description_disk_options[] = {
	{"mode", "normal, writethrough, readonly, immutable, multiattach or shareable"},
	{"diff", "the differencing image of an immutable or multiattach disk"},
	{"group", "the bandwidth group it belongs to"},
	{"name", "what messages and vimg-emulator ctl call it"},
	{"format", "the image's format; by content if not given"},
	{"parent", "file of the next parent, from the image down; may be repeated"},
	{"cache", "on, or off: past the host's page cache"},
	{"discard", "on, or off: the guest may give space back"},
	{"nonrotational", "on: the guest sees a solid state disk"},
	{"on-full", "wait, or error: what a write gets when the host's disk is full"},
	{"serial", "serial number; from the image's UUID if not given"},
	{"model", "model name"},
	{"firmware", "firmware revision"},
	{"physical-block-size", "bytes: 512, or a power of two above"},
	{"force", "on: write although another image names this one as its parent"},
	{NULL, NULL}
};

/* Whatever is wrong with words. */
#define fail(err, ...) fail_with(err, -EINVAL, __VA_ARGS__)

static int no_memory(struct vd_error *err)
{
	return fail_with(err, -ENOMEM, "out of memory");
}

/* --------------------------------------------------------------------------------------- words */

struct words {
	char **word;
	unsigned count;
};

static void words_free(struct words *w)
{
	for (unsigned i = 0; i < w->count; i++)
		free(w->word[i]);
	free(w->word);
	*w = (struct words){0};
}

static int words_add(struct words *w, const char *text, size_t length)
{
	char **grown = reallocarray(w->word, w->count + 1, sizeof(*grown));
	char *word, *to;

	if (!grown)
		return -ENOMEM;
	w->word = grown;
	to = word = malloc(length + 1);
	if (!word)
		return -ENOMEM;
	for (size_t i = 0; i < length; i++) {
		*to++ = text[i];
		if (text[i] == ',')
			i++;	/* two of them stand for one */
	}
	*to = '\0';
	w->word[w->count++] = word;
	return 0;
}

static int words_split(const char *text, struct words *out)
{
	const char *begin = text, *at = text;
	int r = 0;

	*out = (struct words){0};
	for (; !r; at++) {
		if (at[0] == ',' && at[1] == ',') {
			at++;
			continue;
		}
		if (*at && *at != ',')
			continue;
		r = words_add(out, begin, (size_t)(at - begin));
		begin = at + 1;
		if (!*at)
			break;
	}
	if (r)
		words_free(out);
	return r;
}

int parse_size(const char *what, const char *text, uint64_t *out, struct vd_error *err)
{
	int r = size_parse(text, out);

	return r ? fail(err, "%s \"%.100s\": %s", what, text, size_fault(r)) : 0;
}

/* -------------------------------------------------------------------------------------- options */

static bool option_known(const struct controller_option *o, const char *name)
{
	for (; o && o->name; o++)
		if (!strcmp(o->name, name))
			return true;
	return false;
}

static int values_add(struct option_values *v, const char *name, const char *value)
{
	struct option_value *grown = reallocarray((void *)v->value, v->count + 1, sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	v->value = grown;
	grown[v->count] = (struct option_value){strdup(name), strdup(value)};
	v->count++;
	return grown[v->count - 1].name && grown[v->count - 1].value ? 0 : -ENOMEM;
}

static void values_free(struct option_values *v)
{
	for (unsigned i = 0; i < v->count; i++) {
		free((char *)v->value[i].name);
		free((char *)v->value[i].value);
	}
	free((void *)v->value);
	*v = (struct option_values){0};
}

static int set_text(char **to, const char *name, const char *value, struct vd_error *err)
{
	if (*to)
		return fail(err, "%s= is there twice", name);
	if (!*value)
		return fail(err, "%s= is empty", name);
	*to = strdup(value);
	return *to ? 0 : no_memory(err);
}

/* Disks without a name are called CONTROLLER/ADDRESS, and by their files: none is to look like it. */
static int set_name(char **to, const char *value, struct vd_error *err)
{
	if (strchr(value, '/'))
		return fail(err, "name=%.100s: there can be no / in it", value);
	return set_text(to, "name", value, err);
}

/* Cuts "name=value" at its sign. */
static int cut(char *word, char **value, struct vd_error *err)
{
	char *sign = strchr(word, '=');

	if (!sign || sign == word)
		return fail(err, "\"%.200s\": name=value is expected; a comma in a value is "
			    "written ,,", word);
	*sign = '\0';
	*value = sign + 1;
	return 0;
}

static void list_options(const struct controller_option *o, char *text, size_t room)
{
	for (size_t n = strlen(text); o && o->name && n < room; o++, n = strlen(text))
		snprintf(text + n, room - n, "%s%s", n ? ", " : "", o->name);
}

static int unknown_option(const char *name, const struct controller_option *a,
			  const struct controller_option *b, struct vd_error *err)
{
	char known[512] = "";

	list_options(a, known, sizeof(known));
	list_options(b, known, sizeof(known));
	return fail(err, "there is no option %.100s=; there are %s", name, known);
}

static int list_append(char ***list, const char *text)
{
	unsigned n = 0;
	char **grown;

	while (*list && (*list)[n])
		n++;
	grown = reallocarray(*list, n + 2, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	*list = grown;
	grown[n] = strdup(text);
	grown[n + 1] = NULL;
	return grown[n] ? 0 : -ENOMEM;
}

static void list_free(char **list)
{
	for (unsigned i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

/* ----------------------------------------------------------------------------------- controllers */

static int bootindex_of(struct controller_description *c, const char *value, struct vd_error *err)
{
	struct option_value v = {"bootindex", value};
	uint64_t number;
	int r = option_number(&(struct option_values){&v, 1}, "bootindex", 0, INT32_MAX, &number,
			      err);

	return r ? r : set_text(&c->bootindex, "bootindex", value, err);
}

static int controller_option_set(struct controller_description *c, const char *name,
				 const char *value, struct vd_error *err)
{
	if (!strcmp(name, "socket"))
		return set_text(&c->socket, name, value, err);
	if (!strcmp(name, "name"))
		return set_name(&c->name, value, err);
	if (!strcmp(name, "bootindex"))
		return bootindex_of(c, value, err);
	if (strcmp(name, "msix") && !option_known(c->type->options, name))
		return unknown_option(name, description_controller_options, c->type->options, err);
	if (option_get(&c->options, name))
		return fail(err, "%s= is there twice", name);
	return values_add(&c->options, name, value) ? no_memory(err) : 0;
}

static int unknown_controller(const char *name, struct vd_error *err)
{
	char known[256] = "";

	for (const struct controller_type *const *t = controller_types; *t; t++) {
		size_t n = strlen(known);

		snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", (*t)->name);
	}
	return fail(err, "there is no controller \"%.100s\"; there are %s", name, known);
}

static void controller_description_free(struct controller_description *c)
{
	free(c->name);
	free(c->socket);
	free(c->bootindex);
	values_free(&c->options);
	for (unsigned i = 0; i < c->disks; i++)
		disk_description_free(&c->disk[i]);
	free(c->disk);
}

static int controller_parse(const struct machine_description *m, struct words *w,
			    struct controller_description *c, struct vd_error *err)
{
	struct vd_error why;
	char *value = NULL;
	int r = 0;

	c->type = controller_type_find(w->word[0]);
	if (!c->type)
		return unknown_controller(w->word[0], err);
	for (unsigned i = 1; !r && i < w->count; i++) {
		r = cut(w->word[i], &value, &why);
		if (!r)
			r = controller_option_set(c, w->word[i], value, &why);
	}
	if (r) {
		fail(err, "--controller %s: %.900s", c->type->name, why.text);
		return r;
	}
	for (unsigned i = 0; i < m->controllers; i++)
		if (m->controller[i].type == c->type)
			c->index++;
	if (!c->name && asprintf(&c->name, "%s%u", c->type->name, c->index) < 0) {
		c->name = NULL;
		return no_memory(err);
	}
	return 0;
}

int description_add_controller(struct machine_description *m, const char *text,
			       struct vd_error *err)
{
	struct controller_description c = {0}, *grown;
	struct words w;
	int r;

	if (words_split(text, &w))
		return no_memory(err);
	r = controller_parse(m, &w, &c, err);
	words_free(&w);
	if (!r) {
		grown = reallocarray(m->controller, m->controllers + 1, sizeof(*grown));
		if (grown) {
			m->controller = grown;
			grown[m->controllers++] = c;
			return 0;
		}
		r = no_memory(err);
	}
	controller_description_free(&c);
	return r;
}

/* ----------------------------------------------------------------------------------------- disks */

void disk_description_free(struct disk_description *d)
{
	free(d->path);
	free(d->name);
	free(d->group);
	free(d->format);
	free(d->diff);
	free(d->serial);
	free(d->model);
	free(d->firmware);
	list_free(d->parents);
	values_free(&d->address);
	*d = (struct disk_description){0};
}

static int bool_of(const char *name, const char *value, bool *out, struct vd_error *err)
{
	struct option_value v = {name, value};

	return option_bool(&(struct option_values){&v, 1}, name, out, err);
}

static int block_size_of(const char *value, uint32_t *out, struct vd_error *err)
{
	uint64_t n = 0;
	int r = parse_size("physical-block-size", value, &n, err);

	if (r)
		return r;
	if (!is_power_of_2(n) || n < 512 || n > 65536)
		return fail(err, "physical-block-size=%s: a power of two from 512 to 65536 is "
			    "expected", value);
	*out = (uint32_t)n;
	return 0;
}

static int on_full_of(const char *value, enum device_on_full *out, struct vd_error *err)
{
	if (!strcmp(value, "wait"))
		*out = DEVICE_FULL_WAIT;
	else if (!strcmp(value, "error"))
		*out = DEVICE_FULL_ERROR;
	else
		return fail(err, "on-full=%.100s: wait or error is expected", value);
	return 0;
}

static int mode_of(const char *value, enum medium_mode *out, struct vd_error *err)
{
	if (medium_mode_parse(value, out))
		return fail(err, "mode=%.100s: normal, writethrough, readonly, immutable, "
			    "multiattach or shareable is expected", value);
	return 0;
}

/* In any case, and by QEMU's name, as vimg takes it. */
static int format_of(const char *value, char **out, struct vd_error *err)
{
	struct vd_format_info info;
	char known[128] = "";

	if (!strcasecmp(value, "vpc"))
		value = "vhd";
	for (unsigned i = 0; !vd_format_info(i, &info); i++) {
		size_t n = strlen(known);

		if (!strcasecmp(info.name, value))
			return set_text(out, "format", info.name, err);
		snprintf(known + n, sizeof(known) - n, "%s%s", n ? ", " : "", info.name);
	}
	return fail(err, "format=%.100s: there is no such format; there are %s", value, known);
}

static int disk_option_set(const struct controller_type *type, struct disk_description *d,
			   const char *name, const char *value, struct vd_error *err)
{
	const struct { const char *name; char **text; } texts[] = {
		{"diff", &d->diff}, {"group", &d->group}, {"serial", &d->serial},
		{"model", &d->model}, {"firmware", &d->firmware},
	};
	const struct { const char *name; bool *flag; } flags[] = {
		{"cache", &d->cache}, {"discard", &d->discard},
		{"nonrotational", &d->nonrotational}, {"force", &d->force},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(texts); i++)
		if (!strcmp(name, texts[i].name))
			return set_text(texts[i].text, name, value, err);
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		if (!strcmp(name, flags[i].name))
			return bool_of(name, value, flags[i].flag, err);
	if (!strcmp(name, "name"))
		return set_name(&d->name, value, err);
	if (!strcmp(name, "format"))
		return format_of(value, &d->format, err);
	if (!strcmp(name, "mode"))
		return mode_of(value, &d->mode, err);
	if (!strcmp(name, "on-full"))
		return on_full_of(value, &d->on_full, err);
	if (!strcmp(name, "physical-block-size"))
		return block_size_of(value, &d->physical_block_size, err);
	if (!strcmp(name, "parent"))
		return list_append(&d->parents, value) ? no_memory(err) : 0;
	if (!option_known(type->disk_options, name))
		return unknown_option(name, type->disk_options, description_disk_options, err);
	if (option_get(&d->address, name))
		return fail(err, "%s= is there twice", name);
	return values_add(&d->address, name, value) ? no_memory(err) : 0;
}

static int disk_parse(const struct controller_type *type, const char *text, struct words *w,
		      struct disk_description *d, struct vd_error *err)
{
	struct vd_error why;
	char *value = NULL;
	int r = 0;

	d->cache = d->discard = true;
	if (!*w->word[0])
		return fail(err, "\"%.200s\": the name of an image is missing", text);
	d->path = strdup(w->word[0]);
	if (!d->path)
		return no_memory(err);
	for (unsigned i = 1; !r && i < w->count; i++) {
		r = cut(w->word[i], &value, &why);
		for (unsigned j = 1; !r && j < i; j++)
			if (!strcmp(w->word[j], w->word[i]) && strcmp(w->word[i], "parent"))
				r = fail(&why, "%s= is there twice", w->word[i]);
		if (!r)
			r = disk_option_set(type, d, w->word[i], value, &why);
	}
	if (r)
		fail(err, "%.200s: %.700s", d->path, why.text);
	return r;
}

int disk_description_parse(const struct controller_type *type, const char *text,
			   struct disk_description *out, struct vd_error *err)
{
	struct words w;
	int r;

	*out = (struct disk_description){0};
	if (words_split(text, &w))
		return no_memory(err);
	r = disk_parse(type, text, &w, out, err);
	words_free(&w);
	if (r)
		disk_description_free(out);
	return r;
}

int description_add_disk(struct machine_description *m, const char *text, struct vd_error *err)
{
	struct controller_description *c;
	struct disk_description d, *grown;
	int r;

	if (!m->controllers)
		return fail(err, "--disk %.200s: a disk belongs to the controller before it; "
			    "--controller comes first", text);
	c = &m->controller[m->controllers - 1];
	r = disk_description_parse(c->type, text, &d, err);
	if (r)
		return r;
	grown = reallocarray(c->disk, c->disks + 1, sizeof(*grown));
	if (!grown) {
		disk_description_free(&d);
		return no_memory(err);
	}
	c->disk = grown;
	grown[c->disks++] = d;
	return 0;
}

/* -------------------------------------------------------------------------------- groups and all */

int description_add_group(struct machine_description *m, const char *text, struct vd_error *err)
{
	struct group_description g = {0}, *grown;
	struct vd_error why = {""};
	struct words w;
	char *value = NULL;
	int r = 0;

	if (words_split(text, &w))
		return no_memory(err);
	for (unsigned i = 1; !r && i < w.count; i++) {
		r = cut(w.word[i], &value, &why);
		if (!r && strcmp(w.word[i], "limit"))
			r = fail(&why, "there is no option %.100s=; there is limit", w.word[i]);
		if (!r && i > 1)
			r = fail(&why, "limit= is there twice");
		if (!r)
			r = parse_size("limit", value, &g.limit, &why);
	}
	if (r)
		fail(err, "--group %.100s: %.800s", w.word[0], why.text);
	else if (!*w.word[0])
		r = fail(err, "--group: the name is missing");
	g.name = r ? NULL : strdup(w.word[0]);
	words_free(&w);
	grown = g.name ? reallocarray(m->group, m->groups + 1, sizeof(*grown)) : NULL;
	if (!grown) {
		free(g.name);
		return r ? r : no_memory(err);
	}
	m->group = grown;
	grown[m->groups++] = g;
	return 0;
}

int description_add_parent_dir(struct machine_description *m, const char *path)
{
	return list_append(&m->parent_dirs, path);
}

int description_add_allow_dir(struct machine_description *m, const char *path)
{
	return list_append(&m->allow_dirs, path);
}

static int check_groups(const struct machine_description *m, const struct disk_description *d,
			struct vd_error *err)
{
	if (!d->group)
		return 0;
	for (unsigned i = 0; i < m->groups; i++)
		if (!strcmp(m->group[i].name, d->group))
			return 0;
	return fail(err, "%.200s: there is no --group %.100s", d->path, d->group);
}

int description_check(const struct machine_description *m, bool sockets, struct vd_error *err)
{
	int r = 0;

	if (!m->controllers)
		return fail(err, "there is no --controller");
	for (unsigned i = 0; i < m->groups; i++)
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(m->group[i].name, m->group[j].name))
				return fail(err, "--group %s is there twice", m->group[i].name);
	for (unsigned i = 0; i < m->controllers; i++) {
		const struct controller_description *c = &m->controller[i];

		if (sockets && !c->socket)
			return fail(err, "--controller %s: socket= is missing", c->type->name);
		for (unsigned j = 0; j < i; j++) {
			const struct controller_description *o = &m->controller[j];

			if (!strcmp(c->name, o->name))
				return fail(err, "two controllers are called %s", c->name);
			if (c->bootindex && o->bootindex && !strcmp(c->bootindex, o->bootindex))
				return fail(err, "two controllers have bootindex=%s",
					    c->bootindex);
			if (c->socket && o->socket && !strcmp(c->socket, o->socket))
				return fail(err, "two controllers have the socket %s", c->socket);
		}
		for (unsigned j = 0; !r && j < c->disks; j++)
			r = check_groups(m, &c->disk[j], err);
	}
	return r;
}

void description_free(struct machine_description *m)
{
	for (unsigned i = 0; i < m->controllers; i++)
		controller_description_free(&m->controller[i]);
	free(m->controller);
	for (unsigned i = 0; i < m->groups; i++)
		free(m->group[i].name);
	free(m->group);
	list_free(m->parent_dirs);
	list_free(m->allow_dirs);
	*m = (struct machine_description){0};
}
