// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "mptcp.h"

/* MP_CAPABLE of version 1, with HMAC-SHA256, as it grows in the handshake. */
struct capable {
	__u8 header[MPTCP_HEADER_LEN];
	__u8 peer[MPTCP_KEY_LEN];
	__u8 server[MPTCP_KEY_LEN];
	__u8 data_len[2];
};

#define CAPABLE		{ MPTCP_KIND, 0, 1, 1 }

void mptcp_option(struct peer *peer, const void *option, size_t len)
{
	__u8 *data = peer->tcp.data;

	memset(data, TCPOPT_NOP, sizeof(peer->tcp.data));
	memcpy(data, option, len);
	data[1] = len;
	peer->tcp.len = (len + 3) / 4 * 4;
}

static bool find(const struct options *options, void *rest, size_t len)
{
	const __u8 *data = options->data;
	size_t i = 0;

	while (i + MPTCP_HEADER_LEN + len <= options->len) {
		if (data[i] == MPTCP_KIND) {
			memcpy(rest, data + i + MPTCP_HEADER_LEN, len);
			return true;
		}
		i += data[i] == TCPOPT_NOP ? 1 : data[i + 1];
	}

	return false;
}

int mptcp_syn(struct peer *peer)
{
	const __u8 header[MPTCP_HEADER_LEN] = CAPABLE;

	mptcp_option(peer, header, sizeof(header));
	return peer_syn(peer);
}

bool mptcp_synack(struct peer *peer, void *rest, size_t len)
{
	struct segment segment;

	return peer_receive_synack(peer, &segment) &&
	       find(&segment.options, rest, len);
}

static void both_keys(struct peer *peer, const __u8 *key, __u8 data_len)
{
	struct capable capable = {
		.header = CAPABLE,
		.data_len = { 0, data_len },
	};

	memcpy(capable.peer, MPTCP_PEER_KEY, MPTCP_KEY_LEN);
	memcpy(capable.server, key, MPTCP_KEY_LEN);
	mptcp_option(peer, &capable, data_len ? sizeof(capable) :
		     offsetof(struct capable, data_len));
}

int mptcp_ack(struct peer *peer, const __u8 *key)
{
	both_keys(peer, key, 0);
	return peer_ack(peer);
}

int mptcp_number(struct peer *peer, const __u8 *key)
{
	both_keys(peer, key, sizeof(int));
	return peer_number(peer);
}
