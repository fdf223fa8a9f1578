// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_abort(): an administrator destroys sockets (ss -K): a listener, or what
 * it has in its queue or in its handshakes, before or after a migration.
 *
 *  1. One listener. Some peers have completed their handshakes and sent data,
 *     the others have their SYN+ACK.
 *  2. Another listener joins the group.
 *  3. The first one is destroyed; or it stops, and some of its connections are
 *     destroyed before or after that.
 *  4. The other listener accepts each connection that wasn't destroyed.
 */
#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS		8
#define HALF		(PEERS / 2)

FIXTURE(tcp_abort) {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(tcp_abort) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_abort, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(tcp_abort)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
}

FIXTURE_TEARDOWN(tcp_abort)
{
}

/* Another port's SYN may find another listener of the group. */
static int destroy_listener(int fd, const char *address)
{
	__u64 cookie = listener_cookie(fd);
	struct peer peer;
	int ret = ENOENT;

	peer_init(&peer, NULL, address, 30000);
	while (ret == ENOENT && ++peer.port < 31000)
		ret = diag_destroy(&peer, cookie);

	return ret;
}

static int destroy_peers(const struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && !diag_destroy(&peers[i], 0); i++)
		;

	return i;
}

TEST_F(tcp_abort, listener)
{
	ASSERT_EQ(0, destroy_listener(self->from, variant->address));
	ASSERT_EQ(HALF, listener_queued(self->to));
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, self->to));
	EXPECT_EQ(HALF, peers_complete(self->peers + HALF, HALF, self->to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(tcp_abort, listener_before_the_timer)
{
	ASSERT_EQ(0, destroy_listener(self->from, variant->address));
	ASSERT_EQ(HALF, peers_synack(self->peers + HALF, HALF));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));

	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, self->to));
	EXPECT_EQ(HALF, peers_complete(self->peers + HALF, HALF, self->to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(tcp_abort, last_listener)
{
	ASSERT_EQ(0, close(self->to));
	ASSERT_EQ(0, destroy_listener(self->from, variant->address));
	EXPECT_EQ(HALF, peers_reset(self->peers, HALF));
	EXPECT_EQ(HALF, peers_refused(self->peers + HALF, HALF));
	expect_counters(_metadata, 0, PEERS);
}

/*
 * Before their listener stops, after that, and after the timer. That of the second may
 * have run as well, before it's destroyed.
 */
TEST_F(tcp_abort, requests)
{
	struct peer *requests = self->peers + HALF;
	long migrated;

	ASSERT_EQ(1, destroy_peers(requests, 1));
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(1, destroy_peers(requests + 1, 1));
	ASSERT_EQ(HALF - 2, peers_synack(requests + 2, HALF - 2));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS - 2));
	ASSERT_EQ(1, destroy_peers(requests + 2, 1));

	EXPECT_EQ(3, peers_refused(requests, 3));
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, self->to));
	EXPECT_EQ(HALF - 3, peers_complete(requests + 3, HALF - 3, self->to));
	migrated = counter_read(MIGRATE_SUCCESS);
	EXPECT_TRUE(migrated == PEERS - 2 || migrated == PEERS - 1);
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* The first two have been destroyed; in whatever order they're accepted. */
static void expect_two_dead(struct __test_metadata *_metadata,
			    struct peer *peers, int listener)
{
	int dead = 0, i;

	EXPECT_EQ(2, peers_reset(peers, 2));
	for (i = 0; i < HALF; i++) {
		ASSERT_FALSE(listener_idle(listener));
		dead += listener_serve(listener) < 0;
	}

	EXPECT_EQ(2, dead);
	for (i = 2; i < HALF; i++)
		EXPECT_TRUE(peer_served(&peers[i]));
}

/* Somebody must accept them, dead as they are. */
TEST_F(tcp_abort, children)
{
	ASSERT_EQ(HALF, peers_give_up(self->peers + HALF, HALF));
	ASSERT_EQ(1, destroy_peers(self->peers, 1));
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(1, destroy_peers(self->peers + 1, 1));
	expect_two_dead(_metadata, self->peers, self->to);
	expect_counters(_metadata, HALF, 0);
}

/* Nor do they count any more against the limit of pending requests. */
TEST_F(tcp_abort, fastopen_children)
{
	struct peer peers[HALF], more;
	int i, limit = HALF;

	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(HALF, peers_serve(self->peers, HALF, self->to));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", "1539"));
	ASSERT_EQ(0, setsockopt(self->to, IPPROTO_TCP, TCP_FASTOPEN, &limit,
				sizeof(limit)));
	for (i = 0; i < HALF; i++) {
		peer_init(&peers[i], &self->tun, variant->address, 20000 + i);
		ASSERT_TRUE(peer_fastopen(&peers[i]));
	}

	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(0, setsockopt(self->from, IPPROTO_TCP, TCP_FASTOPEN, &limit,
				sizeof(limit)));
	ASSERT_EQ(1, destroy_peers(peers, 1));
	ASSERT_EQ(0, close(self->to));
	ASSERT_EQ(1, destroy_peers(peers + 1, 1));
	for (i = 0; i < HALF; i++) {
		peer_init(&more, &self->tun, variant->address, 21000 + i);
		EXPECT_EQ(i < 2, peer_fastopen(&more));
	}

	expect_two_dead(_metadata, peers, self->from);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
