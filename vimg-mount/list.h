/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list.h - vimg-mount --list. */
#ifndef LIST_H
#define LIST_H

struct image;
struct options;

/* Prints the image and its partitions. The exit status. */
int list_image(const struct options *options);

/* The same as one JSON object; 0 or -errno. */
int list_json(struct image *image);

#endif
