// SPDX-License-Identifier: GPL-2.0
/*
 * subflow_syn_recv_sock(): handshakes that were begun with a listener of MPTCP or of
 * TCP, which has stopped, are completed by another one, of either kind.
 *
 *  1. One listener; each peer sends a SYN, with the option MP_CAPABLE or without
 *     it, and has its SYN+ACK.
 *  2. Other listeners join the group, the first one stops.
 *  3. Each peer sends the final ACK, before or after the SYN+ACK is sent again,
 *     and data.
 *  4. Another listener accepts each connection: one of MPTCP if that has begun and
 *     completes it with a peer that speaks it, and of TCP otherwise.
 *
 * For peers who join a connection see mptcp_subflow_reqsk_clone.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/mptcp.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define PEERS	4
#define OTHERS	3

/*
 * Whether a handshake that was begun as one of MPTCP may be completed by a listener of
 * TCP: the peer falls back when what comes then isn't of MPTCP.
 */
#define FALLS_BACK	true

struct scene {
	__u8 keys[PEERS][MPTCP_KEY_LEN];
	struct peer peers[PEERS];
	struct tun tun;
	int from;
};

/* The handshakes with @scene->from, after which the peers are silent. */
static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address, int (*from)(const char *address),
		  int (*syn)(struct peer *peer))
{
	bool mptcp = from == listener_open_mptcp && syn == mptcp_syn;
	struct peer *peer;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = from(address);
	ASSERT_LE(0, scene->from);

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

static int protocol_of(int connection)
{
	socklen_t len = sizeof(int);
	int protocol;

	return getsockopt(connection, SOL_SOCKET, SO_PROTOCOL, &protocol,
			  &len) ? -1 : protocol;
}

/* Which of these has a connection to accept; @count if none has. */
static int find_busy(const int *listeners, int count)
{
	int i;

	for (i = 0; i < count && listener_idle(listeners[i]); i++)
		;

	return i;
}

/*
 * The peer completes its handshake, as one of MPTCP if it has a @key, and one of these
 * serves it.
 */
static void complete(struct __test_metadata *_metadata, struct peer *peer,
		     const __u8 *key, const int *listeners, int count)
{
	int connection, listener, i;

	ASSERT_EQ(0, key ? mptcp_ack(peer, key) : peer_ack(peer));
	ASSERT_TRUE(wait_until(find_busy(listeners, count) < count));
	i = find_busy(listeners, count);
	listener = protocol_of(listeners[i]);
	connection = listener_accept(listeners[i]);
	ASSERT_LE(0, connection);
	EXPECT_EQ(key ? listener : IPPROTO_TCP, protocol_of(connection));

	ASSERT_EQ(0, key ? mptcp_number(peer, key) : peer_number(peer));
	EXPECT_EQ(peer->port, connection_serve(connection));
	EXPECT_TRUE(peer_served(peer));
	close(connection);
}

FIXTURE(subflow_syn_recv_sock) {
	struct scene scene;
	bool mptcp;
	int to;
};

FIXTURE_VARIANT(subflow_syn_recv_sock) {
	const char *address;
	int (*from)(const char *address);
	int (*to)(const char *address);
	int (*syn)(struct peer *peer);
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv4 ## name) {	\
		.address = TUN_IPV4,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(subflow_syn_recv_sock, ipv6 ## name) {	\
		.address = TUN_IPV6,					\
		__VA_ARGS__						\
	}

VARIANTS(, .from = listener_open_mptcp, .to = listener_open_mptcp,
	 .syn = mptcp_syn);
VARIANTS(_tcp_peer, .from = listener_open_mptcp, .to = listener_open_mptcp,
	 .syn = peer_syn);
VARIANTS(_tcp_listener, .from = listener_open, .to = listener_open_mptcp,
	 .syn = mptcp_syn);
VARIANTS(_tcp_listener_and_peer, .from = listener_open,
	 .to = listener_open_mptcp, .syn = peer_syn);
VARIANTS(_tcp_listeners, .from = listener_open, .to = listener_open,
	 .syn = mptcp_syn);

FIXTURE_SETUP(subflow_syn_recv_sock)
{
	begin(_metadata, &self->scene, variant->address, variant->from,
	      variant->syn);
	self->mptcp = variant->from == listener_open_mptcp &&
		      variant->syn == mptcp_syn;
	self->to = variant->to(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, close(self->scene.from));
}

FIXTURE_TEARDOWN(subflow_syn_recv_sock)
{
}

static void complete_all(struct __test_metadata *_metadata,
			 struct scene *scene, bool mptcp, int to)
{
	int i;

	for (i = 0; i < PEERS; i++)
		complete(_metadata, &scene->peers[i],
			 mptcp ? scene->keys[i] : NULL, &to, 1);

	expect_counters(_metadata, PEERS, 0);
}

TEST_F(subflow_syn_recv_sock, before_the_timer)
{
	complete_all(_metadata, &self->scene, self->mptcp, self->to);
}

/* The SYN+ACK that is sent again has the same key. */
TEST_F(subflow_syn_recv_sock, after_the_timer)
{
	struct scene *scene = &self->scene;
	__u8 key[MPTCP_KEY_LEN];
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(self->mptcp, mptcp_synack(&scene->peers[i], key,
						    sizeof(key)));
		if (self->mptcp)
			EXPECT_EQ(0, memcmp(key, scene->keys[i], sizeof(key)));
	}

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	complete_all(_metadata, scene, self->mptcp, self->to);
}

TEST_F(subflow_syn_recv_sock, peer_gives_up)
{
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, counter_read("EmbryonicRsts"));
	EXPECT_TRUE(listener_idle(self->to));
}

/* Begun with a listener of MPTCP; there are others of TCP, and perhaps one of MPTCP. */
FIXTURE(rsk_is_mptcp) {
	struct scene scene;
	int others[OTHERS + 1];
};

FIXTURE_VARIANT(rsk_is_mptcp) {
	const char *address;
	int (*syn)(struct peer *peer);
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv4) {
	.address = TUN_IPV4,
	.syn = mptcp_syn,
};

FIXTURE_VARIANT_ADD(rsk_is_mptcp, ipv6) {
	.address = TUN_IPV6,
	.syn = mptcp_syn,
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
	int i;

	begin(_metadata, &self->scene, variant->address, listener_open_mptcp,
	      variant->syn);
	for (i = 0; i < OTHERS; i++) {
		self->others[i] = listener_open(variant->address);
		ASSERT_LE(0, self->others[i]);
	}
}

FIXTURE_TEARDOWN(rsk_is_mptcp)
{
}

/* Each is served by a listener of TCP, as a connection of TCP, or by nobody. */
static void expect_tcp(struct __test_metadata *_metadata, struct scene *scene,
		       const int *tcp, bool mptcp)
{
	int i;

	for (i = 0; i < PEERS && (!mptcp || FALLS_BACK); i++)
		complete(_metadata, &scene->peers[i],
			 mptcp ? scene->keys[i] : NULL, tcp, OTHERS);

	if (mptcp && !FALLS_BACK)
		EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));

	for (i = 0; i < OTHERS; i++)
		EXPECT_TRUE(listener_idle(tcp[i]));

	if (mptcp && !FALLS_BACK)
		expect_counters(_metadata, 0, PEERS);
	else
		expect_counters(_metadata, PEERS, 0);
}

TEST_F(rsk_is_mptcp, one_of_many)
{
	bool mptcp = variant->syn == mptcp_syn;
	struct scene *scene = &self->scene;
	int *to = &self->others[OTHERS];
	int i;

	*to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, *to);
	ASSERT_EQ(0, close(scene->from));
	for (i = 0; i < PEERS; i++)
		complete(_metadata, &scene->peers[i],
			 mptcp ? scene->keys[i] : NULL,
			 mptcp && !FALLS_BACK ? to : self->others,
			 mptcp && !FALLS_BACK ? 1 : OTHERS + 1);

	expect_counters(_metadata, PEERS, 0);
}

TEST_F(rsk_is_mptcp, none_at_the_final_ack)
{
	ASSERT_EQ(0, close(self->scene.from));
	expect_tcp(_metadata, &self->scene, self->others,
		   variant->syn == mptcp_syn);
}

TEST_F(rsk_is_mptcp, none_at_the_timer)
{
	bool mptcp = variant->syn == mptcp_syn;

	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_TRUE(counter_reaches(mptcp && !FALLS_BACK ? MIGRATE_FAILURE :
				    MIGRATE_SUCCESS, PEERS));
	expect_tcp(_metadata, &self->scene, self->others, mptcp);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
