// SPDX-License-Identifier: GPL-2.0
/*
 * How long the work takes in which an orphaned listener ends, from its beginning.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct work_struct;

/* What the last one has taken, and how many there were. */
__u64 took;
__u32 count;

static const struct work_struct *current, *ending;
static __u64 began;

SEC("tp_btf/workqueue_execute_start")
int BPF_PROG(work_begin, struct work_struct *work)
{
	/* Other work, which has preempted it. */
	if (ending)
		return 0;

	current = work;
	began = bpf_ktime_get_ns();
	return 0;
}

SEC("fentry/tcp_abort")
int abort_begin(void *ctx)
{
	ending = current;
	return 0;
}

SEC("tp_btf/workqueue_execute_end")
int BPF_PROG(work_end, struct work_struct *work)
{
	if (work != ending)
		return 0;

	took = bpf_ktime_get_ns() - began;
	ending = 0;
	count++;
	return 0;
}

char _license[] SEC("license") = "GPL";
