/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * machine.h - a machine's storage, alive: a thread for each controller, and what the control thread
 * does with them while guests run.
 *
 *	control thread			     thread of a controller
 *	opens and closes files,		     its loop: socket, completions, timers
 *	answers the control socket
 *		 --- loop_post(call) --->    attach, detach, refresh, statistics
 *		 <-- loop_post(answer) ---
 *		 <-- loop_post(power on) --  a client came: immutable disks are made afresh
 *
 * Threads     All calls and callbacks in the control thread, whose loop is given to machine_new.
 */
#ifndef VIMG_MACHINE_H
#define VIMG_MACHINE_H

#include <json-c/json.h>

#include "core/events.h"
#include "machine/description.h"

struct machine;

/*
 * Opens every file, makes every controller, attaches the disks. Where sockets are wanted they are
 * there, and nobody is answered yet. On failure nothing is left behind; -EINVAL: the description asks
 * for what cannot be. `d` must stay.
 */
int machine_new(const struct machine_description *d, struct loop *control, struct events *events,
		struct machine **out, struct vd_error *err);
/* Starts the threads. `enter` is called in each before anything else (NULL: not). */
int machine_start(struct machine *m, void (*enter)(void), struct vd_error *err);
/* Ends all I/O, flushes and closes everything, joins the threads, removes the sockets: returns the
 * first error of a flush. Runs the control loop meanwhile. */
int machine_stop(struct machine *m);
void machine_free(struct machine *m);	/* stopped, or never started. NULL is allowed */

/* Folders in which this machine's files lie, each once; ends with NULL. Of the machine. */
const char *const *machine_folders(const struct machine *m);
const struct machine_description *machine_description(const struct machine *m);

/*
 * What the control socket asks for. Each calls done() exactly once, perhaps before it returns, with
 * 0 and an answer (which done() owns; NULL: none), or -errno and a sentence.
 */
typedef void machine_done(void *opaque, int status, struct json_object *answer, const char *text);

/* Whether a drive has this name. */
bool machine_has_drive(struct machine *m, const char *name);
void machine_status(struct machine *m, machine_done *done, void *opaque);
void machine_attach(struct machine *m, const char *controller, const char *disk,
		    machine_done *done, void *opaque);
void machine_detach(struct machine *m, const char *drive, machine_done *done, void *opaque);
void machine_resize(struct machine *m, const char *drive, const char *size, machine_done *done,
		    void *opaque);
void machine_limit(struct machine *m, const char *group, const char *limit, machine_done *done,
		   void *opaque);
/* There is space on the host's disk again: waiting requests are tried at once. */
void machine_retry(struct machine *m, machine_done *done, void *opaque);

/* Bytes per second below which a guest's driver is likely to lose patience. */
#define MACHINE_LOW_LIMIT 4000000u

#endif
