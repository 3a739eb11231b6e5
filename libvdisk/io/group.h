/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * group.h - the gate of a bandwidth group, in front of the engine.
 *
 *   vd_queue_submit --> group_admit ----------------------------------> ring, engine
 *                            |  the group owes time                         ^
 *                            v                                              |
 *                       waiting, first come first served --- thread --------+
 *
 * Only reads and writes are counted; all else goes straight through.
 */
#ifndef VIMG_GROUP_H
#define VIMG_GROUP_H

#include "io/engine.h"

/* 1: the request may start now. 0: it waits, and the group calls queue_start() in a thread of its
 * own when its turn has come. Or -errno. The caller keeps the disk from leaving meanwhile. */
int group_admit(struct vd_group *g, struct vd_request *rq);
/* Takes a request back that still waits here. */
bool group_withdraw(struct vd_group *g, struct vd_request *rq);
/* Whether requests of the disk wait here. */
bool group_holds(struct vd_group *g, const struct vd_disk *d);
void group_ref(struct vd_group *g);

#endif
