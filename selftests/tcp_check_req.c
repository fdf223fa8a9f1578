// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_check_req(): a bad segment ends a handshake of which the listener has
 * stopped. Another listener is chosen to judge the segment, but it's the first
 * one that was charged for the request.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, the first one stops.
 *  3. Each peer sends a RST, or a SYN where none may come.
 *  4. Both listeners go on to answer SYNs, and not with a cookie, as an
 *     overloaded one would: neither one's queue seems full.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS		2
#define MORE_PEERS	5

FIXTURE(tcp_check_req) {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(tcp_check_req) {
	const char *local;
	__u8 flags;
	const char *syncookies;
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(tcp_check_req, name) {			\
		.syncookies = "0",					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_check_req, name ## _cookies) {		\
		.syncookies = "1",					\
		__VA_ARGS__						\
	}

VARIANTS(ipv4_rst, .local = TUN_IPV4, .flags = TH_RST);
VARIANTS(ipv4_syn, .local = TUN_IPV4, .flags = TH_SYN);
VARIANTS(ipv6_rst, .local = TUN_IPV6, .flags = TH_RST);
VARIANTS(ipv6_syn, .local = TUN_IPV6, .flags = TH_SYN);

FIXTURE_SETUP(tcp_check_req)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies",
				  variant->syncookies));

	/* PEERS requests are one more than a queue of this length holds. */
	self->from = listener_open(variant->local);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(0, listen(self->from, PEERS - 1));

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->local));
	self->to = listener_open(variant->local);
	ASSERT_LE(0, self->to);
}

FIXTURE_TEARDOWN(tcp_check_req)
{
}

static void end_handshakes(struct __test_metadata *_metadata,
			   struct peer *peers, __u8 flags)
{
	int i;

	for (i = 0; i < PEERS; i++)
		EXPECT_EQ(0, peer_send(&peers[i], flags, NULL, 0));

	/* A RST is no answer to a RST. */
	if (flags & TH_SYN)
		EXPECT_EQ(PEERS, peers_reset(peers, PEERS));

	ASSERT_EQ(PEERS, counter_read("EmbryonicRsts"));
}

static void expect_answers(struct __test_metadata *_metadata,
			   struct tun *tun, const char *address, int count)
{
	struct peer peer;
	int i;

	for (i = 0; i < count; i++) {
		peer_init(&peer, tun, address, 20000 + i);
		ASSERT_EQ(0, peer_syn(&peer));
		ASSERT_EQ(0, counter_read("TCPReqQFullDrop"));
		ASSERT_EQ(0, counter_read("TCPReqQFullDoCookies"));
		ASSERT_TRUE(peer_synack(&peer));
	}
}

TEST_F(tcp_check_req, other_listener_answers)
{
	ASSERT_EQ(0, close(self->from));
	end_handshakes(_metadata, self->peers, variant->flags);
	expect_answers(_metadata, &self->tun, variant->local, MORE_PEERS);
}

/* By then the other listener is the one that's charged. */
TEST_F(tcp_check_req, other_listener_answers_after_timer)
{
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	end_handshakes(_metadata, self->peers, variant->flags);
	expect_answers(_metadata, &self->tun, variant->local, MORE_PEERS);
}

/* If it's still charged, its queue is too full for another SYN. */
TEST_F(tcp_check_req, stopped_listener_answers_again)
{
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	end_handshakes(_metadata, self->peers, variant->flags);
	ASSERT_EQ(0, close(self->to));
	ASSERT_EQ(0, listen(self->from, PEERS - 1));
	expect_answers(_metadata, &self->tun, variant->local, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
