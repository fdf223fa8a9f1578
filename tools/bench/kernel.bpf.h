/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tracing programs have to know of the kernel.
 */
#ifndef KERNEL_BPF_H
#define KERNEL_BPF_H

#define SOFTIRQ_MASK		0xff00
#define SOFTIRQ_DISABLE_OFFSET	0x0200

extern const int __preempt_count __ksym;

struct kmem_cache {
	unsigned int size;
} __attribute__((preserve_access_index));

#endif /* KERNEL_BPF_H */
