// SPDX-License-Identifier: GPL-2.0
/*
 * A listener's filter that has final ACKs wait until they are let go.
 */
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_helpers.h>

/* It can't wait for ever: this takes longer than a SYN+ACK timer does. */
#define OUTER	2000
#define INNER	(1024 * 1024)

#define ACK_ONLY	0x10

/* Whether one waits, and whether it may go. */
int waiting;
int go;

/* For bpf_loop(), which ends with 1. */
static int inner(__u32 i, void *data)
{
	return go != 0;
}

static int outer(__u32 i, void *data)
{
	bpf_loop(INNER, inner, NULL, 0);
	return go != 0;
}

SEC("socket")
int hold(struct __sk_buff *skb)
{
	__u8 flags;

	/* A listener's filter sees the TCP header first. */
	if (bpf_skb_load_bytes(skb, 13, &flags, sizeof(flags)) ||
	    flags != ACK_ONLY)
		return skb->len;

	waiting = 1;
	bpf_loop(OUTER, outer, NULL, 0);
	return skb->len;
}

char _license[] SEC("license") = "GPL";
