// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "filters.h"

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

int group_steer(int listener, __u32 index)
{
	const struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, index);

	return attach(listener, SO_ATTACH_REUSEPORT_CBPF, &code, 1);
}
