/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What peers of MPTCP say in their segments' options.
 */
#ifndef MPTCP_H
#define MPTCP_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "segments.h"

#define MPTCP_KIND		30
#define MPTCP_HEADER_LEN	4
#define MPTCP_KEY_LEN		8

/* The key of every peer. */
#define MPTCP_PEER_KEY		"peer key"

/*
 * Has the peer's next segments carry an option, which begins with a header of
 * kind, length, and two bytes more; the length is filled in.
 */
void mptcp_option(struct peer *peer, const void *option, size_t len);

/*
 * A SYN with MP_CAPABLE, and the wait for a SYN+ACK with an option, of which
 * what follows the header is copied: for MP_CAPABLE, the server's key.
 */
int mptcp_syn(struct peer *peer);
bool mptcp_synack(struct peer *peer, void *rest, size_t len);

/* The final ACK, and the peer's number as in peer_number(). */
int mptcp_ack(struct peer *peer, const __u8 *key);
int mptcp_number(struct peer *peer, const __u8 *key);

#endif /* MPTCP_H */
