/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sock_diag: what an administrator does to sockets, and asks of them.
 */
#ifndef DIAG_H
#define DIAG_H

#include <linux/types.h>

#include "segments.h"

/*
 * Destroys the server's socket for this peer's port; or if @cookie isn't 0, the listener
 * that a SYN from there would find, if it's that one's. Returns 0 or an errno.
 */
int diag_destroy(const struct peer *peer, __u64 cookie);

/* The id of the cgroup of the server's socket for this peer; 0 if there's none. */
__u64 diag_cgroup(const struct peer *peer);

#endif /* DIAG_H */
