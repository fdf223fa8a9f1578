// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_resurrect(): listen() on a listener that was shut down. It stays
 * in its group meanwhile, and so do the handshakes that it began.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define CLIENTS	4
#define HALF	(CLIENTS / 2)
#define ROUNDS	50

FIXTURE(reuseport_resurrect) {
	struct peer peers[CLIENTS];
	int clients[CLIENTS];
	struct tun tun;
	int stopped;
};

FIXTURE_VARIANT(reuseport_resurrect) {
	const char *local;
	int how;
};

FIXTURE_VARIANT_ADD(reuseport_resurrect, ipv4_shut_rdwr) {
	.local = TUN_IPV4,
	.how = SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(reuseport_resurrect, ipv4_shut_rd) {
	.local = TUN_IPV4,
	.how = SHUT_RD,
};

FIXTURE_VARIANT_ADD(reuseport_resurrect, ipv6_shut_rdwr) {
	.local = TUN_IPV6,
	.how = SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(reuseport_resurrect, ipv6_shut_rd) {
	.local = TUN_IPV6,
	.how = SHUT_RD,
};

FIXTURE_SETUP(reuseport_resurrect)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->stopped = listener_open(variant->local);
	ASSERT_LE(0, self->stopped);
}

FIXTURE_TEARDOWN(reuseport_resurrect)
{
}

/* The queue goes to the other listener, and back when that one stops. */
TEST_F(reuseport_resurrect, queue_comes_back)
{
	int other;

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->stopped));
	ASSERT_TRUE(listener_idle(self->stopped));
	ASSERT_EQ(0, close(other));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->stopped, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	expect_counters(_metadata, 2 * CLIENTS, 0);
}

/* It's a source again: the second time its queue is migrated as the first. */
TEST_F(reuseport_resurrect, stops_again)
{
	int other;

	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->stopped));
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(other, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	expect_counters(_metadata, CLIENTS, 0);
}

/*
 * Handshakes that were begun before it was shut down are completed by the
 * listener itself after it listens again, and by the other one when it's gone.
 */
TEST_F(reuseport_resurrect, handshakes_survive)
{
	int other;

	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->stopped));

	EXPECT_EQ(HALF, peers_complete(self->peers, HALF, self->stopped));
	expect_counters(_metadata, 0, 0);

	ASSERT_EQ(0, close(self->stopped));
	EXPECT_EQ(HALF, peers_complete(self->peers + HALF, HALF, other));
	expect_counters(_metadata, HALF, 0);
}

/* Without another listener they wait for it, until their timers run. */
TEST_F(reuseport_resurrect, handshakes_survive_alone)
{
	int other;

	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->stopped));
	EXPECT_EQ(HALF, peers_complete(self->peers, HALF, self->stopped));

	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	EXPECT_EQ(HALF, peers_complete(self->peers + HALF, HALF, other));
	expect_counters(_metadata, HALF, 0);
}

/* Someone took the port while nobody listened: it joins the new group. */
TEST_F(reuseport_resurrect, joins_a_new_group)
{
	int other;

	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->local));
	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	ASSERT_EQ(0, listener_restart(self->stopped));
	ASSERT_EQ(0, close(other));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->stopped, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(CLIENTS, peers_complete(self->peers, CLIENTS, self->stopped));
	expect_counters(_metadata, 2 * CLIENTS, 0);
}

/*
 * So do two that were in one group before, each with handshakes of its own:
 * the second one's are begun when it is the only one that listens.
 */
TEST_F(reuseport_resurrect, handshakes_survive_in_a_new_group)
{
	int second, other, i;

	ASSERT_EQ(HALF, peers_begin(self->peers, HALF, &self->tun,
				    variant->local));
	second = listener_open(variant->local);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	for (i = HALF; i < CLIENTS; i++) {
		peer_init(&self->peers[i], &self->tun, variant->local,
			  FIRST_PORT + i);
		ASSERT_EQ(0, peer_syn(&self->peers[i]));
		ASSERT_TRUE(peer_synack(&self->peers[i]));
	}
	ASSERT_EQ(0, shutdown(second, variant->how));

	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, listener_restart(self->stopped));
	ASSERT_EQ(0, listener_restart(second));
	EXPECT_EQ(1, peers_complete(self->peers, 1, self->stopped));
	EXPECT_EQ(1, peers_complete(self->peers + HALF, 1, second));
	expect_counters(_metadata, 0, 0);

	ASSERT_EQ(0, close(self->stopped));
	ASSERT_EQ(0, close(second));
	EXPECT_EQ(HALF - 1, peers_complete(self->peers + 1, HALF - 1, other));
	EXPECT_EQ(HALF - 1, peers_complete(self->peers + HALF + 1, HALF - 1,
					   other));
	expect_counters(_metadata, CLIENTS - 2, 0);
}

/* Two that stop in turn, faster than an RCU grace period passes. */
TEST_F(reuseport_resurrect, queue_goes_to_and_fro)
{
	int listeners[2] = { self->stopped, listener_open(variant->local) };
	int round;

	ASSERT_LE(0, listeners[1]);
	ASSERT_EQ(0, shutdown(listeners[1], variant->how));
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->local));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, listener_restart(listeners[(round + 1) % 2]));
		ASSERT_EQ(0, shutdown(listeners[round % 2], variant->how));
	}

	ASSERT_EQ(CLIENTS, listener_serve_in_order(listeners[ROUNDS % 2],
						   CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	expect_counters(_metadata, ROUNDS * CLIENTS, 0);
}

/*
 * The queue of the stopped listener is no longer than the handshakes that the
 * other one took over: if it were still charged for them it would drop a SYN.
 */
static void expect_uncharged(struct __test_metadata *_metadata,
			     int stopped, struct tun *tun, const char *address)
{
	struct peer peer;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "0"));
	ASSERT_EQ(0, listen(stopped, CLIENTS - 1));
	peer_init(&peer, tun, address, 20000);
	ASSERT_EQ(0, peer_syn(&peer));
	ASSERT_EQ(0, counter_read("TCPReqQFullDrop"));
	EXPECT_TRUE(peer_synack(&peer));
}

TEST_F(reuseport_resurrect, uncharged_by_final_ack)
{
	int other;

	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	EXPECT_EQ(CLIENTS, peers_complete(self->peers, CLIENTS, other));
	expect_counters(_metadata, CLIENTS, 0);

	ASSERT_EQ(0, close(other));
	expect_uncharged(_metadata, self->stopped, &self->tun, variant->local);
}

TEST_F(reuseport_resurrect, uncharged_by_timer)
{
	int other, i;

	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->stopped, variant->how));
	ASSERT_EQ(CLIENTS, peers_synack(self->peers, CLIENTS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS));

	/* Nothing may be left that would come back. */
	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(0, peer_send(&self->peers[i], TH_RST, NULL, 0));

	ASSERT_EQ(CLIENTS, counter_read("EmbryonicRsts"));
	ASSERT_EQ(0, close(other));
	expect_uncharged(_metadata, self->stopped, &self->tun, variant->local);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
