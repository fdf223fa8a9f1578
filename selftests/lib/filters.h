/* SPDX-License-Identifier: GPL-2.0 */
/*
 * BPF: filters of sockets, and programs of groups of listeners.
 */
#ifndef FILTERS_H
#define FILTERS_H

#include <linux/filter.h>
#include <linux/types.h>
#include <stddef.h>

/* Where a listener's filter finds the flags of a segment. */
#define TCP_FLAGS	13

int filter_attach(int fd, const struct sock_filter *code, size_t count);

/*
 * Has a socket take its time, some 100 us, for what @code doesn't return for.
 * In the end all of that passes.
 */
int filter_attach_slow(int fd, const struct sock_filter *code, size_t count);

/* The same between the lookup of a final ACK and the rest. */
int filter_slow_final_acks(int fd);

/* Has the group's listener of this index have the next connections. */
int group_steer(int listener, __u32 index);

/* @program is a file descriptor. */
int group_attach(int listener, int program);
int group_detach(int listener);

/*
 * Attaches a program of type BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, which counts to
 * @times, chooses no listener and returns @action, be it SK_PASS or SK_DROP.
 */
int group_migrate(int listener, int action, __u32 times);

#endif /* FILTERS_H */
