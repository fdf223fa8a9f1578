// SPDX-License-Identifier: GPL-2.0
/*
 * Programs of groups of listeners. What they decide depends on the connection
 * alone.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MAX_LISTENERS	32

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, MAX_LISTENERS);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* Often there's none at the key, or one of another group. */
static int choose_by_hash(struct sk_reuseport_md *md)
{
	__u32 key = md->hash % MAX_LISTENERS;

	bpf_sk_select_reuseport(md, &listeners, &key, 0);
	return SK_PASS;
}

SEC("sk_reuseport/migrate")
int choose(struct sk_reuseport_md *md)
{
	return choose_by_hash(md);
}

SEC("sk_reuseport/migrate")
int cancel(struct sk_reuseport_md *md)
{
	return md->migrating_sk && md->hash & 1 ? SK_DROP : SK_PASS;
}

SEC("sk_reuseport")
int choose_new(struct sk_reuseport_md *md)
{
	return choose_by_hash(md);
}

char _license[] SEC("license") = "GPL";
