/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What path managers are told of the listeners of MPTCP, in this network namespace.
 */
#ifndef MPTCP_EVENTS_H
#define MPTCP_EVENTS_H

/* A socket that is told from now on, or -1. */
int mptcp_events_open(void);

/*
 * The next of MPTCP_EVENT_LISTENER_CREATED and MPTCP_EVENT_LISTENER_CLOSED that it was
 * told; 0 if there's none.
 */
int mptcp_events_next(int events);

#endif /* MPTCP_EVENTS_H */
