/* SPDX-License-Identifier: GPL-2.0-or-later */
/* describe.h - what libvdisk says of an image, for people and for programs. */
#ifndef VIMG_DESCRIBE_H
#define VIMG_DESCRIBE_H

#include "json.h"
#include "vimg.h"

/* "Label:   value", aligned; nothing where the value is NULL. Safe for a terminal. */
void print_field(const char *label, const char *value);
void print_size(const char *label, uint64_t bytes);	/* "20.0G (21474836480 bytes)" */

/* All fields of one image. `parent`: the file that its parent is, or NULL. */
void print_image(const struct vd_image_info *info, const char *parent);
struct json_object *json_image(const struct vd_image_info *info);

/* One object for the whole disk, leaf first. `note`: why there is less of the chain than there
 * should be, or NULL. NULL after saying why. */
struct json_object *json_disk(struct vd_disk *disk, const char *path, const char *note);

#endif
