// SPDX-License-Identifier: GPL-2.0
/*
 * For how long a thread has bottom halves off, at most: with what these programs
 * cost themselves, and from the end of the stretch before where it begins with
 * local_bh_disable(), which is inline and can't be seen.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "kernel.bpf.h"

bool watching;
int tid;

__s64 longest;

static __u64 since;
static __u64 interrupted;

static bool watched(void)
{
	return watching && (int)bpf_get_current_pid_tgid() == tid;
}

static int softirq_count(void)
{
	return *(int *)bpf_this_cpu_ptr(&__preempt_count) & SOFTIRQ_MASK;
}

SEC("fentry/_raw_spin_lock_bh")
int begin(void *ctx)
{
	if (watched() && !softirq_count())
		since = bpf_ktime_get_ns();

	return 0;
}

SEC("fentry/__local_bh_enable_ip")
int end(void *ctx)
{
	/* Less than nothing if there's an interrupt in the middle of this. */
	__s64 took = bpf_ktime_get_ns() - since;

	if (watched() && since && took > longest &&
	    softirq_count() == SOFTIRQ_DISABLE_OFFSET)
		longest = took;

	return 0;
}

/* Softirqs that have waited have run. */
SEC("fexit/__local_bh_enable_ip")
int enabled(void *ctx)
{
	if (watched() && !softirq_count())
		since = bpf_ktime_get_ns();

	return 0;
}

/* Interrupts aren't the thread's doing. */
SEC("fentry/irq_enter_rcu")
int irq_begin(void *ctx)
{
	interrupted = bpf_ktime_get_ns();
	return 0;
}

SEC("fexit/irq_exit_rcu")
int irq_end(void *ctx)
{
	if (since)
		since += bpf_ktime_get_ns() - interrupted;

	return 0;
}

char _license[] SEC("license") = "GPL";
