// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_listen_stop(): a listener stops while connections wait in its
 * accept queue.
 *
 *  1. One listener; the clients connect to it and send.
 *  2. Nobody accepts. Another listener joins the group.
 *  3. The first listener stops.
 *  4. The other one accepts each connection, with what the client had sent,
 *     and the client has its answer.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"

#define CLIENTS	8

FIXTURE(inet_csk_listen_stop) {
	struct listener from;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(inet_csk_listen_stop) {
	const char *local;
	const char *remote[2];	/* what the clients connect to, in turn */
	enum stop stop;
	bool syncookies;	/* requests without a listener of their own */
};

STOP_VARIANTS(inet_csk_listen_stop, ipv4, .local = "127.0.0.1",
	      .remote = { "127.0.0.1", "127.0.0.1" });
STOP_VARIANTS(inet_csk_listen_stop, ipv6, .local = "::1",
	      .remote = { "::1", "::1" });
STOP_VARIANTS(inet_csk_listen_stop, dual, .local = "::",
	      .remote = { "127.0.0.1", "::1" });

FIXTURE_VARIANT_ADD(inet_csk_listen_stop, ipv4_syncookies) {
	.local = "127.0.0.1",
	.remote = { "127.0.0.1", "127.0.0.1" },
	.stop = STOP_CLOSE,
	.syncookies = true,
};

FIXTURE_VARIANT_ADD(inet_csk_listen_stop, ipv6_syncookies) {
	.local = "::1",
	.remote = { "::1", "::1" },
	.stop = STOP_SHUT_RDWR,
	.syncookies = true,
};

FIXTURE_SETUP(inet_csk_listen_stop)
{
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	if (variant->syncookies)
		ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	ASSERT_EQ(0, listener_start(&self->from, variant->local, variant->stop));

	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = client_connect(variant->remote[i % 2], i);
		ASSERT_LE(0, self->clients[i]);
	}
}

FIXTURE_TEARDOWN(inet_csk_listen_stop)
{
}

TEST_F(inet_csk_listen_stop, migrates)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	expect_counters(_metadata, CLIENTS, 0);

	ASSERT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

TEST_F(inet_csk_listen_stop, resets_when_off)
{
	int to;

	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 0);
}

TEST_F(inet_csk_listen_stop, resets_without_another_listener)
{
	ASSERT_EQ(0, listener_stop(&self->from, variant->stop));

	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	expect_counters(_metadata, 0, CLIENTS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
