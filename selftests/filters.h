/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Classic BPF: filters of sockets, and programs of groups of listeners.
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

/* Has the group's listener of this index have the next connections. */
int group_steer(int listener, __u32 index);

#endif /* FILTERS_H */
