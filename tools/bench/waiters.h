/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads that wait for a connection on a listener, each for one.
 */
#ifndef WAITERS_H
#define WAITERS_H

#define WAITERS	8	/* on each listener */

enum wait {
	WAIT_NOT,
	WAIT_ACCEPT,
	WAIT_EPOLL,
};

/* Returns when all of them wait. */
void waiters_start(const int *listeners, int count, enum wait wait);

/*
 * Ends those that still wait. Returns how many connections have been accepted,
 * and closed.
 */
int waiters_stop(void);

#endif /* WAITERS_H */
