/* SPDX-License-Identifier: GPL-2.0-or-later */
/* image.c - the disk that the command line names, opened, with its partition table. */
#include "image.h"
#include "cleanup.h"
#include "say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The name must stay the one that was given, also where that is a symlink: it names the mount's
 * own link. So only the folder is resolved. NULL with errno. */
static char *absolute(const char *path)
{
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = slash ? strndup(path, slash - path + 1) : strdup(".");
	CLEANUP_FREE char *real = dir ? realpath(dir, NULL) : NULL;
	char *out;

	if (!real)
		return NULL;
	if (asprintf(&out, "%s/%s", strcmp(real, "/") ? real : "", slash ? slash + 1 : path) < 0)
		return NULL;
	return out;
}

char *image_path(const char *name)
{
	char *path = absolute(name);

	if (path && access(path, F_OK) == 0)
		return path;
	say("%s: %s", name, strerror(errno));
	free(path);
	return NULL;
}

static int disk_pread(struct fs_source *source, void *buf, size_t len, uint64_t offset)
{
	return vd_read(source->opaque, buf, len, offset, 0);
}

static void read_table(struct image *image, uint32_t sector_size)
{
	struct fs_source source = {
		.pread = disk_pread,
		.size = vd_size(image->disk),
		.opaque = image->disk,
	};

	image->table_status = fs_table_read(&source, sector_size, &image->table,
					    &image->table_error);
}

static const struct vd_option_words option_words = {
	.force = "--force",
	.parent = "--parent FILE",
	.parent_dir = "--parent-dir DIR",
	.force_parent = "--force-parent",
	.raw = "--format raw",
};

int image_open(const struct options *o, struct image *out)
{
	struct vd_open_options how = {
		.format = o->format,
		.parents = o->parents,
		.parent_dirs = o->parent_dirs,
		.allow_dirs = o->allow_dirs,
	};
	unsigned flags = (o->rw ? VD_OPEN_WRITE : 0) | (o->force ? VD_OPEN_FORCE : 0) |
			 (o->force_parent ? VD_OPEN_FORCE_PARENT : 0) |
			 (o->no_lock ? VD_OPEN_NO_LOCK : 0);
	struct vd_error err = { "" };
	int status;

	*out = (struct image){ 0 };
	out->path = image_path(o->image);
	if (!out->path)
		return -ENOENT;
	status = vd_open(out->path, flags, &how, &out->disk, &err);
	if (status < 0) {
		vd_error_advise(&err, &option_words);
		if (*err.text)
			say("%s%s", err.text, status == -EBUSY && !o->rw ?
			    "; --no-lock reads it all the same" : "");
		else
			say("%s: %s", o->image, strerror(-status));
		return status;
	}
	read_table(out, o->sector_size);
	return 0;
}

int image_close(struct image *image)
{
	int status = vd_close(image->disk);

	fs_table_free(&image->table);
	free(image->path);
	*image = (struct image){ 0 };
	return status;
}

static void chain_notes(struct image *image, void (*note)(void *, const char *), void *opaque)
{
	struct vd_image_info info;
	char text[1024];

	for (unsigned level = 0; level < vd_depth(image->disk); level++) {
		if (vd_image_info(image->disk, level, &info) < 0)
			continue;
		if (info.warning) {
			snprintf(text, sizeof(text), "%s: %s", info.path, info.warning);
			note(opaque, text);
		}
		if (info.parent_modified) {
			snprintf(text, sizeof(text),
				 "%s: its parent was changed after this image was made", info.path);
			note(opaque, text);
		}
		if (info.parent_unverified) {
			snprintf(text, sizeof(text), "%s: its parent carries no id, so whether it "
				 "is the right one is unverified", info.path);
			note(opaque, text);
		}
	}
}

void image_notes(struct image *image, void (*note)(void *, const char *), void *opaque)
{
	char lines[sizeof(image->table.warnings)];
	char *save = NULL;

	chain_notes(image, note, opaque);
	memcpy(lines, image->table.warnings, sizeof(lines));
	for (char *line = strtok_r(lines, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		note(opaque, line);
}

const struct fs_partition *image_partition(const struct image *image, unsigned number)
{
	for (size_t i = 0; i < image->table.count; i++)
		if (image->table.part[i].number == number)
			return &image->table.part[i];
	return NULL;
}
