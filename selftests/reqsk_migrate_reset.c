// SPDX-License-Identifier: GPL-2.0
/*
 * reqsk_migrate_reset(): what a request owns, the saved SYN and the IP options,
 * goes where the connection goes, and is freed with it and not twice.
 *
 *  1. One listener, which saves SYNs; each peer sends a SYN with an IP option
 *     that tells it from the others.
 *  2. Another listener joins the group. The first one stops: with the
 *     connections in its accept queue, or during their handshakes, which are
 *     completed before or after the SYN+ACK was sent again, by a clone if another
 *     SYN+ACK that is on its way holds the request.
 *  3. The other listener accepts each connection with the peer's own SYN and
 *     option; or the peer gives up; or that listener stops as well.
 */
#include <netinet/ip.h>

#include "lib/harness.h"
#include "lib/hold.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS		4

/* For experiments (RFC 4727); who doesn't know it skips it. */
#define HOPOPT_EXP	0x1e

enum when {
	IN_QUEUE,
	BEFORE_ACK,
	BEFORE_TIMER,
	HELD_BEFORE_TIMER,
};

FIXTURE(reqsk_migrate_reset) {
	struct peer peers[PEERS];
	struct tun tun;
	int to;
};

FIXTURE_VARIANT(reqsk_migrate_reset) {
	const char *address;
	enum when when;
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv4_in_queue) {
	.address = TUN_IPV4,
	.when = IN_QUEUE,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv4_before_ack) {
	.address = TUN_IPV4,
	.when = BEFORE_ACK,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv4_before_timer) {
	.address = TUN_IPV4,
	.when = BEFORE_TIMER,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv4_held_before_timer) {
	.address = TUN_IPV4,
	.when = HELD_BEFORE_TIMER,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv6_in_queue) {
	.address = TUN_IPV6,
	.when = IN_QUEUE,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv6_before_ack) {
	.address = TUN_IPV6,
	.when = BEFORE_ACK,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv6_before_timer) {
	.address = TUN_IPV6,
	.when = BEFORE_TIMER,
};

FIXTURE_VARIANT_ADD(reqsk_migrate_reset, ipv6_held_before_timer) {
	.address = TUN_IPV6,
	.when = HELD_BEFORE_TIMER,
};

/* An address that a router has recorded, or what only we understand. */
static void options_fill(struct peer *peer)
{
	const __u8 record_route[] = {
		IPOPT_RR, 11, 8, 10, 0, peer->port >> 8, peer->port,
		0, 0, 0, 0, IPOPT_EOL,
	};
	const __u8 hop_by_hop[] = {
		IPPROTO_TCP, 0, HOPOPT_EXP, 4,
		10, 0, peer->port >> 8, peer->port,
	};

	if (peer->family == AF_INET) {
		peer->ip.len = sizeof(record_route);
		memcpy(peer->ip.data, record_route, sizeof(record_route));
	} else {
		peer->ip.len = sizeof(hop_by_hop);
		memcpy(peer->ip.data, hop_by_hop, sizeof(hop_by_hop));
	}
}

static int open_listener(const char *address)
{
	int fd, one = 1;

	fd = listener_open(address);
	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, &one,
				 sizeof(one)))
		return -1;

	if (strchr(address, ':') && setsockopt(fd, IPPROTO_IPV6,
					       IPV6_RECVHOPOPTS, &one,
					       sizeof(one)))
		return -1;

	return fd;
}

/* The peers' SYN only has the options. */
static int peers_syn(struct peer *peers, struct tun *tun, const char *address)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		peer_init(&peers[i], tun, address, FIRST_PORT + i);
		options_fill(&peers[i]);
		if (peer_syn(&peers[i]) || !peer_synack(&peers[i]))
			break;
		peers[i].ip.len = 0;
	}

	return i;
}

FIXTURE_SETUP(reqsk_migrate_reset)
{
	int from;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));

	from = open_listener(variant->address);
	ASSERT_LE(0, from);
	ASSERT_EQ(PEERS, peers_syn(self->peers, &self->tun, variant->address));
	if (variant->when == IN_QUEUE)
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	self->to = open_listener(variant->address);
	ASSERT_LE(0, self->to);
	if (variant->when == HELD_BEFORE_TIMER)
		ASSERT_EQ(PEERS, peers_hold(self->peers, PEERS));
	ASSERT_EQ(0, close(from));
	if (variant->when >= BEFORE_TIMER) {
		ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
		ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	}
}

FIXTURE_TEARDOWN(reqsk_migrate_reset)
{
	peers_release();
}

/* The kernel echoes the route, and adds its own address. */
static bool has_own_route(int fd, const __u8 *own)
{
	__u8 options[40] = {};
	socklen_t len = sizeof(options);

	return !getsockopt(fd, IPPROTO_IP, IP_OPTIONS, options, &len) &&
	       options[IPOPT_OPTVAL] == IPOPT_RR && !memcmp(options + 3, own, 4);
}

static bool has_own_hopopt(int fd, const __u8 *own)
{
	char control[256];
	socklen_t len = sizeof(control);
	struct msghdr msg = { .msg_control = control };
	struct cmsghdr *cmsg;

	if (getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &len))
		return false;

	msg.msg_controllen = len;
	for (cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
		if (cmsg->cmsg_level == IPPROTO_IPV6 &&
		    cmsg->cmsg_type == IPV6_HOPOPTS)
			return !memcmp(CMSG_DATA(cmsg) + 4, own, 4);
	}

	return false;
}

static bool has_own_options(int fd, const struct peer *peer)
{
	const __u8 own[] = { 10, 0, peer->port >> 8, peer->port };

	return peer->family == AF_INET ? has_own_route(fd, own) :
					 has_own_hopopt(fd, own);
}

static bool has_own_syn(int fd, const struct peer *peer)
{
	const __u8 own[] = { peer->port >> 8, peer->port };
	size_t ip_len = peer->family == AF_INET ? 20 + 12 : 40 + 8;
	__u8 syn[256];
	socklen_t len = sizeof(syn);

	return !getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len) &&
	       len == ip_len + 24 && !memcmp(syn + ip_len, own, sizeof(own));
}

/* Who has read it has it. */
static bool has_no_syn(int fd)
{
	socklen_t len = 1;
	__u8 byte;

	return !getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, &byte, &len) && !len;
}

TEST_F(reqsk_migrate_reset, arrives)
{
	int connection, i;

	if (variant->when != IN_QUEUE)
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(self->to);
		ASSERT_LE(0, connection);
		EXPECT_TRUE(has_own_options(connection, &self->peers[i]));
		EXPECT_TRUE(has_own_syn(connection, &self->peers[i]));
		EXPECT_TRUE(has_no_syn(connection));

		ASSERT_EQ(0, peer_number(&self->peers[i]));
		ASSERT_EQ(self->peers[i].port, connection_serve(connection));
		EXPECT_TRUE(peer_served(&self->peers[i]));
		close(connection);
	}

	expect_counters(_metadata, PEERS, 0);
}

/* During the handshake, or when it's complete and before it is accepted. */
TEST_F(reqsk_migrate_reset, peer_gives_up)
{
	int i;

	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(0, peer_send(&self->peers[i], TH_RST, NULL, 0));

	EXPECT_EQ(variant->when == IN_QUEUE ? 0 : PEERS,
		  counter_read("EmbryonicRsts"));
	EXPECT_EQ(variant->when != IN_QUEUE, listener_idle(self->to));
	EXPECT_EQ(0, close(self->to));
}

TEST_F(reqsk_migrate_reset, nobody_is_left)
{
	ASSERT_EQ(0, close(self->to));
	EXPECT_EQ(PEERS, variant->when == IN_QUEUE ?
			 peers_reset(self->peers, PEERS) :
			 peers_refused(self->peers, PEERS));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_FAILURE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
