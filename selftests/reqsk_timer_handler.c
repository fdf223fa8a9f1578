// SPDX-License-Identifier: GPL-2.0
/*
 * reqsk_timer_handler(): a listener stops during the handshake, and the
 * SYN+ACK is sent again before the final ACK comes.
 *
 *  1. One listener; each peer sends a SYN, has its SYN+ACK, and is silent.
 *  2. Another listener joins the group, the first one stops.
 *  3. After a second each peer receives the SYN+ACK again: now the request is
 *     the other listener's.
 *  4. Each peer sends the final ACK, and data.
 *  5. The other listener accepts each connection, and the peer has its answer.
 */
#include "lib/half_open.h"

FIXTURE_SETUP(half_open)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, listener_start(&self->from, variant->local, variant->stop));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->remote));
}

TEST_F(half_open, migrates)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	/* Counted once: the completion of the handshake is no migration. */
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, PEERS, 0);
}

/* Whoever took over a request may stop as well. */
TEST_F(half_open, migrates_again)
{
	int to, last;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	last = listener_open(variant->local);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, close(to));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, last));
	expect_counters(_metadata, 2 * PEERS, 0);
}

/*
 * One more peer, of the listener that lives on, shows when the timers have
 * run: its request is younger, so its SYN+ACK is sent again after theirs.
 */
TEST_F(half_open, drops_when_off)
{
	struct segment segment;
	struct peer clock;
	int to, i;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	peer_init(&clock, &self->tun, variant->remote, 20000);
	ASSERT_EQ(0, peer_syn(&clock));
	ASSERT_TRUE(peer_synack(&clock));
	ASSERT_TRUE(peer_synack(&clock));

	for (i = 0; i < PEERS; i++)
		EXPECT_FALSE(peer_receive(&self->peers[i], &segment, 0));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(half_open, drops_without_another_listener)
{
	struct segment segment;
	int i;

	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));

	for (i = 0; i < PEERS; i++)
		EXPECT_FALSE(peer_receive(&self->peers[i], &segment, 0));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
