// SPDX-License-Identifier: GPL-2.0
/*
 * sk_acceptq_is_full(): connections go to listeners that have room for them.
 * While one has, no other is given more than its backlog.
 *
 *  1. One listener, with connections in its accept queue, or in the middle of
 *     the handshake.
 *  2. Others join the group, with backlogs of their own. An accept queue takes
 *     one more connection than its backlog says.
 *  3. The first listener stops.
 *  4. Each connection is served, and each queue is as long as it should be.
 */
#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define CLIENTS		40

/* Whoever goes by hash alone gives each of two listeners some of them. */
#define PEERS		16

/* The number of a connection that was there before. */
#define FORMER		CLIENTS

FIXTURE(sk_acceptq_is_full) {
	struct peer peers[PEERS];
	int clients[CLIENTS];
	struct tun tun;
	int from;
};

/* Returns the listener. */
static int begin(struct __test_metadata *_metadata, struct tun *tun)
{
	int from;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	from = listener_open(TUN_IPV4);
	ASSERT_LE(0, from);
	return from;
}

FIXTURE_SETUP(sk_acceptq_is_full)
{
	self->from = begin(_metadata, &self->tun);
}

FIXTURE_TEARDOWN(sk_acceptq_is_full)
{
}

/* A second listener of the group, with room for what it has, and no more. */
static int open_full(int *client)
{
	int fd = listener_open_backlog(TUN_IPV4, 0);

	if (fd < 0 || group_steer(fd, 1))
		return -1;

	*client = client_connect(TUN_IPV4, FORMER);
	return *client < 0 || group_steer(fd, 0) ? -1 : fd;
}

static void expect_served(struct __test_metadata *_metadata,
			  const int *clients, const int *to, int count)
{
	int i, served = 0;

	for (i = 0; i < count; i++)
		served += listener_serve_all(to[i]);

	EXPECT_EQ(CLIENTS, served);
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

static void open_with_backlogs(struct __test_metadata *_metadata, int *to,
			       const int *backlogs, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		to[i] = listener_open_backlog(TUN_IPV4, backlogs[i]);
		ASSERT_LE(0, to[i]);
	}
}

TEST_F(sk_acceptq_is_full, close_fills_what_has_room)
{
	static const int backlogs[] = { 0, 2, 9, 4096 };
	int to[ARRAY_SIZE(backlogs)], sum = 0;
	size_t i;

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	expect_counters(_metadata, CLIENTS, 0);
	for (i = 0; i < ARRAY_SIZE(to); i++) {
		EXPECT_GE(backlogs[i] + 1, listener_queued(to[i]));
		sum += listener_queued(to[i]);
	}

	EXPECT_EQ(CLIENTS, sum);
	expect_served(_metadata, self->clients, to, ARRAY_SIZE(to));
}

TEST_F(sk_acceptq_is_full, close_fills_the_last_place)
{
	static const int backlogs[] = { 0, 1, 9, CLIENTS - 14 };
	int to[ARRAY_SIZE(backlogs)];
	size_t i;

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, counter_read(MIGRATE_SUCCESS));
	for (i = 0; i < ARRAY_SIZE(to); i++)
		EXPECT_EQ(backlogs[i] + 1, listener_queued(to[i]));

	expect_served(_metadata, self->clients, to, ARRAY_SIZE(to));
}

/* Only then is there one that goes over its backlog, and nothing is lost. */
TEST_F(sk_acceptq_is_full, close_goes_over_when_all_are_full)
{
	static const int backlogs[] = { 0, 1, CLIENTS - 10 };
	int to[ARRAY_SIZE(backlogs)], sum = 0;
	size_t i;

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	expect_counters(_metadata, CLIENTS, 0);
	for (i = 0; i < ARRAY_SIZE(to); i++) {
		EXPECT_LE(backlogs[i] + 1, listener_queued(to[i]));
		sum += listener_queued(to[i]);
	}

	EXPECT_EQ(CLIENTS, sum);
	expect_served(_metadata, self->clients, to, ARRAY_SIZE(to));
}

TEST_F(sk_acceptq_is_full, close_passes_over_the_full)
{
	int full, to, former;

	full = open_full(&former);
	ASSERT_LE(0, full);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	ASSERT_EQ(CLIENTS, listener_queued(self->from));
	to = listener_open(TUN_IPV4);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(1, listener_queued(full));
	ASSERT_EQ(CLIENTS, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(FORMER, listener_serve(full));
	EXPECT_TRUE(client_served(former, FORMER));
}

TEST_F(sk_acceptq_is_full, final_ack_passes_over_the_full)
{
	int full, to, former;

	full = open_full(&former);
	ASSERT_LE(0, full);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun, TUN_IPV4));
	to = listener_open(TUN_IPV4);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
	ASSERT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(1, listener_queued(full));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
}

TEST_F(sk_acceptq_is_full, timer_passes_over_the_full)
{
	int full, to, former;

	full = open_full(&former);
	ASSERT_LE(0, full);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun, TUN_IPV4));
	to = listener_open(TUN_IPV4);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(0, counter_read("ListenOverflows"));
	ASSERT_EQ(PEERS, listener_queued(to));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* As with a listener of its own, the handshake waits for room. */
TEST_F(sk_acceptq_is_full, final_ack_waits_when_all_are_full)
{
	struct peer *peer = &self->peers[0];
	int full, former;

	for (;;) {
		full = open_full(&former);
		ASSERT_LE(0, full);
		ASSERT_TRUE(peer_begin(peer, &self->tun, TUN_IPV4, FIRST_PORT));
		ASSERT_EQ(0, close(self->from));
		ASSERT_EQ(0, peer_ack(peer));
		if (peers_in_time(peer, 1))
			break;
		/* Its timer may have found a listener, which doesn't need room. */
		self->from = begin(_metadata, &self->tun);
	}

	EXPECT_EQ(1, counter_read("ListenOverflows"));
	expect_counters(_metadata, 0, 1);
	EXPECT_EQ(FORMER, listener_serve(full));
	EXPECT_TRUE(client_served(former, FORMER));

	ASSERT_EQ(0, peer_number(peer));
	EXPECT_EQ(1, peers_serve(peer, 1, full));
	EXPECT_EQ(1, counter_read(MIGRATE_SUCCESS));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
