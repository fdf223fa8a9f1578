/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that share a port, and clients that tell which of them answered.
 */
#ifndef LISTENERS_H
#define LISTENERS_H

#include <linux/types.h>
#include <stdbool.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

#define SERVER_PORT	8080

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* SERVER_PORT of @address; returns the length. */
socklen_t address_parse(union address *to, const char *address);

/* How a listener stops. */
enum stop {
	STOP_CLOSE,
	STOP_SHUT_RDWR,
	STOP_SHUT_RD,
	STOP_EXIT,	/* its process is killed, and held the only descriptor */
};

struct listener {
	int fd;		/* -1 if another process owns it */
	pid_t owner;	/* that process, or 0 */
};

/*
 * An SO_REUSEPORT listener on SERVER_PORT, in this process; listener_bind() leaves
 * listen() to listener_restart().
 */
int listener_bind(const char *address);
int listener_open(const char *address);

/* One that takes up to @backlog connections, and one more. */
int listener_open_backlog(const char *address, int backlog);

/* One of MPTCP, which serves clients of TCP as well. */
int listener_open_mptcp(const char *address);

/* One of SMC, which does so, too. A socket of AF_SMC can't share its port. */
int listener_open_smc(const char *address);

/* The same, in a process of its own if @stop needs one. */
int listener_start(struct listener *listener, const char *address,
		   enum stop stop);
int listener_stop(struct listener *listener, enum stop stop);

/* listen(), also on a listener that was shut down. */
int listener_restart(int fd);

/* Waits for a connection; -1 if none comes. */
int listener_accept(int fd);

/* Whether there's nothing to accept. */
bool listener_idle(int fd);

/* How many connections there are to accept. */
int listener_queued(int fd);

/* SO_COOKIE. */
__u64 listener_cookie(int fd);

/*
 * A client connects, sends its number and waits for the acknowledgment: from
 * then on the connection is in an accept queue, behind those made before it.
 * client_served() says whether the number came back, client_reset() whether
 * the connection was reset instead.
 */
int client_connect(const char *address, int number);
int client_connect_mptcp(const char *address, int number);
bool client_served(int fd, int number);
bool client_reset(int fd);

/* Whether the server's kernel has all that a client has sent. */
bool client_sent_all(int fd);

/* Reads a number and sends it back. Returns it, or -1. */
int connection_serve(int fd);

/* Accepts a connection, serves it and closes it. */
int listener_serve(int fd);

/* The same with all that there are; returns how many. */
int listener_serve_all(int fd);

/* The same with whatever comes, in a thread, until the process ends. */
int listener_keep_serving(int fd);

/*
 * The same for clients with the numbers 0, 1, 2 and so on. They end with the
 * first that fails, and return how many didn't.
 */
int clients_connect(int *clients, int count, const char *address);
int clients_served(const int *clients, int count);
int clients_reset(const int *clients, int count);
void clients_close(const int *clients, int count);
int listener_serve_in_order(int fd, int count);

#endif /* LISTENERS_H */
