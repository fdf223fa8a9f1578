// SPDX-License-Identifier: GPL-2.0
/*
 * mptcp_sk_clone_init(): a listener of MPTCP closes while another CPU is making
 * a connection of it, which copies what close() has done by then. It's as good
 * as any other, and goes to another listener.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK. Another listener
 *     joins the group.
 *  2. A thread sends the final ACKs, one after the other. Meanwhile the first
 *     listener closes.
 *  3. Each peer sends data. The other listener takes the place of the first,
 *     with what is in its queue, and it all begins again.
 *  4. The last listener accepts every connection, reads from it and writes to it.
 */
#include <pthread.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/mptcp.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define PEERS	8
#define ROUNDS	60

struct sender {
	pthread_t thread;
	struct peer peers[PEERS];
	__u8 keys[PEERS][MPTCP_KEY_LEN];
	int sent;
};

FIXTURE(mptcp_sk_clone_init) {
	struct sender sender;
	struct tun tun;
};

FIXTURE_VARIANT(mptcp_sk_clone_init) {
	const char *address;
};

ADDRESS_VARIANTS(mptcp_sk_clone_init, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(mptcp_sk_clone_init)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
}

FIXTURE_TEARDOWN(mptcp_sk_clone_init)
{
}

static void *send_acks(void *data)
{
	struct sender *sender = data;
	int i;

	for (i = 0; i < PEERS; i++) {
		mptcp_ack(&sender->peers[i], sender->keys[i]);
		__atomic_store_n(&sender->sent, i + 1, __ATOMIC_RELEASE);
	}

	return NULL;
}

TEST_F(mptcp_sk_clone_init, loses_nothing)
{
	int i, round, from, to = listener_open_mptcp(variant->address);
	struct sender *sender = &self->sender;
	struct peer *peer;

	ASSERT_LE(0, to);
	for (round = 0; round < ROUNDS; round++) {
		from = to;
		for (i = 0; i < PEERS; i++) {
			peer = &sender->peers[i];
			peer_init(peer, &self->tun, variant->address,
				  FIRST_PORT + round * PEERS + i);
			ASSERT_EQ(0, mptcp_syn(peer));
			ASSERT_TRUE(mptcp_synack(peer, sender->keys[i],
						 MPTCP_KEY_LEN));
		}

		to = listener_open_mptcp(variant->address);
		ASSERT_LE(0, to);

		sender->sent = 0;
		ASSERT_EQ(0, pthread_create(&sender->thread, NULL, send_acks,
					    sender));
		while (__atomic_load_n(&sender->sent, __ATOMIC_ACQUIRE) <
		       round % PEERS)
			sched_yield();

		ASSERT_EQ(0, close(from));
		ASSERT_EQ(0, pthread_join(sender->thread, NULL));

		for (i = 0; i < PEERS; i++) {
			ASSERT_EQ(0, mptcp_number(&sender->peers[i],
						  sender->keys[i]));
		}
	}

	for (i = 0; i < ROUNDS * PEERS && listener_serve(to) >= 0; i++)
		;

	EXPECT_EQ(ROUNDS * PEERS, i);
	EXPECT_TRUE(listener_idle(to));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
