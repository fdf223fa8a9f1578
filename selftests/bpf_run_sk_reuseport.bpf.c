// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that note what they are asked and answer what they are told to.
 */
#include <linux/bpf.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* More than any test has. */
#define MAX_LISTENERS	4
#define MAX_QUESTIONS	64

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, MAX_LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* The state of connections of which the migration is cancelled, if not 0. */
int cancelled;

/* How often a program ran for a SYN, and for a migration. */
int syns;
int migrations;

/* The migrations: the key of the listener to select, and what was seen. */
struct {
	__u32 key;
	__u64 cookie;	/* of reuse_md->sk */
	int state;	/* of reuse_md->migrating_sk */
	__u32 len;
	__u16 source;	/* of the TCP header, 0 if there's none */
	int error;	/* what bpf_sk_select_reuseport() returned */
} questions[MAX_QUESTIONS];

static int answer(struct sk_reuseport_md *md)
{
	struct bpf_sock *migrating_sk = md->migrating_sk;
	struct tcphdr *tcp = md->data;
	typeof(questions[0]) *question;
	int i;

	if (!migrating_sk) {
		__sync_fetch_and_add(&syns, 1);
		return SK_PASS;
	}

	i = __sync_fetch_and_add(&migrations, 1);
	if (i < 0 || i >= MAX_QUESTIONS)
		return SK_DROP;

	question = &questions[i];
	question->cookie = bpf_get_socket_cookie(md->sk);
	question->state = migrating_sk->state;
	question->len = md->len;
	if ((void *)(tcp + 1) <= md->data_end)
		question->source = bpf_ntohs(tcp->source);

	question->error = bpf_sk_select_reuseport(md, &listeners,
						  &question->key, 0);
	return migrating_sk->state == cancelled ? SK_DROP : SK_PASS;
}

SEC("sk_reuseport/migrate")
int select_or_migrate(struct sk_reuseport_md *md)
{
	return answer(md);
}

SEC("sk_reuseport")
int select_only(struct sk_reuseport_md *md)
{
	return answer(md);
}

/* Chooses the first listener of a group. */
SEC("socket")
int filter(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&syns, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
