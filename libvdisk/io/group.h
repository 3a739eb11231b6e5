/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group.h - the gate of a bandwidth group, in front of the engine.
 *
 *   vd_queue_submit --> group_submit --------------------------------> engine_submit
 *                            |  the group owes time                         ^
 *                            v                                              |
 *                       waiting, first come first served --- thread --------+
 *
 * Only reads and writes are counted; all else goes straight through.
 */
#ifndef VIMG_GROUP_H
#define VIMG_GROUP_H

#include "io/engine.h"

/* As engine_submit(), which is called now or later, in a thread of the group. The caller keeps the
 * disk from leaving the group meanwhile. */
int group_submit(struct vd_group *g, struct engine *e, struct vd_request *rq);
/* Takes a request back that still waits here. */
bool group_withdraw(struct vd_group *g, struct vd_request *rq);
/* Whether requests of the disk wait here. */
bool group_holds(struct vd_group *g, const struct vd_disk *d);
void group_ref(struct vd_group *g);

#endif
