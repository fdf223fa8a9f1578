/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that nobody accepts from, though others could serve what waits there.
 */
#ifndef STALLS_H
#define STALLS_H

#include <stdbool.h>
#include <sys/types.h>

#define MIGRATE_REQ_STALL	"net/ipv4/tcp_migrate_req_stall_ms"
#define STALLS			"/proc/net/tcp_migrate_stalls"

/*
 * How far group_migrate() counts, so that moving some 40 connections takes longer than it
 * takes to do something meanwhile, on any machine.
 */
#define SLOW_MOVE	50000

/* As a listener that has been stalled is shown. */
struct stall {
	int port;
	int queue;
	long since_ms;
	int times;	/* 0 if it isn't shown */
	bool parked;
};

struct stall stall_read(int listener);

/*
 * Waits until so many connections have been moved, and the look that has moved the last of
 * them is over.
 */
bool stalls_rescued(int count);

/*
 * Has accept() not wait. A listener that does isn't rescued from, however long a test takes
 * to look at what it has got.
 */
int listener_unblock(int fd);

/* An SO_REUSEPORT listener of which that is so. */
int listener_open_unblocked(const char *address);

/*
 * Waits until a listener that stalls from now on, in the namespace that @netns is of, has
 * been rescued from. All others that nobody has accepted from meanwhile have been looked
 * at then, and have had the time that it takes. It's the caller's namespace if @netns
 * is -1. Both have the same stall time, or this one's is longer.
 */
bool stalls_looked_for(int netns);

#endif /* STALLS_H */
