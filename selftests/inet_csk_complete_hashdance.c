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
#include "kselftest_harness.h"

#include "listeners.h"
#include "netns.h"
#include "segments.h"

#define PEERS	4

FIXTURE(inet_csk_complete_hashdance) {
	struct listener from;
	struct peer peers[PEERS];
	struct tun tun;
};

FIXTURE_VARIANT(inet_csk_complete_hashdance) {
	const char *local;
	const char *remote;
	enum stop stop;
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv4_close) {
	.local = TUN_IPV4,
	.remote = TUN_IPV4,
	.stop = STOP_CLOSE,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv4_shut_rdwr) {
	.local = TUN_IPV4,
	.remote = TUN_IPV4,
	.stop = STOP_SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv4_shut_rd) {
	.local = TUN_IPV4,
	.remote = TUN_IPV4,
	.stop = STOP_SHUT_RD,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv4_exit) {
	.local = TUN_IPV4,
	.remote = TUN_IPV4,
	.stop = STOP_EXIT,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv6_close) {
	.local = TUN_IPV6,
	.remote = TUN_IPV6,
	.stop = STOP_CLOSE,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv6_shut_rdwr) {
	.local = TUN_IPV6,
	.remote = TUN_IPV6,
	.stop = STOP_SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv6_shut_rd) {
	.local = TUN_IPV6,
	.remote = TUN_IPV6,
	.stop = STOP_SHUT_RD,
};

FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, ipv6_exit) {
	.local = TUN_IPV6,
	.remote = TUN_IPV6,
	.stop = STOP_EXIT,
};

/* An IPv4 handshake with an IPv6 listener makes a mapped child. */
FIXTURE_VARIANT_ADD(inet_csk_complete_hashdance, dual_close) {
	.local = "::",
	.remote = TUN_IPV4,
	.stop = STOP_CLOSE,
};

FIXTURE_SETUP(inet_csk_complete_hashdance)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, listener_start(&self->from, variant->local, variant->stop));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->remote));
}

FIXTURE_TEARDOWN(inet_csk_complete_hashdance)
{
}

TEST_F_TIMEOUT(inet_csk_complete_hashdance, migrates, 300)
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
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* The segment that completes the handshake may carry the first data. */
TEST_F_TIMEOUT(inet_csk_complete_hashdance, migrates_with_data_in_the_ack, 300)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

TEST_F_TIMEOUT(inet_csk_complete_hashdance, resets_when_off, 300)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

TEST_F_TIMEOUT(inet_csk_complete_hashdance, resets_without_another_listener, 300)
{
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_FAILURE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
