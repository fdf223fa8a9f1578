// SPDX-License-Identifier: GPL-2.0
/*
 * __mptcp_close(): a listener of MPTCP is orphaned together with its subflow, which is
 * what SYNs find; and it may be the successor of one of TCP, or the other way round.
 *
 *  1. A listener; clients connect to it, or are about to.
 *  2. It's closed. Others connect, or join a connection that has been accepted before.
 *  3. Another one accepts each connection, with what the client had sent. One that is of
 *     MPTCP needs a listener of MPTCP; without, the client is reset.
 *  4. Or nobody comes: all is reset, and nothing is left on the port.
 */
#include <errno.h>
#include <linux/mptcp.h>

#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/joins.h"
#include "lib/listeners.h"
#include "lib/mptcp_events.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/patience.h"

#define CLIENTS	4
#define HALF	(CLIENTS / 2)

FIXTURE(__mptcp_close) {
	struct server server, successor;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(__mptcp_close) {
	struct server server;
	int successor;		/* its protocol */
	int (*connect)(const char *address, int number);
	bool lost;
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	SERVER_VARIANTS(__mptcp_close, ipv4 ## name,			\
			.server.address = "127.0.0.1", __VA_ARGS__);	\
	SERVER_VARIANTS(__mptcp_close, ipv6 ## name,			\
			.server.address = "::1", __VA_ARGS__)

VARIANTS(, .server.protocol = IPPROTO_MPTCP, .successor = IPPROTO_MPTCP,
	 .connect = client_connect);
VARIANTS(_of_mptcp, .server.protocol = IPPROTO_MPTCP,
	 .successor = IPPROTO_MPTCP, .connect = client_connect_mptcp);
VARIANTS(_to_tcp, .server.protocol = IPPROTO_MPTCP, .successor = IPPROTO_TCP,
	 .connect = client_connect);
VARIANTS(_of_mptcp_to_tcp, .server.protocol = IPPROTO_MPTCP,
	 .successor = IPPROTO_TCP, .connect = client_connect_mptcp,
	 .lost = true);
VARIANTS(_from_tcp, .server.protocol = IPPROTO_TCP,
	 .successor = IPPROTO_MPTCP, .connect = client_connect);
VARIANTS(_from_tcp_met_by_mptcp, .server.protocol = IPPROTO_TCP,
	 .successor = IPPROTO_MPTCP, .connect = client_connect_mptcp);

static void clients_come(struct __test_metadata *_metadata, int *clients,
			 int first, const char *address,
			 int (*connect)(const char *address, int number))
{
	int i;

	for (i = first; i < first + HALF; i++) {
		clients[i] = connect(address, i);
		ASSERT_LE(0, clients[i]);
	}
}

FIXTURE_SETUP(__mptcp_close)
{
	const char *address = variant->server.address;
	int fd;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = variant->server;
	self->successor = variant->server;
	self->successor.protocol = variant->successor;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	clients_come(_metadata, self->clients, 0, address, variant->connect);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	clients_come(_metadata, self->clients, HALF, address, variant->connect);
}

FIXTURE_TEARDOWN(__mptcp_close)
{
}

TEST_F(__mptcp_close, succeeded)
{
	int to;

	to = server_listen(&self->successor);
	ASSERT_LE(0, to);
	if (variant->lost) {
		EXPECT_TRUE(outcome_reaches("grace", "incompatible", CLIENTS));
		EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
		EXPECT_TRUE(listener_idle(to));
	} else {
		EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
		EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
		EXPECT_TRUE(outcome_reaches("grace", "migrated", CLIENTS));
	}
	EXPECT_TRUE(orphans_become(0));
}

TEST_F(__mptcp_close, given_up)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_GRACE_MS, "0"));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_EQ(-1, variant->connect(self->server.address, 0));
	EXPECT_EQ(ECONNREFUSED, errno);

	self->successor.option = 0;
	EXPECT_LE(0, server_listen(&self->successor));
}

/* Handshakes with a listener of MPTCP, of which not all are complete in the gap. */
FIXTURE(subflow_syn_recv_sock) {
	struct server server;
	struct peer peers[CLIENTS];
	__u8 keys[CLIENTS][MPTCP_KEY_LEN];
	struct tun tun;
};

FIXTURE_VARIANT(subflow_syn_recv_sock) {
	struct server server;
};

SERVER_VARIANTS(subflow_syn_recv_sock, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(subflow_syn_recv_sock, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(subflow_syn_recv_sock)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = variant->server;
	self->server.protocol = IPPROTO_MPTCP;
}

FIXTURE_TEARDOWN(subflow_syn_recv_sock)
{
}

static void peer_completes(struct __test_metadata *_metadata, struct peer *peer,
			   const __u8 *key)
{
	ASSERT_EQ(0, mptcp_ack(peer, key));
	ASSERT_EQ(0, mptcp_number(peer, key));
}

TEST_F(subflow_syn_recv_sock, half_open)
{
	struct peer *peers = self->peers;
	int fd, i;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	for (i = 0; i < CLIENTS; i++) {
		peer_init(&peers[i], &self->tun, self->server.address,
			  FIRST_PORT + i);
		ASSERT_EQ(0, mptcp_syn(&peers[i]));
		ASSERT_TRUE(mptcp_synack(&peers[i], self->keys[i],
					 MPTCP_KEY_LEN));
	}

	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	for (i = 0; i < HALF; i++)
		peer_completes(_metadata, &peers[i], self->keys[i]);

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(orphans_become(0));
	for (; i < CLIENTS; i++)
		peer_completes(_metadata, &peers[i], self->keys[i]);

	EXPECT_EQ(CLIENTS, peers_serve(peers, CLIENTS, fd));
}

/*
 * Path managers are told that it's closed when it is, as without a grace, and not when it
 * ends: they know it by its address and port, which its successor has as well.
 */
TEST_F(subflow_syn_recv_sock, path_managers)
{
	int events, fd;

	events = mptcp_events_open();
	ASSERT_LE(0, events);
	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MPTCP_EVENT_LISTENER_CREATED, mptcp_events_next(events));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	EXPECT_EQ(MPTCP_EVENT_LISTENER_CLOSED, mptcp_events_next(events));

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MPTCP_EVENT_LISTENER_CREATED, mptcp_events_next(events));
	ASSERT_TRUE(orphans_become(0));
	EXPECT_EQ(0, mptcp_events_next(events));

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_GRACE_MS, "0"));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(MPTCP_EVENT_LISTENER_CLOSED, mptcp_events_next(events));
}

/* It's no listener any more when it's closed. */
TEST_F(subflow_syn_recv_sock, shut_down)
{
	int fd;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, shutdown(fd, SHUT_RDWR));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, orphans_count());
}

/* MPTCP doesn't let its listeners be destroyed (ss -K), orphaned or not. */
TEST_F(subflow_syn_recv_sock, destroyed)
{
	struct peer *peer = self->peers;
	int fd;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	peer_init(peer, &self->tun, self->server.address, FIRST_PORT);
	EXPECT_EQ(EINVAL, diag_destroy(peer, 0));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	EXPECT_EQ(EINVAL, diag_destroy(peer, 0));
	EXPECT_EQ(1, orphans_count());
}

/* Connections that have been accepted, and live on. */
FIXTURE(join) {
	struct server server;
	struct connection connections[CLIENTS];
	struct tun tun;
	int from;
};

FIXTURE_VARIANT(join) {
	struct server server;
};

SERVER_VARIANTS(join, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(join, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(join)
{
	struct connection *connection;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = variant->server;
	self->server.protocol = IPPROTO_MPTCP;
	self->from = server_listen(&self->server);
	ASSERT_LE(0, self->from);
	for (i = 0; i < CLIENTS; i++) {
		connection = &self->connections[i];
		peer_init(&connection->peer, &self->tun, self->server.address,
			  FIRST_PORT + i);
		peer_init(&connection->joining, &self->tun,
			  self->server.address, 20000 + i);
		ASSERT_EQ(0, connection_open(connection, self->from));
	}
}

FIXTURE_TEARDOWN(join)
{
	int i;

	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(0, connection_reset(&self->connections[i]));
}

static void joins_begin(struct __test_metadata *_metadata,
			struct connection *connections, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, join(&connections[i]));
		ASSERT_TRUE(join_answered(&connections[i]));
	}
}

static void joins_complete(struct __test_metadata *_metadata,
			   struct connection *connections, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		ASSERT_EQ(0, join_complete(&connections[i]));
		EXPECT_TRUE(wait_until(joined(&connections[i]) == 1));
	}
}

TEST_F(join, in_the_gap)
{
	joins_begin(_metadata, self->connections, HALF);
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(1, orphans_count());
	joins_begin(_metadata, self->connections + HALF, HALF);
	joins_complete(_metadata, self->connections, CLIENTS);
}

TEST_F(join, after_the_gap)
{
	int to;

	joins_begin(_metadata, self->connections, HALF);
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(1, orphans_count());
	joins_begin(_metadata, self->connections + HALF, HALF);
	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	ASSERT_TRUE(orphans_become(0));
	joins_complete(_metadata, self->connections, CLIENTS);
	EXPECT_TRUE(listener_idle(to));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
