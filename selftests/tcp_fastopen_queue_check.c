// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_fastopen_queue_check(): the limit of pending Fast Open requests, and the
 * cookies that admit them, when listeners stop.
 *
 *  1. One listener; each peer sends a SYN with data, and has both acknowledged:
 *     its request is pending until the handshake is complete.
 *  2. Another listener joins the group, the first one stops.
 *  3. The other listener admits as many requests as are missing to its limit,
 *     those that came from the first one counted; with cookies that the first
 *     one has given.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define PEERS		4
#define MORE_PORTS	20000

/* Client and server, on every listener unasked; and no cookie needed. */
#define WITH_COOKIE	"1027"
#define WITHOUT_COOKIE	"1539"

#define TCPOPT_FASTOPEN	34
#define COOKIE_LEN	8

FIXTURE(tcp_fastopen_queue_check) {
	struct peer peers[PEERS];
	struct tun tun;
	int from;
};

FIXTURE_VARIANT(tcp_fastopen_queue_check) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_fastopen_queue_check, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(tcp_fastopen_queue_check)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", WITHOUT_COOKIE));
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
}

FIXTURE_TEARDOWN(tcp_fastopen_queue_check)
{
}

static int set_limit(int fd)
{
	int limit = PEERS;

	return setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &limit, sizeof(limit));
}

static int open_listener(const char *address)
{
	int fd = listener_open(address);

	return fd < 0 || set_limit(fd) ? -1 : fd;
}

static void fill(struct __test_metadata *_metadata, struct peer *peers,
		 struct tun *tun, const char *address)
{
	ASSERT_EQ(PEERS, peers_fastopen(peers, PEERS, tun, address));
}

/* Each time with other ports than before. */
static void expect_room(struct __test_metadata *_metadata, int room,
			struct tun *tun, const char *address, __u16 port)
{
	long overflows = counter_read("TCPFastOpenListenOverflow");
	struct peer peer;
	int i;

	for (i = 0; i < room; i++) {
		peer_init(&peer, tun, address, port + i);
		ASSERT_TRUE(peer_fastopen(&peer));
	}

	EXPECT_EQ(overflows, counter_read("TCPFastOpenListenOverflow"));
	peer_init(&peer, tun, address, port + room);
	EXPECT_FALSE(peer_fastopen(&peer));
	EXPECT_EQ(overflows + 1, counter_read("TCPFastOpenListenOverflow"));
}

TEST_F(tcp_fastopen_queue_check, limit_of_the_last)
{
	int to, last;

	fill(_metadata, self->peers, &self->tun, variant->address);
	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	last = open_listener(variant->address);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, close(to));
	expect_room(_metadata, 0, &self->tun, variant->address, MORE_PORTS);

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	expect_room(_metadata, PEERS, &self->tun, variant->address,
		    MORE_PORTS + 1);
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, last));
	expect_counters(_metadata, 2 * PEERS, 0);
}

/* The first listener listens again: it has no more room than it should. */
TEST_F(tcp_fastopen_queue_check, limit_of_the_first)
{
	int to;

	fill(_metadata, self->peers, &self->tun, variant->address);
	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(0, set_limit(self->from));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	ASSERT_EQ(0, close(to));
	expect_room(_metadata, PEERS, &self->tun, variant->address, MORE_PORTS);
}

/*
 * Requests of peers that reset what was accepted already count for a minute, as
 * those of somebody who forges addresses.
 */
TEST_F(tcp_fastopen_queue_check, reset_after_accept)
{
	int to, connection, i;

	fill(_metadata, self->peers, &self->tun, variant->address);
	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(to);
		ASSERT_LE(0, connection);
		ASSERT_EQ(0, peer_send(&self->peers[i], TH_RST, NULL, 0));
		close(connection);
	}

	expect_room(_metadata, 0, &self->tun, variant->address, MORE_PORTS);
}

/* It's the application's: it doesn't matter any more who stops. */
TEST_F(tcp_fastopen_queue_check, accepted_before_the_stop)
{
	int to, connections[PEERS], i;

	fill(_metadata, self->peers, &self->tun, variant->address);
	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	for (i = 0; i < PEERS; i++) {
		connections[i] = listener_accept(to);
		ASSERT_LE(0, connections[i]);
	}

	self->from = open_listener(variant->address);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(0, close(to));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	for (i = 0; i < PEERS; i++) {
		EXPECT_EQ(self->peers[i].port,
			  connection_serve(connections[i]));
		EXPECT_TRUE(peer_served(&self->peers[i]));
	}

	expect_room(_metadata, PEERS, &self->tun, variant->address, MORE_PORTS);
	expect_counters(_metadata, PEERS, 0);
}

/*
 * listen() forgets how many requests are pending. Those that were accepted before
 * are uncharged later, so that as many new ones seem to be none.
 */
TEST_F(tcp_fastopen_queue_check, limit_after_listen)
{
	struct peer more[PEERS], full;
	int to, connection, i;

	fill(_metadata, self->peers, &self->tun, variant->address);
	for (i = 0; i < PEERS; i++) {
		connection = listener_accept(self->from);
		ASSERT_LE(0, connection);
	}

	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	for (i = 0; i < PEERS; i++) {
		peer_init(&more[i], &self->tun, variant->address,
			  MORE_PORTS + i);
		ASSERT_TRUE(peer_fastopen(&more[i]));
	}

	/* More than are moved one by one. */
	peer_init(&full, &self->tun, variant->address, MORE_PORTS + PEERS);
	ASSERT_EQ(0, peer_syn(&full));
	ASSERT_TRUE(peer_synack(&full));
	ASSERT_EQ(0, peer_ack(&full));

	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(PEERS + 1, counter_read(MIGRATE_SUCCESS));
	expect_room(_metadata, 0, &self->tun, variant->address,
		    MORE_PORTS + PEERS + 1);

	ASSERT_EQ(PEERS, peers_ack(more, PEERS));
	expect_room(_metadata, PEERS, &self->tun, variant->address,
		    MORE_PORTS + PEERS + 2);
}

/* Without @cookie it asks for one. */
static void cookie_fill(struct peer *peer, const __u8 *cookie)
{
	__u8 *option = peer->tcp.data;

	memset(option, TCPOPT_NOP, 12);
	option[0] = TCPOPT_FASTOPEN;
	option[1] = 2;
	peer->tcp.len = 4;
	if (cookie) {
		option[1] += COOKIE_LEN;
		memcpy(option + 2, cookie, COOKIE_LEN);
		peer->tcp.len += COOKIE_LEN;
	}
}

static bool cookie_find(const struct options *options, __u8 *cookie)
{
	const __u8 *option = options->data;
	size_t i = 0;

	while (i + 2 + COOKIE_LEN <= options->len) {
		if (option[i] == TCPOPT_FASTOPEN) {
			memcpy(cookie, option + i + 2, COOKIE_LEN);
			return option[i + 1] == 2 + COOKIE_LEN;
		}
		i += option[i] == TCPOPT_NOP ? 1 : option[i + 1];
	}

	return false;
}

static bool cookie_get(struct peer *peer, __u8 *cookie)
{
	struct segment segment;

	cookie_fill(peer, NULL);
	if (peer_syn(peer))
		return false;

	peer->tcp.len = 0;
	if (!peer_receive(peer, &segment, PATIENCE_MS) ||
	    !cookie_find(&segment.options, cookie))
		return false;

	peer->ack = segment.seq + 1;
	return true;
}

static bool fastopen_with(struct peer *peer, const __u8 *cookie)
{
	bool ret;

	cookie_fill(peer, cookie);
	ret = peer_fastopen(peer);
	peer->tcp.len = 0;
	return ret;
}

/*
 * The peer that gets the cookie doesn't complete its handshake before its
 * listener stops; the next ones use the cookie, before and after that.
 */
TEST_F(tcp_fastopen_queue_check, cookies)
{
	struct peer *peers = self->peers;
	__u8 cookie[COOKIE_LEN];
	int to, i;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", WITH_COOKIE));
	for (i = 0; i < PEERS; i++) {
		peer_init(&peers[i], &self->tun, variant->address,
			  FIRST_PORT + i);
	}

	ASSERT_TRUE(cookie_get(&peers[0], cookie));
	ASSERT_TRUE(fastopen_with(&peers[1], cookie));
	to = open_listener(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_TRUE(fastopen_with(&peers[2], cookie));
	EXPECT_EQ(0, counter_read("TCPFastOpenPassiveFail"));

	cookie[0]++;
	EXPECT_FALSE(fastopen_with(&peers[3], cookie));
	EXPECT_EQ(1, counter_read("TCPFastOpenPassiveFail"));

	ASSERT_EQ(2, peers_ack(peers + 1, 2));
	EXPECT_EQ(2, peers_serve(peers + 1, 2, to));
	EXPECT_EQ(1, peers_complete(peers, 1, to));
	expect_counters(_metadata, 2, 0);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
