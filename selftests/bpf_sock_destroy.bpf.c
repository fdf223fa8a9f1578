// SPDX-License-Identifier: GPL-2.0
/*
 * An iterator over the TCP sockets of a namespace that destroys one of them.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* Of the kernel's own, what is needed here. */
struct sock_common {
} __attribute__((preserve_access_index));

struct bpf_iter__tcp {
	struct sock_common *sk_common;
} __attribute__((preserve_access_index));

int bpf_sock_destroy(struct sock_common *sk) __ksym;

/* The cookie of the socket to destroy. */
__u64 victim;

/* How often it was met, and what bpf_sock_destroy() returned last. */
int met;
int error;

SEC("iter/tcp")
int destroy(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;

	if (sk && bpf_get_socket_cookie(sk) == victim) {
		error = bpf_sock_destroy(sk);
		met++;
	}

	return 0;
}

char _license[] SEC("license") = "GPL";
