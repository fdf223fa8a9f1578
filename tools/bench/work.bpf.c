// SPDX-License-Identifier: GPL-2.0
/*
 * How long the work takes that a thread has asked for, from its beginning to its end.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

struct workqueue_struct;
struct delayed_work;
struct work_struct;

/* The thread, while it asks. */
int tid;

/* What the last one has taken, and how many there were. */
__u64 took;
__u32 count;

static const void *asked;
static __u64 began;

/* A work_struct comes first in a delayed_work. */
SEC("fentry/mod_delayed_work_on")
int BPF_PROG(work_ask, int cpu, struct workqueue_struct *queue,
	     struct delayed_work *work)
{
	if ((int)bpf_get_current_pid_tgid() == tid)
		asked = work;

	return 0;
}

SEC("tp_btf/workqueue_execute_start")
int BPF_PROG(work_begin, struct work_struct *work)
{
	if (work == asked)
		began = bpf_ktime_get_ns();

	return 0;
}

SEC("tp_btf/workqueue_execute_end")
int BPF_PROG(work_end, struct work_struct *work)
{
	if (work != asked)
		return 0;

	took = bpf_ktime_get_ns() - began;
	count++;
	return 0;
}

char _license[] SEC("license") = "GPL";
