/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Final ACKs that come while the timer of their SYN+ACK runs.
 */
#ifndef RACE_H
#define RACE_H

#include "segments.h"

/*
 * Of peers with a SYN+ACK, whose listener has stopped: each sends its final ACK while its
 * SYN+ACK is being sent again. That takes some ms, since others look at it as well.
 * The SYNs must have come on CPU 0, where the timers run; the ACKs come on CPU 1.
 * Without a second CPU, the two come close, and that's all. Returns how many were sent.
 */
int peers_meet_timers(struct peer *peers, int count);

#endif /* RACE_H */
