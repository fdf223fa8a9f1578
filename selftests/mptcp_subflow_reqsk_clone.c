// SPDX-License-Identifier: GPL-2.0
/*
 * mptcp_subflow_reqsk_clone(): a listener of MPTCP stops while peers join
 * connections of MPTCP, with handshakes of their own that it has begun. Such a
 * request has a reference on the connection, and its clone must have another.
 *
 *  1. One listener; it accepts connections of MPTCP.
 *  2. From another port, each peer sends a SYN with the option MP_JOIN, and has
 *     its SYN+ACK.
 *  3. Another listener joins the group, the first one stops.
 *  4. Each peer sends the final ACK, before or after the SYN+ACK is sent again:
 *     its connection has another subflow. Or it gives up, and has none.
 *  5. The connections are reset: what holds a reference lets go of it, and the
 *     kernel complains of one too many.
 *
 * Where the other listener is of TCP, nobody joins.
 */
#include <linux/mptcp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/mptcp.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define PEERS		4
#define NONCE		"once"
#define NONCE_LEN	4
#define TOKEN_LEN	4

/* Of an HMAC, what a SYN+ACK and an ACK have. */
#define SYNACK_HMAC_LEN	8
#define ACK_HMAC_LEN	20

#define JOIN		{ MPTCP_KIND, 0, 0x10, 0 }

struct join_syn {
	__u8 header[MPTCP_HEADER_LEN];
	__u8 token[TOKEN_LEN];
	__u8 nonce[NONCE_LEN];
};

struct join_synack {
	__u8 hmac[SYNACK_HMAC_LEN];
	__u8 nonce[NONCE_LEN];
};

struct join_ack {
	__u8 header[MPTCP_HEADER_LEN];
	__u8 hmac[ACK_HMAC_LEN];
};

struct connection {
	struct peer peer;
	struct peer joining;
	__u8 key[MPTCP_KEY_LEN];
	__u8 nonce[NONCE_LEN];
	int fd;
};

struct scene {
	struct connection connections[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE(mptcp_subflow_reqsk_clone) {
	struct scene scene;
};

FIXTURE_VARIANT(mptcp_subflow_reqsk_clone) {
	const char *address;
};

ADDRESS_VARIANTS(mptcp_subflow_reqsk_clone, TUN_IPV4, TUN_IPV6);

static void open_connection(struct __test_metadata *_metadata,
			    struct connection *self, int listener)
{
	ASSERT_EQ(0, mptcp_syn(&self->peer));
	ASSERT_TRUE(mptcp_synack(&self->peer, self->key, sizeof(self->key)));
	ASSERT_EQ(0, mptcp_ack(&self->peer, self->key));
	ASSERT_EQ(0, mptcp_number(&self->peer, self->key));
	self->fd = listener_accept(listener);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(self->peer.port, connection_serve(self->fd));
	ASSERT_TRUE(peer_served(&self->peer));
}

/* The connection is named by the beginning of its key's hash. */
static int join(struct connection *self)
{
	struct join_syn syn = { .header = JOIN };
	__u8 hash[SHA256_DIGEST_LENGTH];

	SHA256(self->key, sizeof(self->key), hash);
	memcpy(syn.token, hash, TOKEN_LEN);
	memcpy(syn.nonce, NONCE, NONCE_LEN);
	mptcp_option(&self->joining, &syn, sizeof(syn));
	return peer_syn(&self->joining);
}

static bool join_answered(struct connection *self)
{
	struct join_synack synack;

	if (!mptcp_synack(&self->joining, &synack, sizeof(synack)))
		return false;

	memcpy(self->nonce, synack.nonce, NONCE_LEN);
	return true;
}

static int join_complete(struct connection *self)
{
	__u8 key[2 * MPTCP_KEY_LEN], nonces[2 * NONCE_LEN];
	struct join_ack ack = { .header = JOIN };
	__u8 hmac[SHA256_DIGEST_LENGTH];

	memcpy(key, MPTCP_PEER_KEY, MPTCP_KEY_LEN);
	memcpy(key + MPTCP_KEY_LEN, self->key, MPTCP_KEY_LEN);
	memcpy(nonces, NONCE, NONCE_LEN);
	memcpy(nonces + NONCE_LEN, self->nonce, NONCE_LEN);
	HMAC(EVP_sha256(), key, sizeof(key), nonces, sizeof(nonces), hmac, NULL);
	memcpy(ack.hmac, hmac, ACK_HMAC_LEN);
	mptcp_option(&self->joining, &ack, sizeof(ack));
	return peer_ack(&self->joining);
}

static int subflows_of(int connection)
{
	struct mptcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(connection, SOL_MPTCP, MPTCP_INFO, &info, &len))
		return -1;

	return info.mptcpi_subflows;
}

/* Ends with peers who join, and are about to complete their handshakes. */
static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address)
{
	struct connection *connection;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = listener_open_mptcp(address);
	ASSERT_LE(0, scene->from);

	for (i = 0; i < PEERS; i++) {
		connection = &scene->connections[i];
		peer_init(&connection->peer, &scene->tun, address,
			  FIRST_PORT + i);
		open_connection(_metadata, connection, scene->from);
		ASSERT_EQ(0, subflows_of(connection->fd));

		peer_init(&connection->joining, &scene->tun, address,
			  20000 + i);
		ASSERT_EQ(0, join(connection));
		ASSERT_TRUE(join_answered(connection));
	}
}

FIXTURE_SETUP(mptcp_subflow_reqsk_clone)
{
	struct scene *scene = &self->scene;

	begin(_metadata, scene, variant->address);
	scene->to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, close(scene->from));
}

static int reset(int connection)
{
	const struct linger at_once = { .l_onoff = 1 };

	return setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once,
			  sizeof(at_once)) || close(connection) ? -1 : 0;
}

/* Nobody has been given a join to accept. */
FIXTURE_TEARDOWN(mptcp_subflow_reqsk_clone)
{
	int i;

	EXPECT_TRUE(listener_idle(self->scene.to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
	for (i = 0; i < PEERS; i++)
		EXPECT_EQ(0, reset(self->scene.connections[i].fd));
}

static void complete_all(struct __test_metadata *_metadata,
			 struct connection *connections)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, join_complete(&connections[i]));
		/* A worker has it join if the connection is busy. */
		EXPECT_TRUE(wait_until(subflows_of(connections[i].fd) == 1));
	}
}

TEST_F(mptcp_subflow_reqsk_clone, joins_before_the_timer)
{
	complete_all(_metadata, self->scene.connections);
}

TEST_F(mptcp_subflow_reqsk_clone, joins_after_the_timer)
{
	int i;

	for (i = 0; i < PEERS; i++)
		ASSERT_TRUE(join_answered(&self->scene.connections[i]));

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	complete_all(_metadata, self->scene.connections);
}

TEST_F(mptcp_subflow_reqsk_clone, gives_up)
{
	struct connection *connection;
	int i;

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	for (i = 0; i < PEERS; i++) {
		connection = &self->scene.connections[i];
		ASSERT_EQ(0, peer_send(&connection->joining, TH_RST, NULL, 0));
		EXPECT_EQ(0, subflows_of(connection->fd));
	}

	EXPECT_EQ(PEERS, counter_read("EmbryonicRsts"));
}

/* A listener of TCP has no connection that they could join. */
FIXTURE(to_tcp) {
	struct scene scene;
};

FIXTURE_VARIANT(to_tcp) {
	const char *address;
};

ADDRESS_VARIANTS(to_tcp, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(to_tcp)
{
	struct scene *scene = &self->scene;

	begin(_metadata, scene, variant->address);
	scene->to = listener_open(variant->address);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, close(scene->from));
}

FIXTURE_TEARDOWN(to_tcp)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		EXPECT_EQ(0, subflows_of(self->scene.connections[i].fd));
		EXPECT_EQ(0, reset(self->scene.connections[i].fd));
	}

	EXPECT_TRUE(listener_idle(self->scene.to));
	expect_counters(_metadata, 0, PEERS);
}

TEST_F(to_tcp, refused_at_the_final_ack)
{
	struct connection *connection;
	int i;

	for (i = 0; i < PEERS; i++) {
		connection = &self->scene.connections[i];
		ASSERT_EQ(0, join_complete(connection));
		EXPECT_TRUE(peer_reset(&connection->joining));
	}
}

TEST_F(to_tcp, refused_at_the_timer)
{
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
