// SPDX-License-Identifier: GPL-2.0
/*
 * TCP_DEFER_ACCEPT: a listener stops while it holds back handshakes whose
 * final ACK came without data.
 *
 *  1. One listener, which waits for data; each peer sends a SYN and the final
 *     ACK of its handshake, and nothing more.
 *  2. Another listener joins the group, the first one stops.
 *  3. Each peer sends data, before or after the request's timer has run: the
 *     other listener accepts its connection, and the peer has its answer.
 *
 * It's by the other listener's setting that an ACK is held back, and that the
 * SYN+ACK is sent again to ask for another.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS		4
#define HELD_BACK	"TCPDeferAcceptDrop"

/* For as many SYN+ACKs as would be sent in that time. */
#define SECONDS		120

FIXTURE(tcp_defer_accept) {
	struct peer peers[PEERS];
	struct tun tun;
	bool in_time;	/* each has been sent one SYN+ACK */
	int from;
};

FIXTURE_VARIANT(tcp_defer_accept) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_defer_accept, TUN_IPV4, TUN_IPV6);

static int open_listener(const char *address, int seconds)
{
	int fd = listener_open(address);

	if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
				 sizeof(seconds)))
		return -1;

	return fd;
}

FIXTURE_SETUP(tcp_defer_accept)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = open_listener(variant->address, SECONDS);
	ASSERT_LE(0, self->from);

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, counter_read(HELD_BACK));
	self->in_time = peers_in_time(self->peers, PEERS);
	ASSERT_TRUE(listener_idle(self->from));
}

FIXTURE_TEARDOWN(tcp_defer_accept)
{
}

TEST_F(tcp_defer_accept, data_before_the_timer)
{
	int to;

	to = open_listener(variant->address, SECONDS);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_counters(_metadata, PEERS, 0);
}

/* Nothing is sent: the peers have acknowledged their SYN+ACK. */
TEST_F(tcp_defer_accept, data_after_the_timer)
{
	struct segment segment;
	int to, i;

	to = open_listener(variant->address, SECONDS);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	EXPECT_TRUE(listener_idle(to));
	for (i = 0; i < PEERS && self->in_time; i++)
		EXPECT_FALSE(peer_receive(&self->peers[i], &segment, 0));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_counters(_metadata, PEERS, 0);
}

/* One more ACK without data is held back by the other listener, as often. */
TEST_F(tcp_defer_accept, holds_back_again)
{
	int to;

	to = open_listener(variant->address, SECONDS);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(2 * PEERS, counter_read(HELD_BACK));
	EXPECT_TRUE(listener_idle(to));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_counters(_metadata, PEERS, 0);
}

/*
 * The other listener's patience is at its end when the timer has run once: the
 * SYN+ACK asks for an ACK, which completes the handshake.
 */
TEST_F(tcp_defer_accept, gives_up_waiting)
{
	int to;

	to = open_listener(variant->address, 1);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, counter_read(HELD_BACK));
	EXPECT_FALSE(listener_idle(to));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_counters(_metadata, PEERS, 0);
}

/* The other listener never waits for data, and needn't for the timer. */
TEST_F(tcp_defer_accept, other_takes_an_ack)
{
	int to;

	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, counter_read(HELD_BACK));
	EXPECT_FALSE(listener_idle(to));
	expect_counters(_metadata, PEERS, 0);

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
}

TEST_F(tcp_defer_accept, resets_without_another_listener)
{
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	expect_counters(_metadata, 0, PEERS);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
