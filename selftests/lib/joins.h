/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Connections of MPTCP, each with a peer that joins it from another port. Programs that
 * include this need libcrypto.
 */
#ifndef JOINS_H
#define JOINS_H

#include <stdbool.h>

#include "mptcp.h"
#include "segments.h"

#define NONCE_LEN	4

/* The peers are to be initialized. */
struct connection {
	struct peer peer;
	struct peer joining;
	__u8 key[MPTCP_KEY_LEN];
	__u8 nonce[NONCE_LEN];
	int fd;
};

/* The listener accepts and serves the first peer. Returns 0, or -1. */
int connection_open(struct connection *connection, int listener);
int connection_reset(const struct connection *connection);

/*
 * The steps of the other peer's handshake; and how many have joined, to be waited for, as
 * a worker has them join if the connection is busy.
 */
int join(struct connection *connection);
bool join_answered(struct connection *connection);
int join_complete(struct connection *connection);
int joined(const struct connection *connection);

#endif /* JOINS_H */
