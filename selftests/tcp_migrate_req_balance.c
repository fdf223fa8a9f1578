// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req_balance: connections go where there's the most room,
 * in relation to backlogs, or with 0 where their hash says.
 *
 *  1. One listener, with connections in its accept queue, or in the middle of
 *     the handshake.
 *  2. Others join the group, with backlogs of their own, and some have
 *     connections already.
 *  3. The first listener stops.
 *  4. The accept queues of the others are as long as they should be.
 */
#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define BALANCE		"net/ipv4/tcp_migrate_req_balance"

#define CLIENTS		120
#define PEERS		12

FIXTURE(tcp_migrate_req_balance) {
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

FIXTURE_SETUP(tcp_migrate_req_balance)
{
	self->from = begin(_metadata, &self->tun);
}

FIXTURE_TEARDOWN(tcp_migrate_req_balance)
{
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

/* The accept queues of these, by how full each may be at @num of @den. */
static bool within_one(const int *listeners, const int *backlogs, int count,
		       int num, int den)
{
	bool within = true;
	int i, queued, max;

	for (i = 0; i < count; i++) {
		queued = listener_queued(listeners[i]);
		max = backlogs[i] + 1;
		if (queued * den < max * num - den ||
		    queued * den > max * num + den || queued > max) {
			ksft_print_msg("listener %d has %d of %d\n", i, queued,
				       max);
			within = false;
		}
	}

	return within;
}

TEST_F(tcp_migrate_req_balance, is_on)
{
	EXPECT_EQ(1, sysctl_read(BALANCE));
	EXPECT_EQ(-1, sysctl_write(BALANCE, "2"));
	EXPECT_EQ(-1, sysctl_write(BALANCE, "-1"));
	EXPECT_EQ(1, sysctl_read(BALANCE));
}

TEST_F(tcp_migrate_req_balance, close_levels_idle_listeners)
{
	static const int backlogs[] = { 19, 39, 59, 279 };
	int to[ARRAY_SIZE(backlogs)];

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, counter_read(MIGRATE_SUCCESS));
	EXPECT_TRUE(within_one(to, backlogs, ARRAY_SIZE(to), CLIENTS, 400));
}

/* The first and the third have more than the others will end with. */
TEST_F(tcp_migrate_req_balance, close_levels_busy_listeners)
{
	static const int backlogs[] = { 19, 39, 59, 119 };
	static const int had[] = { 18, 4, 55, 0 };
	int to[ARRAY_SIZE(backlogs)];
	int client, i, j;

	for (i = 0; i < (int)ARRAY_SIZE(to); i++) {
		to[i] = listener_open_backlog(TUN_IPV4, backlogs[i]);
		ASSERT_LE(0, to[i]);
		ASSERT_EQ(0, group_steer(to[i], i + 1));
		for (j = 0; j < had[i]; j++) {
			client = client_connect(TUN_IPV4, CLIENTS);
			ASSERT_LE(0, client);
		}

		ASSERT_EQ(had[i], listener_queued(to[i]));
	}

	ASSERT_EQ(0, group_steer(self->from, 0));
	ASSERT_EQ(CLIENTS / 2,
		  clients_connect(self->clients, CLIENTS / 2, TUN_IPV4));
	ASSERT_EQ(CLIENTS / 2, listener_queued(self->from));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS / 2, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(had[0], listener_queued(to[0]));
	EXPECT_EQ(had[2], listener_queued(to[2]));
	EXPECT_EQ(16, listener_queued(to[1]));
	EXPECT_EQ(48, listener_queued(to[3]));
}

/* Too few to be shared out: each goes to the one with the most room. */
TEST_F(tcp_migrate_req_balance, close_of_one_at_a_time)
{
	static const int backlogs[] = { 7, 15, 31, 63 };
	int to[ARRAY_SIZE(backlogs)], from, i;

	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	for (i = 0; i < CLIENTS / 2; i++) {
		from = listener_open(TUN_IPV4);
		ASSERT_LE(0, from);
		ASSERT_EQ(0, group_steer(from, ARRAY_SIZE(to)));
		self->clients[i] = client_connect(TUN_IPV4, i);
		ASSERT_LE(0, self->clients[i]);
		ASSERT_EQ(1, listener_queued(from));
		ASSERT_EQ(0, close(from));
	}

	EXPECT_EQ(CLIENTS / 2, counter_read(MIGRATE_SUCCESS));
	EXPECT_TRUE(within_one(to, backlogs, ARRAY_SIZE(to), CLIENTS / 2, 120));
}

/* A timer that is faster finds all of them idle. */
TEST_F(tcp_migrate_req_balance, final_ack)
{
	static const int backlogs[] = { 9, 29, 79 };
	int to[ARRAY_SIZE(backlogs)];

	for (;;) {
		ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
					     TUN_IPV4));
		open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
		ASSERT_EQ(0, close(self->from));
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
		if (peers_in_time(self->peers, PEERS))
			break;
		self->from = begin(_metadata, &self->tun);
	}

	ASSERT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	EXPECT_TRUE(within_one(to, backlogs, ARRAY_SIZE(to), PEERS, 120));
}

/* By hash, a listener with a small backlog gets as much as any, within it. */
TEST_F(tcp_migrate_req_balance, off)
{
	static const int backlogs[] = { 399, 3999 };
	int to[ARRAY_SIZE(backlogs)];

	ASSERT_EQ(0, sysctl_write(BALANCE, "0"));
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	open_with_backlogs(_metadata, to, backlogs, ARRAY_SIZE(to));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(CLIENTS, listener_queued(to[0]) + listener_queued(to[1]));
	EXPECT_LT(CLIENTS / 4, listener_queued(to[0]));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
