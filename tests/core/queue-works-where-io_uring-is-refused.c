/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sandbox that refuses io_uring_setup() and preadv2() makes requests slower, not wrong. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "file-disk.h"

static void refuse(unsigned error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(*code), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		test_skip("seccomp is not there");
}

static void requests(void)
{
	static struct request request[8];
	struct file_disk f;
	struct vd_queue *q;

	file_disk_open(&f, "raw", "raw", NULL, 1 << 20, 0);
	CHECK_OK(vd_queue_create(&q));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			request_make(&request[i], f.disk, round % 2 ? VD_OP_READ : VD_OP_WRITE,
				     i * 4096);
			memset(request[i].buf, (int)(round % 2 ? 0 : 1 + i), 4096);
			CHECK_OK(vd_queue_submit(q, &request[i].rq));
		}
		for (unsigned i = 0; i < 8; i++)
			CHECK_OK(reap_one(q)->rq.status);
		for (unsigned i = 0; i < 8; i++)
			CHECK_EQ(request[i].buf[100], 1 + i);
		make_cold(&f);
	}
	vd_queue_destroy(q);
	file_disk_close(&f);
}

int main(void)
{
	test_tmpdir();
	refuse(EPERM);
	requests();
	return 0;
}
