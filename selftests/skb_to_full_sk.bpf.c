// SPDX-License-Identifier: GPL-2.0
/*
 * A SYN+ACK that waits to be sent, and the listener of the request that it holds.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* Of the kernel's own, what is needed here. */
struct cookie {
	long long counter;
} __attribute__((preserve_access_index));

struct sock;

struct sock_common {
	__u16 skc_dport;
	unsigned char skc_state;
	struct cookie skc_cookie;
	struct sock *skc_listener;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
} __attribute__((preserve_access_index));

struct sk_buff {
	struct sock *sk;
} __attribute__((preserve_access_index));

/* The peer's port, in network order. */
__u16 port;

/* The first segment for it that has come to a queue. */
__u64 held;

/* What look() has found. */
int state;		/* of what the segment holds */
int listener_state;
__u64 listener_cookie;

SEC("tp_btf/net_dev_queue")
int BPF_PROG(queued, struct sk_buff *skb)
{
	struct sock *sk = skb->sk;

	if (!held && sk && sk->__sk_common.skc_state == BPF_TCP_NEW_SYN_RECV &&
	    sk->__sk_common.skc_dport == port)
		held = (__u64)(unsigned long)skb;

	return 0;
}

SEC("syscall")
int look(void *ctx)
{
	struct sk_buff *skb = (void *)(unsigned long)held;
	struct sock *listener;

	state = BPF_CORE_READ(skb, sk, __sk_common.skc_state);
	listener = BPF_CORE_READ(skb, sk, __sk_common.skc_listener);
	listener_state = BPF_CORE_READ(listener, __sk_common.skc_state);
	listener_cookie = BPF_CORE_READ(listener,
					__sk_common.skc_cookie.counter);
	return 0;
}

char _license[] SEC("license") = "GPL";
