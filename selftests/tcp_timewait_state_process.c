// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_timewait_state_process(): connections in TIME_WAIT are nobody's, and stay
 * as they are when the listener that they came from stops.
 *
 *  1. One listener; it serves each peer and closes first, so that what's left
 *     of the connection is in TIME_WAIT.
 *  2. Another listener joins the group, the first one stops.
 *  3. A FIN that a peer sends again is acknowledged; a SYN from the same port
 *     begins a connection with the other listener.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define PEERS	4

FIXTURE(tcp_timewait_state_process) {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(tcp_timewait_state_process) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_timewait_state_process, TUN_IPV4, TUN_IPV6);

/* What had been sent before may be sent again, if the peer is slow. */
static bool receive(struct peer *peer, __u8 flags)
{
	struct segment segment;

	while (peer_receive(peer, &segment, PATIENCE_MS)) {
		if (segment.flags == flags && segment.seq == peer->ack &&
		    segment.ack == peer->seq)
			return true;
		if (segment.flags & TH_RST)
			return false;
	}

	return false;
}

/* Acknowledges the server's FIN, and sends its own. */
static bool finish(struct peer *peer)
{
	if (!receive(peer, TH_FIN | TH_ACK))
		return false;

	peer->ack++;
	if (peer_send(peer, TH_FIN | TH_ACK, NULL, 0))
		return false;

	peer->seq++;
	return receive(peer, TH_ACK);
}

FIXTURE_SETUP(tcp_timewait_state_process)
{
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(PEERS, peers_complete(self->peers, PEERS, self->from));
	for (i = 0; i < PEERS; i++)
		ASSERT_TRUE(finish(&self->peers[i]));

	ASSERT_EQ(PEERS, time_wait_sockets());
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, close(self->from));
}

FIXTURE_TEARDOWN(tcp_timewait_state_process)
{
}

TEST_F(tcp_timewait_state_process, fin_is_acknowledged)
{
	struct peer *peer;
	int i;

	for (i = 0; i < PEERS; i++) {
		peer = &self->peers[i];
		peer->seq--;
		ASSERT_EQ(0, peer_send(peer, TH_FIN | TH_ACK, NULL, 0));
		peer->seq++;
		EXPECT_TRUE(receive(peer, TH_ACK));
	}

	EXPECT_EQ(PEERS, time_wait_sockets());
	EXPECT_TRUE(listener_idle(self->to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(tcp_timewait_state_process, syn_begins_anew)
{
	struct peer *peer;
	int i;

	for (i = 0; i < PEERS; i++) {
		peer = &self->peers[i];
		peer->seq += 0x10000;
		ASSERT_EQ(0, peer_syn(peer));
		ASSERT_TRUE(peer_synack(peer));
	}

	EXPECT_EQ(0, time_wait_sockets());
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, self->to));
	expect_counters(_metadata, 0, 0);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
