// SPDX-License-Identifier: GPL-2.0
/*
 * mptcp_check_listen_stop(): a listener of MPTCP stops, or one of TCP in a group
 * in which one of MPTCP lives on. A listener of MPTCP serves clients of TCP, too,
 * and one of TCP clients of MPTCP that have met no other.
 *
 *  1. One listener; clients connect to it and send.
 *  2. Nobody accepts. Others join the group, the first one stops.
 *  3. Another one accepts each connection, with what the client had sent, and
 *     the client has its answer. One that is of MPTCP needs a listener of MPTCP;
 *     without, the client is reset.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"

#define CLIENTS	4
#define OTHERS	3

/* So many that by hash alone some of either kind have the same listener. */
#define MIXED	16

FIXTURE(mptcp_check_listen_stop) {
	int clients[CLIENTS];
	int to;
};

FIXTURE_VARIANT(mptcp_check_listen_stop) {
	const char *address;
	int (*from)(const char *address);
	int (*to)(const char *address);
	int (*connect)(const char *address, int number);
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(mptcp_check_listen_stop, ipv4 ## name) {	\
		.address = "127.0.0.1",					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(mptcp_check_listen_stop, ipv6 ## name) {	\
		.address = "::1",					\
		__VA_ARGS__						\
	}

/* All there are, but for a client of MPTCP between listeners of it and of TCP. */
VARIANTS(, .from = listener_open_mptcp, .to = listener_open_mptcp,
	 .connect = client_connect);
VARIANTS(_of_mptcp, .from = listener_open_mptcp, .to = listener_open_mptcp,
	 .connect = client_connect_mptcp);
VARIANTS(_to_tcp, .from = listener_open_mptcp, .to = listener_open,
	 .connect = client_connect);
VARIANTS(_from_tcp, .from = listener_open, .to = listener_open_mptcp,
	 .connect = client_connect);
VARIANTS(_from_tcp_met_by_mptcp, .from = listener_open,
	 .to = listener_open_mptcp, .connect = client_connect_mptcp);
VARIANTS(_among_tcp_met_by_mptcp, .from = listener_open, .to = listener_open,
	 .connect = client_connect_mptcp);

FIXTURE_SETUP(mptcp_check_listen_stop)
{
	int from, i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	from = variant->from(variant->address);
	ASSERT_LE(0, from);
	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = variant->connect(variant->address, i);
		ASSERT_LE(0, self->clients[i]);
	}

	self->to = variant->to(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, close(from));
}

FIXTURE_TEARDOWN(mptcp_check_listen_stop)
{
}

TEST_F(mptcp_check_listen_stop, migrates)
{
	expect_counters(_metadata, CLIENTS, 0);
	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->to, CLIENTS));
	EXPECT_TRUE(listener_idle(self->to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* Whoever took over a connection may stop as well. */
TEST_F(mptcp_check_listen_stop, migrates_again)
{
	int last;

	last = variant->from(variant->address);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, close(self->to));
	expect_counters(_metadata, 2 * CLIENTS, 0);
	ASSERT_EQ(CLIENTS, listener_serve_in_order(last, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

FIXTURE(sk_is_mptcp) {
	int clients[MIXED];
	int tcp[OTHERS];
	int from;
};

FIXTURE_VARIANT(sk_is_mptcp) {
	const char *address;
};

ADDRESS_VARIANTS(sk_is_mptcp, "127.0.0.1", "::1");

/* Every other client. */
static bool is_mptcp(int client)
{
	return client % 2;
}

FIXTURE_SETUP(sk_is_mptcp)
{
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open_mptcp(variant->address);
	ASSERT_LE(0, self->from);
	for (i = 0; i < MIXED; i++) {
		self->clients[i] = is_mptcp(i) ?
			client_connect_mptcp(variant->address, i) :
			client_connect(variant->address, i);
		ASSERT_LE(0, self->clients[i]);
	}

	for (i = 0; i < OTHERS; i++) {
		self->tcp[i] = listener_open(variant->address);
		ASSERT_LE(0, self->tcp[i]);
	}
}

FIXTURE_TEARDOWN(sk_is_mptcp)
{
}

TEST_F(sk_is_mptcp, one_of_many)
{
	int to, i;

	to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(MIXED, counter_read(MIGRATE_SUCCESS));

	EXPECT_LE(MIXED / 2, listener_serve_all(to));
	for (i = 0; i < OTHERS; i++)
		listener_serve_all(self->tcp[i]);

	EXPECT_EQ(MIXED, clients_served(self->clients, MIXED));
}

TEST_F(sk_is_mptcp, none)
{
	int i;

	ASSERT_EQ(0, close(self->from));
	expect_counters(_metadata, MIXED / 2, MIXED / 2);

	for (i = 0; i < OTHERS; i++)
		listener_serve_all(self->tcp[i]);

	for (i = 0; i < MIXED; i++) {
		EXPECT_TRUE(is_mptcp(i) ? client_reset(self->clients[i]) :
					  client_served(self->clients[i], i));
	}
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
