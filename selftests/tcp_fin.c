// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_fin(), tcp_reset(), tcp_keepalive_timer(), tcp_abort(): what ends a connection,
 * while it waits in the queue of an orphaned listener.
 *
 *  1. A server; peers have completed their handshakes and sent data.
 *  2. It's killed.
 *  3. Some peers close their connections, reset them, or have gone away; or an
 *     administrator destroys some (ss -K).
 *  4. Another server accepts all of them, and finds each as if it had been its own. The
 *     others are served.
 */
#include <errno.h>
#include <netinet/tcp.h>

#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS	4
#define HALF	(PEERS / 2)

struct scene {
	struct server server;
	struct peer peers[PEERS];
	struct tun tun;
};

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const struct server *server)
{
	pid_t process;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	scene->server = *server;
	process = server_start(&scene->server);
	ASSERT_LT(0, process);
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun,
				     server->address));
	ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(scene->peers, PEERS));
	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(1, orphans_count());
}

FIXTURE(tcp_fin) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_fin) {
	struct server server;
};

SERVER_VARIANTS(tcp_fin, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(tcp_fin, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(tcp_fin)
{
	begin(_metadata, &self->scene, &variant->server);
}

FIXTURE_TEARDOWN(tcp_fin)
{
}

/* Waits for the acknowledgment of all that the peer has sent. */
static bool acknowledged(struct peer *peer)
{
	struct segment segment;

	while (peer_receive(peer, &segment, PATIENCE_MS)) {
		if (segment.flags & TH_RST)
			return false;
		if (segment.ack == peer->seq)
			return true;
	}

	return false;
}

TEST_F(tcp_fin, peers_close)
{
	struct scene *scene = &self->scene;
	struct peer *peers = scene->peers;
	int fd, connection, i;
	char none;

	for (i = 0; i < HALF; i++) {
		ASSERT_EQ(0, peer_send(&peers[i], TH_FIN | TH_ACK, NULL, 0));
		peers[i].seq++;
		EXPECT_TRUE(acknowledged(&peers[i]));
	}

	fd = server_listen(&scene->server);
	ASSERT_LE(0, fd);
	for (i = 0; i < HALF; i++) {
		connection = listener_accept(fd);
		ASSERT_LE(0, connection);
		EXPECT_EQ(peers[i].port, connection_serve(connection));
		EXPECT_EQ(0, recv(connection, &none, sizeof(none), 0));
		EXPECT_TRUE(peer_served(&peers[i]));
	}

	EXPECT_EQ(HALF, peers_serve(peers + HALF, HALF, fd));
}

/* In whatever order they are accepted: what they had sent can be read, if nothing else. */
static void expect_dead(struct __test_metadata *_metadata, struct scene *scene,
			int dead, int error)
{
	int fd, connection, i, number;
	ssize_t len;

	fd = server_listen(&scene->server);
	ASSERT_LE(0, fd);
	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(fd);
		ASSERT_LE(0, connection);
		len = recv(connection, &number, sizeof(number), MSG_DONTWAIT);
		ASSERT_EQ((ssize_t)sizeof(number), len);
		if (send(connection, &number, len, MSG_NOSIGNAL) < 0) {
			EXPECT_EQ(error, errno);
			dead--;
		}
	}

	EXPECT_EQ(0, dead);
	EXPECT_TRUE(listener_idle(fd));
}

TEST_F(tcp_fin, peers_reset)
{
	struct scene *scene = &self->scene;
	int i;

	ASSERT_EQ(HALF, peers_give_up(scene->peers, HALF));
	expect_dead(_metadata, scene, HALF, ECONNRESET);
	for (i = HALF; i < PEERS; i++)
		EXPECT_TRUE(peer_served(&scene->peers[i]));
}

TEST_F(tcp_fin, destroyed)
{
	struct scene *scene = &self->scene;
	int i;

	for (i = 0; i < HALF; i++)
		ASSERT_EQ(0, diag_destroy(&scene->peers[i], 0));

	EXPECT_EQ(HALF, peers_reset(scene->peers, HALF));
	expect_dead(_metadata, scene, HALF, ECONNABORTED);
	for (; i < PEERS; i++)
		EXPECT_TRUE(peer_served(&scene->peers[i]));
}

/* After the shortest time that there is. */
FIXTURE(tcp_keepalive_timer) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_keepalive_timer) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_keepalive_timer, TUN_IPV4, TUN_IPV6);

static int keep_alive(int fd)
{
	int one = 1;

	return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one)) ||
	       setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof(one)) ?
	       -1 : 0;
}

FIXTURE_SETUP(tcp_keepalive_timer)
{
	struct server server = {
		.address = variant->address,
		.option = SO_REUSEADDR,
		.prepare = keep_alive,
	};

	begin(_metadata, &self->scene, &server);
}

FIXTURE_TEARDOWN(tcp_keepalive_timer)
{
}

static bool probed(struct peer *peer)
{
	struct segment segment;

	while (peer_receive(peer, &segment, PATIENCE_MS)) {
		if (segment.flags == TH_ACK && segment.seq == peer->ack - 1)
			return true;
		if (segment.flags & TH_RST)
			return false;
	}

	return false;
}

TEST_F(tcp_keepalive_timer, peers_are_gone)
{
	struct scene *scene = &self->scene;
	int i;

	for (i = 0; i < PEERS; i++)
		EXPECT_TRUE(probed(&scene->peers[i]));

	EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	expect_dead(_metadata, scene, PEERS, ETIMEDOUT);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
