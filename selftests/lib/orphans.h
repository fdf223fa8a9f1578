/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Orphaned listeners: servers that are killed, what goes on listening in their place,
 * and their successors.
 */
#ifndef ORPHANS_H
#define ORPHANS_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>

#define MIGRATE_REQ_GRACE_MS	"net/ipv4/tcp_migrate_req_grace_ms"
#define ORPHANS			"/proc/net/tcp_migrate_orphans"

/* More than any test takes, if it doesn't wait for the end. */
#define LONG_GRACE_MS		"60000"

/* A server, which listens on SERVER_PORT. What is 0 is as usual. */
struct server {
	const char *address;
	int option;		/* SO_REUSEPORT or SO_REUSEADDR; else neither */
	int protocol;
	int backlog;		/* a large one if 0 */
	int listeners;		/* one if 0 */
	uid_t owner;

	/* What else is done to a socket before bind(). Returns 0, or -1 with errno. */
	int (*prepare)(int fd);
};

/* A variant for each option, of a fixture that has a server. */
#define SERVER_VARIANTS(type, name, ...)				\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(type, name ## _reuseport) {			\
		.server.option = SO_REUSEPORT,				\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(type, name ## _reuseaddr) {			\
		.server.option = SO_REUSEADDR,				\
		__VA_ARGS__						\
	}

/*
 * One listener of the server, in this process; server_bind() leaves listen() to
 * listener_restart().
 */
int server_bind(const struct server *server);
int server_listen(const struct server *server);

/* The server, in a process of its own, for process_kill(). */
pid_t server_start(const struct server *server);

/* Has listeners of the caller's namespace be orphaned for so long; "0" for not at all. */
int orphans_allow(const char *grace_ms);

/* A line of the file. */
struct orphan {
	char address[40];
	int port;
	long uid;
	long queue;
	long backlog;
	long left_ms;
};

/* The first orphan of this port, and whether there's one. */
bool orphan_read(struct orphan *orphan, int port);

/* How many there are in the caller's namespace; -1 if there's no file. */
int orphans_count(void);

/* Waits until there are so many. */
bool orphans_become(int count);

/* Waits until the first orphan of SERVER_PORT has so many connections in its queue. */
bool orphan_queues(int count);

#endif /* ORPHANS_H */
