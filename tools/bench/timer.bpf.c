// SPDX-License-Identifier: GPL-2.0
/*
 * How long the SYN+ACK timers take, whoever's they are.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define MOST_RUNS	256

__u64 runs[MOST_RUNS];
__u32 count;

static __u64 began;

SEC("fentry/reqsk_timer_handler")
int begin(void *ctx)
{
	began = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit/reqsk_timer_handler")
int end(void *ctx)
{
	__u64 took = bpf_ktime_get_ns() - began;

	if (count < MOST_RUNS)
		runs[count++] = took;

	return 0;
}

char _license[] SEC("license") = "GPL";
