// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_stop_listen_sock(): listeners of a group stop, one after the other or all at
 * once. Only when none stays is one orphaned.
 *
 *  1. A group of listeners, and connections in their accept queues or handshakes.
 *  2. One of them stops: what it had is its siblings', and no listener is orphaned.
 *  3. The last one is killed, or all are. Handshakes find the orphan, of whichever
 *     listener they have been.
 *  4. Another group comes, and has all connections, in shares.
 */
#include "lib/adoption.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS		8
#define HALF		(PEERS / 2)

#define GROUP		8
#define SHARE		8
#define CLIENTS		(SHARE * GROUP)

/* A group that listens within so many ms has its shares. */
#define FORMING_MS	20

FIXTURE(reuseport_stop_listen_sock) {
	struct server server;
	struct peer peers[PEERS];
	struct tun tun;
	int from;
};

FIXTURE_VARIANT(reuseport_stop_listen_sock) {
	const char *address;
};

ADDRESS_VARIANTS(reuseport_stop_listen_sock, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(reuseport_stop_listen_sock)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = (struct server){ variant->address, SO_REUSEPORT };
	self->from = server_listen(&self->server);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
}

FIXTURE_TEARDOWN(reuseport_stop_listen_sock)
{
}

TEST_F(reuseport_stop_listen_sock, prefers_a_sibling)
{
	int to;

	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(HALF, outcome_read("close", "migrated"));
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, to));
	EXPECT_EQ(HALF, peers_complete(&self->peers[HALF], HALF, to));
	expect_adopted(_metadata, PEERS);
}

/* The first listener stops while there's another, and the last one is orphaned. */
static void stop_both(struct __test_metadata *_metadata, int from,
		      const struct server *server)
{
	int last;

	last = server_listen(server);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, close(from));
	ASSERT_EQ(0, orphans_count());
	ASSERT_EQ(0, close(last));
	ASSERT_EQ(1, orphans_count());
}

/* Some final ACKs find the orphan of another listener, some its successor. */
TEST_F(reuseport_stop_listen_sock, leads_to_the_orphan)
{
	int to;

	stop_both(_metadata, self->from, &self->server);
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	ASSERT_TRUE(orphan_queues(HALF));

	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	ASSERT_TRUE(orphans_become(0));
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, to));
	EXPECT_EQ(HALF, peers_complete(&self->peers[HALF], HALF, to));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* The orphan sends their SYN+ACKs again. */
TEST_F(reuseport_stop_listen_sock, leads_to_the_orphan_at_the_timer)
{
	int to;

	stop_both(_metadata, self->from, &self->server);
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(outcome_reaches("timer", "migrated", PEERS));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	ASSERT_TRUE(orphan_queues(PEERS));

	to = server_listen(&self->server);
	ASSERT_LE(0, to);
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_TRUE(outcome_reaches("grace", "migrated", PEERS));
	expect_adopted(_metadata, 2 * PEERS);
}

/* A group that replaces another. */
FIXTURE(groups) {
	int clients[CLIENTS];
	int to[GROUP];
};

FIXTURE_VARIANT(groups) {
	int listeners;	/* that are killed */
	const char *address;
};

FIXTURE_VARIANT_ADD(groups, ipv4_one) {
	.listeners = 1,
	.address = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(groups, ipv4_eight) {
	.listeners = 8,
	.address = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(groups, ipv6_eight) {
	.listeners = 8,
	.address = "::1",
};

FIXTURE_SETUP(groups)
{
}

FIXTURE_TEARDOWN(groups)
{
}

/*
 * A server with several listeners is killed, and others come. Returns whether they were
 * fast enough to be sure of their shares.
 */
static bool replace_group(struct __test_metadata *_metadata, int *clients,
			  int *to, const struct server *server)
{
	pid_t process;
	long begin;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	process = server_start(server);
	ASSERT_LT(0, process);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, server->address));
	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(server->listeners, orphans_count());
	for (i = 0; i < GROUP; i++) {
		to[i] = server_bind(server);
		ASSERT_LE(0, to[i]);
	}

	begin = now_ms();
	for (i = 0; i < GROUP; i++)
		ASSERT_EQ(0, listener_restart(to[i]));

	return now_ms() - begin < FORMING_MS;
}

/* Each connection moves once. Few at a time don't end quite level. */
TEST_F(groups, share_what_there_is)
{
	const struct server server = {
		.address = variant->address,
		.option = SO_REUSEPORT,
		.listeners = variant->listeners,
	};
	int served, i;

	while (!replace_group(_metadata, self->clients, self->to, &server)) {
		for (i = 0; i < CLIENTS; i++)
			ASSERT_EQ(0, close(self->clients[i]));
		for (i = 0; i < GROUP; i++)
			ASSERT_EQ(0, close(self->to[i]));
	}

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS));
	ASSERT_TRUE(orphans_become(0));
	for (i = 0; i < GROUP; i++) {
		served = listener_serve_all(self->to[i]);
		EXPECT_LE(SHARE / 2, served);
		EXPECT_GE(SHARE + SHARE / 2, served);
	}

	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_TRUE(outcome_reaches("grace", "migrated", CLIENTS));
	expect_adopted(_metadata, CLIENTS);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
