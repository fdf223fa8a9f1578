/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel has allocated, which must be the same after each round.
 */
#ifndef STATE_H
#define STATE_H

#include <stdbool.h>

#define STATE_SLABS	6

struct state {
	long slabs[STATE_SLABS];	/* -1 where the kernel doesn't say */
	long sockets;
	long orphans;
	long references;	/* on the module, -1 if it isn't loaded */
};

/* Waits until there are no orphans, and it's the same for a second. */
bool state_read(struct state *state);

/* Waits until it's that again; says what isn't. */
bool state_returns(const struct state *before);

/*
 * Waits until the caller's namespace has no socket of TCP but those in TIME_WAIT;
 * says what is left.
 */
bool state_drained(void);

#endif /* STATE_H */
