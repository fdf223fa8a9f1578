// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_conn_request(): an orphaned listener answers SYNs, and completes handshakes, as a
 * server would that accepts nothing.
 *
 *  1. A server, and peers in their handshakes.
 *  2. It's killed. Their final ACKs come, and other SYNs.
 *  3. Another server listens. It accepts each connection, and the peer has its answer.
 *  4. Or there's no grace, or no more: all of them are answered with a RST.
 */
#include "lib/adoption.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS		8
#define HALF		(PEERS / 2)

#define SHORT_GRACE_MS	"200"

FIXTURE(tcp_conn_request) {
	struct server server;
	struct peer peers[PEERS];
	struct tun tun;
	pid_t process;
};

FIXTURE_VARIANT(tcp_conn_request) {
	struct server server;
};

SERVER_VARIANTS(tcp_conn_request, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(tcp_conn_request, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(tcp_conn_request)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = variant->server;
	self->server.backlog = PEERS;
	self->process = server_start(&self->server);
	ASSERT_LT(0, self->process);
}

FIXTURE_TEARDOWN(tcp_conn_request)
{
}

static void succeed(struct __test_metadata *_metadata, struct peer *peers,
		    const struct server *server)
{
	int to = server_listen(server);

	ASSERT_LE(0, to);
	EXPECT_EQ(PEERS, peers_serve(peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
}

/* None sends its SYN twice. */
TEST_F(tcp_conn_request, answers_syns_at_once)
{
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	ASSERT_TRUE(orphan_queues(PEERS));
	succeed(_metadata, self->peers, &self->server);
	expect_adopted(_metadata, PEERS);
}

/* The peers send nothing until the server has spoken. */
TEST_F(tcp_conn_request, completes_handshakes)
{
	int connection, number, to, i;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_TRUE(orphan_queues(PEERS));

	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(to);
		ASSERT_LE(0, connection);
		number = self->peers[i].port;
		ASSERT_LT(0, write(connection, &number, sizeof(number)));
		EXPECT_TRUE(peer_served(&self->peers[i]));
	}
	expect_adopted(_metadata, PEERS);
}

TEST_F(tcp_conn_request, sends_synacks_again)
{
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	ASSERT_TRUE(orphan_queues(PEERS));
	succeed(_metadata, self->peers, &self->server);
	expect_adopted(_metadata, PEERS);
}

/* A SYN that finds the queue full is dropped, and comes again. */
TEST_F(tcp_conn_request, keeps_to_the_backlog)
{
	struct peer last, late;
	int to;

	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_TRUE(orphan_queues(PEERS));
	ASSERT_TRUE(peer_begin(&last, &self->tun, self->server.address,
			       FIRST_PORT + PEERS));
	ASSERT_EQ(0, peer_ack(&last));
	ASSERT_TRUE(orphan_queues(PEERS + 1));
	ASSERT_EQ(0, counter_read("ListenOverflows"));
	peer_init(&late, &self->tun, self->server.address,
		  FIRST_PORT + PEERS + 1);
	ASSERT_EQ(0, peer_syn(&late));
	ASSERT_TRUE(counter_reaches("ListenOverflows", 1));

	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	ASSERT_EQ(0, peer_number(&last));
	ASSERT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	ASSERT_EQ(1, peers_serve(&last, 1, to));
	ASSERT_TRUE(peer_begin(&late, &self->tun, self->server.address,
			       late.port));
	EXPECT_EQ(1, peers_complete(&late, 1, to));
	expect_adopted(_metadata, PEERS + 1);
}

/* Those that were sent before the server was killed, and those after that. */
TEST_F(tcp_conn_request, accepts_cookies)
{
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	ASSERT_EQ(HALF, peers_begin(self->peers, HALF, &self->tun,
				    self->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	ASSERT_TRUE(orphan_queues(HALF));

	ASSERT_TRUE(peer_begin(&self->peers[HALF], &self->tun,
			       self->server.address, FIRST_PORT + HALF));
	ASSERT_EQ(HALF + 1, counter_read("SyncookiesSent"));
	ASSERT_EQ(1, peers_ack(&self->peers[HALF], 1));
	ASSERT_TRUE(orphan_queues(HALF + 1));
	EXPECT_EQ(HALF + 1, counter_read("SyncookiesRecv"));
	expect_counters(_metadata, 0, 0);
}

/* Half of them have completed their handshakes, and one more comes. */
static void expect_resets(struct __test_metadata *_metadata, struct peer *peers,
			  const char *address)
{
	struct peer late;

	EXPECT_EQ(HALF, peers_reset(peers, HALF));
	EXPECT_EQ(HALF, peers_refused(&peers[HALF], HALF));
	peer_init(&late, peers->tun, address, FIRST_PORT + PEERS);
	ASSERT_EQ(0, peer_syn(&late));
	EXPECT_TRUE(peer_reset(&late));
}

TEST_F(tcp_conn_request, resets_at_once_when_off)
{
	ASSERT_EQ(0, orphans_allow("0"));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(0, process_kill(self->process));
	expect_resets(_metadata, self->peers, self->server.address);
}

TEST_F(tcp_conn_request, resets_when_the_time_is_up)
{
	ASSERT_EQ(0, orphans_allow(SHORT_GRACE_MS));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     self->server.address));
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_TRUE(outcome_reaches("grace", "grace_over", HALF));
	ASSERT_TRUE(orphans_become(0));
	expect_resets(_metadata, self->peers, self->server.address);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
