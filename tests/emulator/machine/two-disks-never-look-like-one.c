/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks are known by the base of their chain. Two over one base are two disks all the same, or guests
 * drop one of them (NVMe), or take it for another path to the other; each keeps what it is called. */
#include "machine/machine.h"
#include "machine/private.h"
#include "test.h"

#define DISKS 5

static struct device_identity seen[DISKS];

static void look(const char *const *disk)
{
	struct machine_description d = {0};
	struct loop *control;
	struct events *events;
	struct machine *m;
	struct vd_error err = {""};
	char *socket = test_path("socket"), text[512];
	unsigned n = 0;

	snprintf(text, sizeof(text), "nvme,socket=%s", socket);
	CHECK_OK(loop_new(&control));
	CHECK_OK(events_new(&events));
	if (description_add_controller(&d, text, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	for (unsigned i = 0; i < DISKS; i++)
		if (description_add_disk(&d, disk[i], &err))
			test_fail(__FILE__, __LINE__, "%s", err.text);
	if (machine_new(&d, control, events, &m, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	for (struct drive *drive = m->drives; drive; drive = drive->next)
		seen[n++] = *device_identity(drive->device);
	CHECK_EQ(n, DISKS);
	CHECK_OK(machine_stop(m));
	machine_free(m);
	description_free(&d);
	events_free(events);
	loop_free(control);
	free(socket);
}

int main(void)
{
	struct vd_create_options base = {.format = "vdi", .size = 1 << 20}, raw = base, child = {0};
	char *const path[] = {test_path("base.vdi"), test_path("one.vdi"), test_path("two.vdi"),
			      test_path("base.raw"), test_path("x.vhd"), test_path("y.vhd")};
	char text[DISKS][256];
	const char *disk[DISKS];
	struct device_identity first[DISKS];

	raw.format = "raw";
	child.format = "vdi";
	child.parent = path[0];
	CHECK_OK(vd_create(path[0], &base, NULL));
	CHECK_OK(vd_create(path[1], &child, NULL));
	CHECK_OK(vd_create(path[2], &child, NULL));
	CHECK_OK(vd_create(path[3], &raw, NULL));
	snprintf(text[0], 256, "%s", path[1]);
	snprintf(text[1], 256, "%s", path[2]);
	snprintf(text[2], 256, "%s,mode=immutable", path[0]);
	snprintf(text[3], 256, "%s,mode=multiattach,diff=%s", path[3], path[4]);
	snprintf(text[4], 256, "%s,mode=multiattach,diff=%s", path[3], path[5]);
	for (unsigned i = 0; i < DISKS; i++)
		disk[i] = text[i];
	look(disk);
	for (unsigned i = 0; i < DISKS; i++)
		for (unsigned j = 0; j < i; j++) {
			CHECK(strcmp(seen[i].serial, seen[j].serial));
			CHECK(seen[i].wwn != seen[j].wwn);
			CHECK(vd_uuid_is_null(&seen[i].uuid) ||
			      !vd_uuid_equal(&seen[i].uuid, &seen[j].uuid));
		}
	/* The next time they are the same, also the one that has been made afresh. */
	memcpy(first, seen, sizeof(seen));
	look(disk);
	for (unsigned i = 0; i < DISKS; i++) {
		CHECK_STR(seen[i].serial, first[i].serial);
		CHECK_EQ(seen[i].wwn, first[i].wwn);
	}
	for (unsigned i = 0; i < 6; i++) {
		unlink(path[i]);
		free(path[i]);
	}
	return 0;
}
