/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memory.h - what only the storage layer and its tests do with a memory storage. See memory.c.
 */
#ifndef VIMG_STORAGE_MEMORY_H
#define VIMG_STORAGE_MEMORY_H

#include "storage.h"

/* A second storage with the same content; the two go separate ways. Takes no time: they share what
 * neither has changed. `s` is a memory storage. */
int storage_memory_clone(struct vd_storage *s, struct vd_storage **out);

#endif
