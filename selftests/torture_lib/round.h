/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A round of torture, as its threads know it: what may happen, what has been done,
 * and what came of it.
 */
#ifndef ROUND_H
#define ROUND_H

#include <pthread.h>
#include <stdbool.h>

#include "kselftest.h"

#include "faults.h"
#include "random.h"

/* What has been done, and what came of it. */
enum count {
	COUNT_LISTEN,
	COUNT_LISTEN_AGAIN,
	COUNT_CLOSE,
	COUNT_GAP,
	COUNT_SHUTDOWN,
	COUNT_EXIT,
	COUNT_LOAD,
	COUNT_UNLOAD,
	COUNT_SYSCTL,
	COUNT_GRACE,
	COUNT_CHOICE,
	COUNT_ATTACH,
	COUNT_DETACH,
	COUNT_NAMESPACE,
	COUNT_CONNECT,
	COUNT_FASTOPEN,
	COUNT_SYN,
	COUNT_ACK,
	COUNT_LATE_ACK,
	COUNT_RST,
	COUNT_BAD,
	COUNT_SERVED,
	COUNT_REFUSED,
	COUNT_GONE,
	COUNT_MIGRATED,
	COUNT_ADOPTED,
	COUNT_GIVEN_BACK,
	COUNT_NOT_MIGRATED,
	COUNTS,
};

extern const char * const count_names[COUNTS];

/*
 * There are times in which clients may be lost: their group has no listener, or
 * there's a reason not to migrate. A client that isn't there at such a time must
 * be served.
 */
struct hazard {
	int open;	/* reasons, now */
	int begun;	/* reasons so far */
};

/* The listeners on one address. */
#define GROUPS		5
#define GROUP_MAX	24

struct group {
	const char *local;
	const char *remote;	/* what clients connect to */
	pthread_mutex_t lock;	/* of the listeners that are live */
	int live[GROUP_MAX];
	int lives;
	bool alone;		/* it's one listener, with SO_REUSEADDR */
	bool deserted;		/* there's none, which is a hazard */
	struct hazard hazard;
};

struct round {
	int number;
	struct random random;

	/* What may happen. */
	enum faults faults;
	enum faults had_faults;	/* when it's over */
	bool reloads;	/* the module */
	bool toggles;	/* the sysctl */
	bool cancels;	/* a program, migrations */
	bool empties;	/* groups */
	bool grace;	/* listeners are orphaned */
	bool gaps;	/* groups lose all listeners, and get others soon */
	bool rescues;	/* processes that hang or die are helped */

	struct group groups[GROUPS];
	struct hazard hazard;	/* to all groups */
	pthread_rwlock_t gap;	/* for reading, while a group has no listener */
	int epoll;
	bool over;		/* for who serves */

	/* The outcome, for the process that has begun the round. */
	bool failed;
	long counts[COUNTS];
};

/* A thread of a round. */
struct task {
	struct round *round;
	struct random random;
	pthread_t thread;
	int number;
};

/* Whether no client may be lost. */
bool round_is_quiet(const struct round *round);

void round_count(struct round *round, enum count count);

/* Says what is wrong. */
void __printf(2, 3) round_fail(struct round *round, const char *format, ...);

void hazard_begin(struct hazard *hazard);
void hazard_end(struct hazard *hazard);

/*
 * Ends one to all groups, in which listeners weren't orphaned, once those that were
 * closed have successors.
 */
void hazard_end_after_gaps(struct round *round);

/* What a client knows of the hazards when it begins, and asks when it ends. */
struct shelter {
	int group;
	int all;
};

struct shelter shelter_take(struct round *round, struct group *group);
bool shelter_held(struct shelter shelter, struct round *round,
		  struct group *group);

/*
 * Where memory is short, sockets are closed with a RST. tcp_send_fin() gives up
 * without memory, and leaves a socket without a process that waits for ever.
 */
void round_prepare(const struct round *round, int fd);

/*
 * Whether this thread has all the memory that it asks for. Each has to say so once;
 * where it was spared, the kernel would tell of an allocation that fails as of a bug.
 */
void round_spare(const struct round *round, bool spare);

/* fork(), spared: of a stack that it can't allocate, the kernel tells. */
pid_t round_fork(const struct round *round);

#endif /* ROUND_H */
