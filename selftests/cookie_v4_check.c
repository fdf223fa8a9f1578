// SPDX-License-Identifier: GPL-2.0
/*
 * cookie_v4_check(): a listener that answers with SYN cookies stops. Nothing is
 * kept for these handshakes, so nothing is migrated: any listener of the group
 * completes them.
 *
 *  1. One listener; each peer sends a SYN and has a cookie. In some tests, the
 *     first ones have a request, and fill its queue.
 *  2. Another listener joins the group, the first one stops.
 *  3. Each peer sends the final ACK, and data. The other listener accepts each
 *     connection; only those with a request count as migrated.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS		8
#define REQUESTS	4
#define COOKIES		(PEERS - REQUESTS)

FIXTURE(cookie_v4_check) {
	struct peer peers[PEERS];
	struct tun tun;
	int from;
};

FIXTURE_VARIANT(cookie_v4_check) {
	const char *address;
};

ADDRESS_VARIANTS(cookie_v4_check, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(cookie_v4_check)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
}

FIXTURE_TEARDOWN(cookie_v4_check)
{
}

static void begin(struct __test_metadata *_metadata, struct peer *peers,
		  struct tun *tun, const char *address, int cookies)
{
	ASSERT_EQ(PEERS, peers_begin(peers, PEERS, tun, address));
	ASSERT_EQ(cookies, counter_read("SyncookiesSent"));
}

static void expect_cookies(struct __test_metadata *_metadata, int cookies,
			   int success, int failure)
{
	EXPECT_EQ(cookies, counter_read("SyncookiesRecv"));
	EXPECT_EQ(0, counter_read("SyncookiesFailed"));
	expect_counters(_metadata, success, failure);
}

TEST_F(cookie_v4_check, other_listener_completes)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	begin(_metadata, self->peers, &self->tun, variant->address, PEERS);
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	expect_cookies(_metadata, PEERS, 0, 0);
}

TEST_F(cookie_v4_check, other_listener_completes_when_off)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	begin(_metadata, self->peers, &self->tun, variant->address, PEERS);
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	expect_cookies(_metadata, PEERS, 0, 0);
}

/* The listener listens again: in the closed section, it was in its group. */
TEST_F(cookie_v4_check, same_listener_completes)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	begin(_metadata, self->peers, &self->tun, variant->address, PEERS);
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(0, close(to));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, self->from));
	expect_cookies(_metadata, PEERS, 0, 0);
}

TEST_F(cookie_v4_check, nobody_is_left)
{
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	begin(_metadata, self->peers, &self->tun, variant->address, PEERS);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	expect_cookies(_metadata, 0, 0, 0);
}

/* A queue that's full of requests, which are migrated, and cookies beyond. */
TEST_F(cookie_v4_check, besides_requests)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "1"));
	ASSERT_EQ(0, listen(self->from, REQUESTS - 1));
	begin(_metadata, self->peers, &self->tun, variant->address, COOKIES);
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	expect_cookies(_metadata, COOKIES, REQUESTS, 0);
}

/*
 * Connections that cookies have made wait for accept() like others, and are
 * migrated from there.
 */
TEST_F(cookie_v4_check, migrates_from_the_queue)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "1"));
	ASSERT_EQ(0, listen(self->from, REQUESTS - 1));
	begin(_metadata, self->peers, &self->tun, variant->address, COOKIES);
	ASSERT_EQ(0, listen(self->from, PEERS));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_cookies(_metadata, COOKIES, PEERS, 0);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
