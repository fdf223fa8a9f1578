// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_complete_hashdance(): a listener stops during the handshake, and
 * the final ACK comes before the SYN+ACK is sent again.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, the first one stops.
 *  3. Each peer sends the final ACK, and data.
 *  4. The other listener accepts each connection, and the peer has its answer.
 */
#include "lib/half_open.h"

static void begin(struct __test_metadata *_metadata, struct peer *peers,
		  struct tun *tun, const char *remote)
{
	ASSERT_EQ(PEERS, peers_begin(peers, PEERS, tun, remote));
}

TEST_F(half_open, migrates)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, PEERS, 0);
}

/* The segment that completes the handshake may carry the first data. */
TEST_F(half_open, migrates_with_data_in_the_ack)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(half_open, resets_when_off)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(half_open, resets_without_another_listener)
{
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
