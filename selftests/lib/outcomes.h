/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module says of each connection: its counters, and its tracepoints.
 */
#ifndef OUTCOMES_H
#define OUTCOMES_H

#include <stdbool.h>

#define OUTCOMES	"/proc/net/tcp_migrate"

/*
 * The counter of the caller's namespace for a path ("close", "ack", "timer", "grace",
 * "unread", "stall") and an outcome, -1 if there's none; and the sum of those that are
 * successes, or aren't.
 */
long outcome_read(const char *path, const char *outcome);
long outcomes_sum(bool success);

/*
 * MIGRATE_FAILURE without lost races: a timer and a final ACK, or two final ACKs, have met,
 * and one of them has done it.
 */
long failures_read(void);

/* Waits until it's at least @value. */
bool outcome_reaches(const char *path, const char *outcome, long value);

/* Waits until the sums are those in /proc/net/netstat. */
bool outcomes_agree(void);

/* A connection, as a tracepoint shows it. */
struct event {
	char name[32];
	char family[16];
	char src[64];
	char dest[64];
	char state[32];
	char path[16];
	char outcome[16];
	unsigned long long from_cookie;
	unsigned long long to_cookie;
	unsigned long long net_cookie;
};

/* The events of the caller's namespace, from events_open() on. */
struct events {
	char dir[64];
};

/* Whether the kernel traces any. */
bool events_supported(void);

int events_open(struct events *events);
void events_close(struct events *events);

/* Up to @most of them, in the order in which they came; -1 if one is odd. */
int events_read(const struct events *events, struct event *list, int most);

#endif /* OUTCOMES_H */
