// SPDX-License-Identifier: GPL-2.0
/*
 * __tcp_close(), inet_shutdown(): a listener stops while another CPU is making
 * a child of it.
 *
 * A final ACK looks its listener up while that still listens. Whatever the
 * listener has gone through by the time that the child has copied it and is to
 * be queued, the child is as good as any other, and goes to another listener.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK. Another listener
 *     joins the group.
 *  2. A thread sends the final ACKs, one after the other. A slow filter makes
 *     each of them last. Meanwhile the first listener stops.
 *  3. Each peer sends data. The other listener takes the place of the first,
 *     with what is in its queue, and it all begins again.
 *  4. The last listener accepts every connection, with its data.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/socket.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS	16
#define ROUNDS	40

struct sender {
	pthread_t thread;
	struct peer peers[PEERS];
	int sent;
};

FIXTURE(tcp_close) {
	struct sender sender;
	struct tun tun;
};

FIXTURE_VARIANT(tcp_close) {
	const char *local;
	enum stop stop;
};

FIXTURE_VARIANT_ADD(tcp_close, ipv4_close) {
	.local = TUN_IPV4,
	.stop = STOP_CLOSE,
};

FIXTURE_VARIANT_ADD(tcp_close, ipv4_shut_rdwr) {
	.local = TUN_IPV4,
	.stop = STOP_SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(tcp_close, ipv6_close) {
	.local = TUN_IPV6,
	.stop = STOP_CLOSE,
};

FIXTURE_VARIANT_ADD(tcp_close, ipv6_shut_rdwr) {
	.local = TUN_IPV6,
	.stop = STOP_SHUT_RDWR,
};

FIXTURE_SETUP(tcp_close)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
}

FIXTURE_TEARDOWN(tcp_close)
{
}

static void *send_acks(void *data)
{
	struct sender *sender = data;
	int i;

	for (i = 0; i < PEERS; i++) {
		peer_ack(&sender->peers[i]);
		__atomic_store_n(&sender->sent, i + 1, __ATOMIC_RELEASE);
	}

	return NULL;
}

TEST_F(tcp_close, loses_nothing)
{
	struct listener from, to = { .fd = listener_open(variant->local) };
	struct sender *sender = &self->sender;
	int i, round, served = 0;
	struct peer *peer;

	ASSERT_LE(0, to.fd);
	for (round = 0; round < ROUNDS; round++) {
		from = to;
		ASSERT_EQ(0, filter_slow_final_acks(from.fd));
		for (i = 0; i < PEERS; i++) {
			peer = &sender->peers[i];
			peer_init(peer, &self->tun, variant->local,
				  FIRST_PORT + round * PEERS + i);
			ASSERT_EQ(0, peer_syn(peer));
			ASSERT_TRUE(peer_synack(peer));
		}

		to.fd = listener_open(variant->local);
		ASSERT_LE(0, to.fd);

		sender->sent = 0;
		ASSERT_EQ(0, pthread_create(&sender->thread, NULL, send_acks,
					    sender));
		while (!__atomic_load_n(&sender->sent, __ATOMIC_ACQUIRE))
			sched_yield();

		ASSERT_EQ(0, listener_stop(&from, variant->stop));
		if (variant->stop == STOP_SHUT_RDWR) {
			/* Now it doesn't listen, but has been shut down. */
			ASSERT_EQ(-1, listener_stop(&from, variant->stop));
			ASSERT_EQ(ENOTCONN, errno);
		}
		ASSERT_EQ(0, pthread_join(sender->thread, NULL));
		if (variant->stop == STOP_SHUT_RDWR)
			ASSERT_EQ(0, close(from.fd));

		ASSERT_EQ(PEERS, peers_number(sender->peers, PEERS));
	}

	while (!listener_idle(to.fd))
		served += listener_serve(to.fd) >= 0;

	EXPECT_EQ(ROUNDS * PEERS, served);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
