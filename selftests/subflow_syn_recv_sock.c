// SPDX-License-Identifier: GPL-2.0
/*
 * subflow_syn_recv_sock(): a listener of MPTCP completes handshakes that were
 * begun with another one, of MPTCP or of TCP, which has stopped. A listener of
 * TCP can't complete what one of MPTCP has begun, not even with a peer of TCP.
 *
 *  1. One listener; each peer sends a SYN, with the option MP_CAPABLE or without
 *     it, and has its SYN+ACK.
 *  2. Other listeners join the group, the first one stops.
 *  3. Each peer sends the final ACK, before or after the SYN+ACK is sent again,
 *     and data.
 *  4. A listener of MPTCP accepts each connection: of MPTCP if the SYN+ACK had
 *     the option, and of TCP if it didn't.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/mptcp.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS	4
#define OTHERS	3

struct scene {
	__u8 keys[PEERS][MPTCP_KEY_LEN];
	struct peer peers[PEERS];
	struct tun tun;
	int from;
};

FIXTURE(subflow_syn_recv_sock) {
	struct scene scene;
	int to;
};

FIXTURE_VARIANT(subflow_syn_recv_sock) {
	const char *address;
	int (*from)(const char *address);
	int (*syn)(struct peer *peer);
	bool mptcp;
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv4) {
	.address = TUN_IPV4,
	.from = listener_open_mptcp,
	.syn = mptcp_syn,
	.mptcp = true,
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv6) {
	.address = TUN_IPV6,
	.from = listener_open_mptcp,
	.syn = mptcp_syn,
	.mptcp = true,
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv4_tcp_peer) {
	.address = TUN_IPV4,
	.from = listener_open_mptcp,
	.syn = peer_syn,
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv6_tcp_peer) {
	.address = TUN_IPV6,
	.from = listener_open_mptcp,
	.syn = peer_syn,
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv4_tcp_listener) {
	.address = TUN_IPV4,
	.from = listener_open,
	.syn = mptcp_syn,
};

FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv6_tcp_listener) {
	.address = TUN_IPV6,
	.from = listener_open,
	.syn = mptcp_syn,
};

/* The handshakes with @scene->from, after which the peers are silent. */
static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address, int (*syn)(struct peer *peer),
		  bool mptcp)
{
	struct peer *peer;
	int i;

	for (i = 0; i < PEERS; i++) {
		peer = &scene->peers[i];
		peer_init(peer, &scene->tun, address, FIRST_PORT + i);
		ASSERT_EQ(0, syn(peer));
		ASSERT_EQ(mptcp, mptcp_synack(peer, scene->keys[i],
					      MPTCP_KEY_LEN));
		ASSERT_NE(0U, peer->ack);
		peer->tcp.len = 0;
	}
}

FIXTURE_SETUP(subflow_syn_recv_sock)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = variant->from(variant->address);
	ASSERT_LE(0, scene->from);
	begin(_metadata, scene, variant->address, variant->syn, variant->mptcp);

	self->to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, close(scene->from));
}

FIXTURE_TEARDOWN(subflow_syn_recv_sock)
{
}

static int protocol_of(int connection)
{
	socklen_t len = sizeof(int);
	int protocol;

	return getsockopt(connection, SOL_SOCKET, SO_PROTOCOL, &protocol,
			  &len) ? -1 : protocol;
}

static void complete(struct __test_metadata *_metadata, struct peer *peer,
		     const __u8 *key, bool mptcp, int listener)
{
	int connection;

	ASSERT_EQ(0, mptcp ? mptcp_ack(peer, key) : peer_ack(peer));
	connection = listener_accept(listener);
	ASSERT_LE(0, connection);
	EXPECT_EQ(mptcp ? IPPROTO_MPTCP : IPPROTO_TCP, protocol_of(connection));

	ASSERT_EQ(0, mptcp ? mptcp_number(peer, key) : peer_number(peer));
	EXPECT_EQ(peer->port, connection_serve(connection));
	EXPECT_TRUE(peer_served(peer));
	close(connection);
}

TEST_F(subflow_syn_recv_sock, before_the_timer)
{
	struct scene *scene = &self->scene;
	int i;

	for (i = 0; i < PEERS; i++) {
		complete(_metadata, &scene->peers[i], scene->keys[i],
			 variant->mptcp, self->to);
	}

	expect_counters(_metadata, PEERS, 0);
}

/* The SYN+ACK that is sent again has the same key. */
TEST_F(subflow_syn_recv_sock, after_the_timer)
{
	struct scene *scene = &self->scene;
	__u8 key[MPTCP_KEY_LEN];
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(variant->mptcp, mptcp_synack(&scene->peers[i], key,
						       sizeof(key)));
		if (variant->mptcp)
			EXPECT_EQ(0, memcmp(key, scene->keys[i], sizeof(key)));
	}

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	for (i = 0; i < PEERS; i++) {
		complete(_metadata, &scene->peers[i], scene->keys[i],
			 variant->mptcp, self->to);
	}

	expect_counters(_metadata, PEERS, 0);
}

TEST_F(subflow_syn_recv_sock, peer_gives_up)
{
	struct scene *scene = &self->scene;
	int i;

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(0, peer_send(&scene->peers[i], TH_RST, NULL, 0));

	EXPECT_EQ(PEERS, counter_read("EmbryonicRsts"));
	EXPECT_TRUE(listener_idle(self->to));
}

FIXTURE(rsk_is_mptcp) {
	struct scene scene;
	int tcp[OTHERS];
};

FIXTURE_VARIANT(rsk_is_mptcp) {
	const char *address;
	int (*syn)(struct peer *peer);
	bool mptcp;
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv4) {
	.address = TUN_IPV4,
	.syn = mptcp_syn,
	.mptcp = true,
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv6) {
	.address = TUN_IPV6,
	.syn = mptcp_syn,
	.mptcp = true,
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv4_tcp_peer) {
	.address = TUN_IPV4,
	.syn = peer_syn,
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv6_tcp_peer) {
	.address = TUN_IPV6,
	.syn = peer_syn,
};

FIXTURE_SETUP(rsk_is_mptcp)
{
	struct scene *scene = &self->scene;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = listener_open_mptcp(variant->address);
	ASSERT_LE(0, scene->from);
	begin(_metadata, scene, variant->address, variant->syn, variant->mptcp);

	for (i = 0; i < OTHERS; i++) {
		self->tcp[i] = listener_open(variant->address);
		ASSERT_LE(0, self->tcp[i]);
	}
}

FIXTURE_TEARDOWN(rsk_is_mptcp)
{
}

static void expect_idle(struct __test_metadata *_metadata, const int *tcp)
{
	int i;

	for (i = 0; i < OTHERS; i++)
		EXPECT_TRUE(listener_idle(tcp[i]));
}

TEST_F(rsk_is_mptcp, one_of_many)
{
	struct scene *scene = &self->scene;
	int to, i;

	to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(scene->from));
	for (i = 0; i < PEERS; i++) {
		complete(_metadata, &scene->peers[i], scene->keys[i],
			 variant->mptcp, to);
	}

	expect_idle(_metadata, self->tcp);
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(rsk_is_mptcp, none_at_the_final_ack)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, close(scene->from));
	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	expect_idle(_metadata, self->tcp);
	expect_counters(_metadata, 0, PEERS);
}

TEST_F(rsk_is_mptcp, none_at_the_timer)
{
	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
	expect_idle(_metadata, self->tcp);
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
