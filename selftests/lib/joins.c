// SPDX-License-Identifier: GPL-2.0
#include <linux/mptcp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

#include "joins.h"
#include "listeners.h"

#define NONCE		"once"
#define TOKEN_LEN	4

/* Of an HMAC, what a SYN+ACK and an ACK have. */
#define SYNACK_HMAC_LEN	8
#define ACK_HMAC_LEN	20

#define JOIN		{ MPTCP_KIND, 0, 0x10, 0 }

struct join_syn {
	__u8 header[MPTCP_HEADER_LEN];
	__u8 token[TOKEN_LEN];
	__u8 nonce[NONCE_LEN];
};

struct join_synack {
	__u8 hmac[SYNACK_HMAC_LEN];
	__u8 nonce[NONCE_LEN];
};

struct join_ack {
	__u8 header[MPTCP_HEADER_LEN];
	__u8 hmac[ACK_HMAC_LEN];
};

int connection_open(struct connection *connection, int listener)
{
	struct peer *peer = &connection->peer;

	if (mptcp_syn(peer) ||
	    !mptcp_synack(peer, connection->key, MPTCP_KEY_LEN) ||
	    mptcp_ack(peer, connection->key) ||
	    mptcp_number(peer, connection->key))
		return -1;

	connection->fd = listener_accept(listener);
	return connection->fd >= 0 &&
	       connection_serve(connection->fd) == peer->port &&
	       peer_served(peer) ? 0 : -1;
}

int connection_reset(const struct connection *connection)
{
	const struct linger at_once = { .l_onoff = 1 };

	return setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &at_once,
			  sizeof(at_once)) || close(connection->fd) ? -1 : 0;
}

/* The connection is named by the beginning of its key's hash. */
int join(struct connection *connection)
{
	struct join_syn syn = { .header = JOIN };
	__u8 hash[SHA256_DIGEST_LENGTH];

	SHA256(connection->key, sizeof(connection->key), hash);
	memcpy(syn.token, hash, TOKEN_LEN);
	memcpy(syn.nonce, NONCE, NONCE_LEN);
	mptcp_option(&connection->joining, &syn, sizeof(syn));
	return peer_syn(&connection->joining);
}

bool join_answered(struct connection *connection)
{
	struct join_synack synack;

	if (!mptcp_synack(&connection->joining, &synack, sizeof(synack)))
		return false;

	memcpy(connection->nonce, synack.nonce, NONCE_LEN);
	return true;
}

int join_complete(struct connection *connection)
{
	__u8 key[2 * MPTCP_KEY_LEN], nonces[2 * NONCE_LEN];
	struct join_ack ack = { .header = JOIN };
	__u8 hmac[SHA256_DIGEST_LENGTH];

	memcpy(key, MPTCP_PEER_KEY, MPTCP_KEY_LEN);
	memcpy(key + MPTCP_KEY_LEN, connection->key, MPTCP_KEY_LEN);
	memcpy(nonces, NONCE, NONCE_LEN);
	memcpy(nonces + NONCE_LEN, connection->nonce, NONCE_LEN);
	HMAC(EVP_sha256(), key, sizeof(key), nonces, sizeof(nonces), hmac, NULL);
	memcpy(ack.hmac, hmac, ACK_HMAC_LEN);
	mptcp_option(&connection->joining, &ack, sizeof(ack));
	return peer_ack(&connection->joining);
}

int joined(const struct connection *connection)
{
	struct mptcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(connection->fd, SOL_MPTCP, MPTCP_INFO, &info, &len))
		return -1;

	return info.mptcpi_subflows;
}
