/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fs.h - what the kernel asks of the mount, and the answers. */
#ifndef FS_H
#define FS_H

#include "buffers.h"
#include "coherence.h"
#include "nodes.h"

#include <fuse_lowlevel.h>

struct fs {
	struct vd_disk *disk;
	struct tree tree;
	struct buffers buffers;
	struct coherence coherence;
	bool direct_io;
	uint32_t max_read;
	/* Called when the kernel first speaks, and before its first question is answered. */
	void (*greeted)(void *opaque);
	void (*asked)(void *opaque);
	void *opaque;
	bool was_asked;		/* atomic */
};

extern const struct fuse_lowlevel_ops fs_operations;	/* their userdata is a struct fs */

#endif
