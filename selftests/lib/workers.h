/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Worker processes, which accept connections, hang, and die.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <stdbool.h>
#include <sys/types.h>

#define MIGRATE_REQ_UNREAD	"net/ipv4/tcp_migrate_req_unread"

struct worker {
	int listener;		/* the caller's, which the worker has as well */
	int accepts;		/* how many connections it accepts */

	/* Whether its listener's descriptor is the highest one, rather than the lowest. */
	bool listener_is_highest;

	/*
	 * If set, what it does before it accepts any; and to each connection. They are
	 * numbered as they were made. Both return 0, or -1 with errno.
	 */
	int (*prepare)(void);
	int (*treat)(int fd, int number);
};

/*
 * Starts it, and waits until it has done all that. For process_end(): it exits by itself
 * when it has SIGUSR1.
 */
pid_t worker_start(const struct worker *worker);

/* Has connections be given back when a process has died as @unread says. */
int unread_allow(const char *unread);

#endif /* WORKERS_H */
