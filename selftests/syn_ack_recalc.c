// SPDX-License-Identifier: GPL-2.0
/*
 * syn_ack_recalc(): the SYN+ACK timer of a request runs for the last time, and
 * its listener has stopped. It's expired, and nobody's.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, the first one stops.
 *  3. The requests' timers run, and by the settings of the other listener no
 *     SYN+ACK may be sent again.
 *  4. Each request is dropped, and counted as a failure.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define RETRIES		"net/ipv4/tcp_synack_retries"
#define PEERS		4

FIXTURE(syn_ack_recalc) {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(syn_ack_recalc) {
	const char *address;
};

ADDRESS_VARIANTS(syn_ack_recalc, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(syn_ack_recalc)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
}

FIXTURE_TEARDOWN(syn_ack_recalc)
{
}

static void expect_dropped(struct __test_metadata *_metadata,
			   struct peer *peers, int count, int to)
{
	struct segment segment;
	int i;

	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, count));
	EXPECT_EQ(count, counter_read(MIGRATE_FAILURE));
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));

	for (i = 0; i < count; i++)
		EXPECT_FALSE(peer_receive(&peers[i], &segment, 0));

	EXPECT_EQ(count, peers_refused(peers, count));
	EXPECT_TRUE(listener_idle(to));
}

TEST_F(syn_ack_recalc, expired_for_all)
{
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, sysctl_write(RETRIES, "0"));
	ASSERT_EQ(0, close(self->from));
	expect_dropped(_metadata, self->peers, PEERS, self->to);
}

/* The first listener would have sent more of them. */
TEST_F(syn_ack_recalc, expired_for_the_other_listener)
{
	int one = 1;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, setsockopt(self->to, IPPROTO_TCP, TCP_SYNCNT, &one,
				sizeof(one)));
	ASSERT_EQ(0, close(self->from));
	expect_dropped(_metadata, self->peers, PEERS, self->to);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
