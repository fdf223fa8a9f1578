// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.h"
#include "kselftest.h"

/* With what comes before, less than half of what net.core.optmem_max allows. */
#define SLOW		3000
#define MOST_BEFORE	8

static int attach(int fd, int option, const struct sock_filter *code,
		  size_t count)
{
	const struct sock_fprog program = {
		.len = count,
		.filter = (struct sock_filter *)code,
	};

	return setsockopt(fd, SOL_SOCKET, option, &program, sizeof(program));
}

int filter_attach(int fd, const struct sock_filter *code, size_t count)
{
	return attach(fd, SO_ATTACH_FILTER, code, count);
}

int filter_attach_slow(int fd, const struct sock_filter *code, size_t count)
{
	static const struct sock_filter slow =
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 SKF_AD_OFF + SKF_AD_PAY_OFFSET);
	static const struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, -1);
	struct sock_filter filter[MOST_BEFORE + SLOW + 1];
	size_t i;

	if (count > MOST_BEFORE) {
		errno = E2BIG;
		return -1;
	}

	memcpy(filter, code, count * sizeof(*code));
	for (i = count; i < count + SLOW; i++)
		filter[i] = slow;

	filter[i] = pass;
	return filter_attach(fd, filter, i + 1);
}

int filter_slow_final_acks(int fd)
{
	static const struct sock_filter only_acks[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_ACK, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, -1),
	};

	return filter_attach_slow(fd, only_acks, ARRAY_SIZE(only_acks));
}

int group_steer(int listener, __u32 index)
{
	const struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, index);

	return attach(listener, SO_ATTACH_REUSEPORT_CBPF, &code, 1);
}

int group_attach(int listener, int program)
{
	return setsockopt(listener, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF,
			  &program, sizeof(program));
}

int group_migrate(int listener, int action, __u32 times)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = times },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .off = 2 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .imm = -1 },
		{ .code = BPF_JMP | BPF_JA, .off = -3 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = action },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SK_REUSEPORT,
		.expected_attach_type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE,
		.insns = (__u64)(unsigned long)code,
		.insn_cnt = ARRAY_SIZE(code),
		.license = (__u64)(unsigned long)"GPL",
	};
	int program, ret;

	program = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (program < 0)
		return -1;

	ret = group_attach(listener, program);
	close(program);
	return ret;
}

int group_detach(int listener)
{
	int ignored = 0;

	return setsockopt(listener, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF,
			  &ignored, sizeof(ignored));
}
