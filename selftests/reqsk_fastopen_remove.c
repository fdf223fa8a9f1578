// SPDX-License-Identifier: GPL-2.0
/*
 * reqsk_fastopen_remove(): a listener stops while Fast Open children, of which
 * the handshake isn't complete, wait in its accept queue.
 *
 *  1. One listener; each peer sends a SYN with data. The SYN+ACK acknowledges
 *     the data: the child is in the accept queue, in SYN_RECV.
 *  2. Another listener joins the group, the first one stops.
 *  3. The other one accepts each connection with its data, before or after
 *     the final ACK completes the handshake.
 */
#include "lib/half_open.h"

static void begin(struct __test_metadata *_metadata, struct peer *peers,
		  struct tun *tun, const char *remote)
{
	ASSERT_EQ(PEERS, peers_fastopen(peers, PEERS, tun, remote));
}

TEST_F(half_open, accepted_before_the_ack)
{
	int connection, to, i;
	struct peer *peer;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	expect_counters(_metadata, PEERS, 0);

	for (i = 0; i < PEERS; i++) {
		peer = &self->peers[i];
		connection = listener_accept(to);
		ASSERT_LE(0, connection);
		ASSERT_EQ(peer->port, connection_serve(connection));
		ASSERT_TRUE(peer_served(peer));

		ASSERT_EQ(0, peer_ack(peer));
		ASSERT_EQ(0, peer_number(peer));
		ASSERT_EQ(peer->port, connection_serve(connection));
		ASSERT_TRUE(peer_served(peer));
		close(connection);
	}

	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(half_open, accepted_after_the_ack)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, PEERS, 0);
}

/*
 * The limit of pending Fast Open requests counts those that came from another
 * listener, until their handshake is complete (CVE-2026-74696).
 */
TEST_F(half_open, charges_the_destination)
{
	int limit = PEERS;
	struct peer peer;
	int to, i;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, setsockopt(to, IPPROTO_TCP, TCP_FASTOPEN, &limit,
				sizeof(limit)));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	peer_init(&peer, &self->tun, variant->remote, 20000);
	EXPECT_FALSE(peer_fastopen(&peer));
	EXPECT_EQ(1, counter_read("TCPFastOpenListenOverflow"));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	for (i = 0; i < PEERS; i++) {
		peer_init(&peer, &self->tun, variant->remote, 20001 + i);
		ASSERT_TRUE(peer_fastopen(&peer));
	}

	peer_init(&peer, &self->tun, variant->remote, 20001 + PEERS);
	EXPECT_FALSE(peer_fastopen(&peer));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
}

/* A peer gives up before its child is accepted. */
TEST_F(half_open, reset_in_the_queue)
{
	int limit = PEERS;
	struct peer peer;
	int to, i;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, setsockopt(to, IPPROTO_TCP, TCP_FASTOPEN, &limit,
				sizeof(limit)));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));

	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(0, peer_send(&self->peers[i], TH_RST, NULL, 0));

	for (i = 0; i < PEERS; i++) {
		peer_init(&peer, &self->tun, variant->remote, 20000 + i);
		ASSERT_TRUE(peer_fastopen(&peer));
	}
}

TEST_F(half_open, resets_when_off)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_reset(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(half_open, resets_without_another_listener)
{
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_reset(self->peers, PEERS));
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
