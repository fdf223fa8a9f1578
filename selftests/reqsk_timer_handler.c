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

static void begin(struct __test_metadata *_metadata, struct peer *peers,
		  struct tun *tun, const char *remote)
{
	ASSERT_EQ(PEERS, peers_begin(peers, PEERS, tun, remote));
}

/* None has been sent a SYN+ACK again, if none was before the listener stopped. */
static void expect_silence(struct __test_metadata *_metadata,
			   struct peer *peers, bool stopped_in_time)
{
	struct segment segment;
	int i;

	for (i = 0; i < PEERS && stopped_in_time; i++)
		EXPECT_FALSE(peer_receive(&peers[i], &segment, 0));
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
	struct peer clock;
	bool in_time;
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));
	in_time = peers_in_time(self->peers, PEERS);

	ASSERT_TRUE(peer_begin(&clock, &self->tun, variant->remote, 20000));
	ASSERT_TRUE(peer_synack(&clock));
	expect_silence(_metadata, self->peers, in_time);

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(half_open, drops_without_another_listener)
{
	bool in_time;

	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));
	in_time = peers_in_time(self->peers, PEERS);
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
	expect_silence(_metadata, self->peers, in_time);

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
