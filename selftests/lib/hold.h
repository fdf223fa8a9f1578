/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SYN+ACKs that never leave, and hold their requests.
 */
#ifndef HOLD_H
#define HOLD_H

#include "segments.h"

/*
 * Has peers with a SYN+ACK send their SYNs again, and what they are answered wait in a qdisc
 * for longer than the test takes. What is sent to them later goes its way. Returns how many.
 */
int peers_hold(struct peer *peers, int count);

/* Drops all that, in the caller's namespace, which would be kept by it. */
void peers_release(void);

#endif /* HOLD_H */
