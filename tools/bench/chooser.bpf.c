// SPDX-License-Identifier: GPL-2.0
/*
 * Spreads the connections of a listener that stops over others.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

/* How many there are. */
__u32 count = 1;

SEC("sk_reuseport/migrate")
int choose(struct sk_reuseport_md *md)
{
	__u32 key = md->hash % count;

	if (md->migrating_sk)
		bpf_sk_select_reuseport(md, &listeners, &key, 0);

	return SK_PASS;
}

char _license[] SEC("license") = "GPL";
