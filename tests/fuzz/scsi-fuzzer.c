/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scsi-fuzzer.c - a guest that sends any cdb with any data, manages tasks, and pulls disks, on a bus
 * with several units. The input is a script; a step begins with a byte of kind (see steps[]). Each
 * command that was prepared ends once.
 */
#include "guest-script.h"
#include "scsi/unit.h"

#define UNITS 3
#define SLOTS 16
#define ROOM 8192
#define DISK (1u << 20)

static struct slot {
	struct scsi_command cmd;
	struct iovec iov[3];
	uint8_t *data;
	bool busy, submitted;
} slot[SLOTS];

static struct loop *loop;
static struct device_host *host;
static struct scsi_bus *bus;
static struct device *device[UNITS];
static struct vd_storage *stall[UNITS];
static bool leaving[UNITS];
static struct task {
	struct scsi_task task;
	bool busy;
} task[4];

static uint8_t next(void)
{
	return guest_take(1);
}

static void must(bool what)
{
	if (!what)
		abort();
}

static void ended(struct slot *s)
{
	must(s->busy && s->cmd.sense_length <= SCSI_SENSE_MAX);
	must(s->cmd.transferred <= s->cmd.room || !s->submitted);
	free(s->data);
	s->data = NULL;
	s->busy = false;
}

static void done(struct scsi_command *cmd)
{
	struct slot *s = cmd->opaque;

	must(s->submitted);
	ended(s);
}

/* What it may write, in memory of exactly that size, in three pieces. */
static void submit(struct slot *s)
{
	uint64_t room = min_u64(s->cmd.length, ROOM);
	size_t a, b;
	uint8_t fill = next();

	if (room > 0 && (fill & 0xc0) == 0xc0)
		room -= fill % room;		/* too little */
	s->submitted = true;
	s->data = malloc(room ? room : 1);
	must(s->data);
	memset(s->data, fill & 1 ? fill : 0, room);
	if (s->cmd.direction == SCSI_DATA_OUT)
		for (size_t i = 0; i < room && i < 64 && guest_left(); i++)
			s->data[i] = next();
	a = room / 3;
	b = room / 2;
	s->iov[0] = (struct iovec){s->data, a};
	s->iov[1] = (struct iovec){s->data + a, b - a};
	s->iov[2] = (struct iovec){s->data + b, room - b};
	scsi_submit(&s->cmd, s->iov, 3, room);
}

static void fill_cdb(struct scsi_command *cmd)
{
	unsigned n = next() % 17;

	cmd->cdb_length = 16;
	for (unsigned i = 0; i < n; i++)
		cmd->cdb[i] = next();
}

static void step_command(struct slot *s)
{
	uint8_t where = next(), how = next();

	if (s->busy)
		return;
	memset(s, 0, sizeof(*s));
	s->cmd.target = where & 3;
	s->cmd.lun = where & 0x40 ? scsi_lun(where >> 2 & 3) : 0;
	s->cmd.initiator = where >> 7;
	s->cmd.tag = (uint64_t)(s - slot);
	s->cmd.attribute = how & 3;
	s->cmd.done = done;
	s->cmd.opaque = s;
	fill_cdb(&s->cmd);
	if (how & 8)
		s->cmd.cdb_length = how >> 4;
	if (!scsi_prepare(bus, &s->cmd))
		return;
	s->busy = true;
	if (!(how & 4))
		submit(s);
}

static void step_second(struct slot *s)
{
	bool drop = next() & 1;

	if (!s->busy || s->submitted)
		return;
	if (drop) {
		scsi_drop(&s->cmd);
		ended(s);
	} else {
		submit(s);
	}
}

static void managed(struct scsi_task *t)
{
	struct task *mine = t->opaque;

	must(mine->busy);
	mine->busy = false;
}

static void step_manage(struct slot *s)
{
	struct task *t = &task[next() % ARRAY_SIZE(task)];
	uint8_t what = next();

	if (t->busy)
		return;
	*t = (struct task){.task = {.function = what & 15, .target = what >> 4 & 3,
				    .initiator = what >> 6 & 1, .tag = (uint64_t)(s - slot),
				    .done = managed, .opaque = t}, .busy = true};
	if ((what & 15) > SCSI_POWER_ON)
		t->task.function = SCSI_ABORT_TASK;
	scsi_manage(bus, &t->task);
}

static void plug(unsigned i)
{
	static const unsigned at[UNITS][2] = {{0, 0}, {0, 1}, {2, 0}};
	struct device_options o = {.discard = i != 1, .may_stall = i == 2};
	struct medium *m = NULL;
	struct vd_error err;

	must(!medium_of_disk(guest_stalling_disk(DISK, &stall[i]), &m));
	must(!device_new(m, &o, &device[i], &err));
	medium_unref(m);
	device_join(device[i], host);
	must(!scsi_bus_attach(bus, at[i][0], at[i][1], device[i]));
}

static void gone(void *opaque, struct device *d)
{
	unsigned i = (unsigned)(uintptr_t)opaque;

	must(device[i] == d && leaving[i]);
	device_leave(d);
	device_free(d);
	device[i] = NULL;
	leaving[i] = false;
}

static void unplug(unsigned i)
{
	if (!device[i] || leaving[i])
		return;
	leaving[i] = true;
	storage_stall_set(stall[i], 0);
	scsi_bus_detach(bus, device[i], gone, (void *)(uintptr_t)i);
}

static void step_plug(struct slot *s)
{
	unsigned i = (unsigned)(s - slot) % UNITS;

	if (!device[i])
		plug(i);
	else if (next() & 1)
		unplug(i);
	else if (!leaving[i])
		scsi_bus_resized(bus, device[i]);
}

/* Unit 2 alone may stall for good. */
static void step_stall(struct slot *s)
{
	(void)s;
	if (device[2] && !leaving[2])
		storage_stall_set(stall[2], next() & (FAULT_READ | FAULT_WRITE));
}

static void step_turn(struct slot *s)
{
	(void)s;
	loop_once(loop, 0);
}

static void (*const steps[])(struct slot *s) = {
	step_command, step_command, step_command, step_second, step_manage, step_plug, step_stall,
	step_turn,
};

static bool idle(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(task); i++)
		if (task[i].busy)
			return false;
	for (unsigned i = 0; i < UNITS; i++)
		if (leaving[i])
			return false;
	return !scsi_bus_in_flight(bus);
}

static void finish(void)
{
	for (unsigned i = 0; i < UNITS; i++)
		if (device[i])
			storage_stall_set(stall[i], 0);
	for (unsigned i = 0; i < SLOTS; i++)
		if (slot[i].busy && !slot[i].submitted) {
			scsi_drop(&slot[i].cmd);
			ended(&slot[i]);
		}
	while (!idle())
		loop_once(loop, 100);
	for (unsigned i = 0; i < UNITS; i++)
		unplug(i);
	while (!idle())
		loop_once(loop, 100);
	for (unsigned i = 0; i < SLOTS; i++)
		must(!slot[i].busy);
}

static void step(void)
{
	uint8_t kind = next();

	steps[kind % ARRAY_SIZE(steps)](&slot[kind / ARRAY_SIZE(steps) % SLOTS]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t options;

	guest_script(data, size);
	options = next();
	memset(slot, 0, sizeof(slot));
	must(!loop_new(&loop) && !device_host_new(loop, &host));
	must(!scsi_bus_new(&(struct scsi_bus_options){.loop = loop, .targets = 3, .luns = 4,
			   .initiators = 2, .autosense = options & 1, .max_transfer = ROOM}, &bus));
	for (unsigned i = 0; i < UNITS; i++)
		plug(i);
	guest_play(step);
	finish();
	scsi_bus_free(bus);
	device_host_free(host);
	loop_free(loop);
	return 0;
}
