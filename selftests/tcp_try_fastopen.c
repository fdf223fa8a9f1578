// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_try_fastopen(): Fast Open with an orphaned listener, and with its successor.
 *
 *  1. A server. It's killed, before or after peers send a SYN with data.
 *  2. Each has the data acknowledged: its request is pending until the handshake is
 *     complete, or the peer resets it.
 *  3. Another server accepts the connections with their data, before or after that. Both
 *     admit as many requests as their limit says.
 */
#include <netinet/tcp.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS		4

/* Client and server, no cookie needed. */
#define FASTOPEN	"515"

struct scene {
	struct server server;
	struct peer peers[PEERS];
	struct tun tun;
	pid_t process;
};

FIXTURE(tcp_try_fastopen) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_try_fastopen) {
	struct server server;
};

SERVER_VARIANTS(tcp_try_fastopen, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(tcp_try_fastopen, ipv6, .server.address = TUN_IPV6);

static int set_limit(int fd)
{
	int limit = PEERS;

	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, sizeof(limit));
}

FIXTURE_SETUP(tcp_try_fastopen)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->scene.tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", FASTOPEN));
	self->scene.server = variant->server;
	self->scene.server.prepare = set_limit;
	self->scene.process = server_start(&self->scene.server);
	ASSERT_LT(0, self->scene.process);
}

FIXTURE_TEARDOWN(tcp_try_fastopen)
{
}

static void fill(struct __test_metadata *_metadata,
		 struct scene *scene)
{
	ASSERT_EQ(PEERS, peers_fastopen(scene->peers, PEERS, &scene->tun,
					scene->server.address));
}

static void stop(struct __test_metadata *_metadata,
		 struct scene *scene)
{
	ASSERT_EQ(0, process_kill(scene->process));
	ASSERT_EQ(1, orphans_count());
}

/* How many requests are admitted, from other ports than those of before. */
static int room(struct scene *scene, __u16 port)
{
	struct peer peer;
	int count = 0;

	for (;;) {
		peer_init(&peer, &scene->tun, scene->server.address,
			  port + count);
		if (!peer_fastopen(&peer))
			return count;

		count++;
	}
}

TEST_F(tcp_try_fastopen, accepted_before_the_ack)
{
	int fd, connection, i;

	stop(_metadata, &self->scene);
	fill(_metadata, &self->scene);
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(fd);
		ASSERT_LE(0, connection);
		EXPECT_EQ(self->scene.peers[i].port, connection_serve(connection));
		ASSERT_TRUE(peer_served(&self->scene.peers[i]));

		ASSERT_EQ(0, peer_ack(&self->scene.peers[i]));
		ASSERT_EQ(0, peer_number(&self->scene.peers[i]));
		EXPECT_EQ(self->scene.peers[i].port, connection_serve(connection));
		EXPECT_TRUE(peer_served(&self->scene.peers[i]));
	}

	EXPECT_EQ(PEERS, room(&self->scene, 20000));
}

TEST_F(tcp_try_fastopen, completed_in_the_gap)
{
	int fd, i;

	fill(_metadata, &self->scene);
	stop(_metadata, &self->scene);
	EXPECT_EQ(0, room(&self->scene, 20000));
	ASSERT_EQ(PEERS, peers_ack(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, room(&self->scene, 30000));

	/* Those that are pending may be ahead of the others. */
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(orphans_become(0));
	ASSERT_TRUE(outcome_reaches("grace", "migrated", 2 * PEERS));
	EXPECT_EQ(2 * PEERS, listener_serve_all(fd));
	for (i = 0; i < PEERS; i++)
		EXPECT_TRUE(peer_served(&self->scene.peers[i]));
}

/* Those that are pending count against the limit of the other server, too. */
TEST_F(tcp_try_fastopen, completed_after_the_gap)
{
	int fd;

	fill(_metadata, &self->scene);
	stop(_metadata, &self->scene);
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(orphans_become(0));
	EXPECT_EQ(0, room(&self->scene, 20000));

	ASSERT_EQ(PEERS, peers_ack(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, room(&self->scene, 30000));
	EXPECT_EQ(PEERS, peers_serve(self->scene.peers, PEERS, fd));
}

/* They have never been anybody's: they don't count any more, nor later. */
TEST_F(tcp_try_fastopen, reset_in_the_gap)
{
	int fd;

	fill(_metadata, &self->scene);
	stop(_metadata, &self->scene);
	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, room(&self->scene, 20000));
	EXPECT_EQ(0, room(&self->scene, 30000));

	ASSERT_EQ(0, orphans_allow("0"));
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PEERS, room(&self->scene, 40000));
}

TEST_F(tcp_try_fastopen, reset_before_they_are_accepted)
{
	int fd;

	fill(_metadata, &self->scene);
	stop(_metadata, &self->scene);
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(orphans_become(0));
	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, room(&self->scene, 20000));
}

TEST_F(tcp_try_fastopen, nobody_comes)
{
	fill(_metadata, &self->scene);
	stop(_metadata, &self->scene);
	ASSERT_EQ(0, orphans_allow("0"));
	EXPECT_EQ(PEERS, peers_reset(self->scene.peers, PEERS));
	EXPECT_EQ(0, orphans_count());
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
