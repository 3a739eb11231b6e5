/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mounts.c - what is mounted where (proc_pid_mountinfo(5)). */
#include "mounts.h"
#include "cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Blanks and backslashes stand there as three octal digits. */
static void unescape(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (text[0] == '\\' && strspn(text + 1, "01234567") >= 3) {
			*out = (text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0');
			text += 4;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
}

/* "36 35 98:0 /root /mnt options optional... - type source super-options" */
static bool parse_line(char *line, const char *path, struct mount_entry *out)
{
	char *save, *word = strtok_r(line, " ", &save), *owner;

	for (int field = 1; word && field < 5; field++) {
		if (field == 3 && sscanf(word, "%u:%u", &out->major, &out->minor) != 2)
			return false;
		word = strtok_r(NULL, " ", &save);
	}
	if (!word)
		return false;
	unescape(word);
	if (strcmp(word, path))
		return false;
	while (word && strcmp(word, "-"))
		word = strtok_r(NULL, " ", &save);
	word = word ? strtok_r(NULL, " ", &save) : NULL;
	if (!word)
		return false;
	snprintf(out->type, sizeof(out->type), "%s", word);
	strtok_r(NULL, " ", &save);
	word = strtok_r(NULL, "\n", &save);
	owner = word ? strstr(word, "user_id=") : NULL;
	out->owner = owner ? strtoul(owner + strlen("user_id="), NULL, 10) : (uid_t)-1;
	return true;
}

int mounts_find(const char *path, struct mount_entry *out)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	CLEANUP_FREE char *line = NULL;
	struct mount_entry entry;
	size_t size = 0;
	int status = -ENOENT;

	if (!file)
		return -errno;
	while (getline(&line, &size, file) > 0) {
		if (parse_line(line, path, &entry)) {
			/* Those that come later lie on top. */
			*out = entry;
			status = 0;
		}
	}
	fclose(file);
	return status;
}

char *mounts_resolve(const char *path)
{
	char *real = realpath(path, NULL), *out = NULL;
	CLEANUP_FREE char *copy = NULL, *dir = NULL;
	char *name;

	if (real || (errno != ENOTCONN && errno != EACCES && errno != EIO))
		return real;
	/* The last name cannot be looked at, which is why the mount point is named. */
	copy = strdup(path);
	if (!copy)
		return NULL;
	for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
		copy[n - 1] = '\0';
	name = strrchr(copy, '/');
	if (name)
		*name++ = '\0';
	dir = realpath(!name ? "." : *copy ? copy : "/", NULL);
	if (!dir)
		return NULL;
	if (asprintf(&out, "%s/%s", strcmp(dir, "/") ? dir : "", name ? name : copy) < 0)
		return NULL;
	return out;
}
