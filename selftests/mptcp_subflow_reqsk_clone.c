// SPDX-License-Identifier: GPL-2.0
/*
 * mptcp_subflow_reqsk_clone(): a listener of MPTCP stops while peers join
 * connections of MPTCP, with handshakes of their own that it has begun. Such a
 * request has a reference on the connection, and its clone must have another.
 *
 *  1. One listener; it accepts connections of MPTCP.
 *  2. From another port, each peer sends a SYN with the option MP_JOIN, and has
 *     its SYN+ACK, and perhaps another that never arrives, and holds the request.
 *  3. Another listener joins the group, the first one stops.
 *  4. Each peer sends the final ACK, before or after the SYN+ACK is sent again:
 *     its connection has another subflow. Or it gives up, and has none.
 *  5. The connections are reset: what holds a reference lets go of it, and the
 *     kernel complains of one too many.
 *
 * Where the other listener is of TCP, nobody joins.
 */
#include "lib/harness.h"
#include "lib/hold.h"
#include "lib/joins.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define PEERS		4
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
		ASSERT_EQ(0, connection_open(connection, scene->from));
		ASSERT_EQ(0, joined(connection));

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

/* Nobody has been given a join to accept. */
FIXTURE_TEARDOWN(mptcp_subflow_reqsk_clone)
{
	int i;

	peers_release();
	EXPECT_TRUE(listener_idle(self->scene.to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
	for (i = 0; i < PEERS; i++)
		EXPECT_EQ(0, connection_reset(&self->scene.connections[i]));
}

static void complete_all(struct __test_metadata *_metadata,
			 struct connection *connections)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, join_complete(&connections[i]));
		/* A worker has it join if the connection is busy. */
		EXPECT_TRUE(wait_until(joined(&connections[i]) == 1));
	}
}

TEST_F(mptcp_subflow_reqsk_clone, joins_before_the_timer)
{
	complete_all(_metadata, self->scene.connections);
}

static void complete_after_timers(struct __test_metadata *_metadata,
				  struct connection *connections)
{
	int i;

	for (i = 0; i < PEERS; i++)
		ASSERT_TRUE(join_answered(&connections[i]));

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	complete_all(_metadata, connections);
}

TEST_F(mptcp_subflow_reqsk_clone, joins_after_the_timer)
{
	complete_after_timers(_metadata, self->scene.connections);
}

TEST_F(mptcp_subflow_reqsk_clone, joins_after_the_timer_of_what_is_held)
{
	struct connection *connections = self->scene.connections;
	int i;

	for (i = 0; i < PEERS; i++)
		ASSERT_EQ(1, peers_hold(&connections[i].joining, 1));

	complete_after_timers(_metadata, connections);
}

TEST_F(mptcp_subflow_reqsk_clone, gives_up)
{
	struct connection *connection;
	int i;

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	for (i = 0; i < PEERS; i++) {
		connection = &self->scene.connections[i];
		ASSERT_EQ(0, peer_send(&connection->joining, TH_RST, NULL, 0));
		EXPECT_EQ(0, joined(connection));
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
		EXPECT_EQ(0, joined(&self->scene.connections[i]));
		EXPECT_EQ(0, connection_reset(&self->scene.connections[i]));
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
