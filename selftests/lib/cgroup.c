// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest.h"

#include "cgroup.h"
#include "file.h"

#define ROOT	"/sys/fs/cgroup"

int cgroups_mount(void)
{
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;

	return mount("cgroup2", ROOT, "cgroup2", 0, NULL) && errno != EBUSY ?
	       -1 : 0;
}

/* A value of a file that has a line for each; -1 if there's none. */
static long read_value(const char *dir, const char *name, const char *format)
{
	char line[128];
	long value = -1;
	FILE *file;

	snprintf(line, sizeof(line), "%s/%s", dir, name);
	file = fopen(line, "re");
	if (!file)
		return -1;

	while (value < 0 && fgets(line, sizeof(line), file))
		sscanf(line, format, &value);

	fclose(file);
	return value;
}

long cgroups_dying(void)
{
	return read_value(ROOT, "cgroup.stat", "nr_dying_descendants %ld");
}

int cgroups_count_memory(void)
{
	return file_write(ROOT, "cgroup.subtree_control", "+memory");
}

long cgroup_socket_memory(const struct cgroup *cgroup)
{
	return read_value(cgroup->dir, "memory.stat", "sock %ld");
}

long cgroup_oom_kills(const struct cgroup *cgroup)
{
	return read_value(cgroup->dir, "memory.events", "oom_kill %ld");
}

int cgroup_make(struct cgroup *cgroup, const char *name)
{
	snprintf(cgroup->dir, sizeof(cgroup->dir), ROOT "/%s.%d", name,
		 getpid());
	return mkdir(cgroup->dir, 0755);
}

int cgroup_remove(const struct cgroup *cgroup)
{
	return rmdir(cgroup->dir);
}

int cgroup_enter(const struct cgroup *cgroup)
{
	return file_write(cgroup->dir, "cgroup.procs", "0");
}

int cgroup_leave(void)
{
	return file_write(ROOT, "cgroup.procs", "0");
}

__u64 cgroup_id(const struct cgroup *cgroup)
{
	struct stat stat_buf;

	return stat(cgroup->dir, &stat_buf) ? 0 : stat_buf.st_ino;
}

int cgroup_deny(const struct cgroup *cgroup)
{
	const struct bpf_insn deny[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_SKB,
		.expected_attach_type = BPF_CGROUP_INET_INGRESS,
		.insns = (__u64)(unsigned long)deny,
		.insn_cnt = ARRAY_SIZE(deny),
		.license = (__u64)(unsigned long)"GPL",
	};
	int program, dir, ret;

	program = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	dir = open(cgroup->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	attr = (union bpf_attr){
		.target_fd = dir,
		.attach_bpf_fd = program,
		.attach_type = BPF_CGROUP_INET_INGRESS,
	};
	ret = program < 0 || dir < 0 ? -1 :
	      syscall(SYS_bpf, BPF_PROG_ATTACH, &attr, sizeof(attr));
	close(program);
	close(dir);
	return ret;
}
