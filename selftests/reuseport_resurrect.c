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

struct scene {
	struct peer peers[CLIENTS];
	int clients[CLIENTS];
	struct tun tun;
	int stopped;
};

FIXTURE(reuseport_resurrect) {
	struct scene scene;
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

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->stopped = listener_open(address);
	ASSERT_LE(0, scene->stopped);
}

FIXTURE_SETUP(reuseport_resurrect)
{
	begin(_metadata, &self->scene, variant->local);
}

FIXTURE_TEARDOWN(reuseport_resurrect)
{
}

/* The queue goes to the other listener, and back when that one stops. */
TEST_F(reuseport_resurrect, queue_comes_back)
{
	int other;

	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->scene.stopped));
	ASSERT_TRUE(listener_idle(self->scene.stopped));
	ASSERT_EQ(0, close(other));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->scene.stopped, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	expect_counters(_metadata, 2 * CLIENTS, 0);
}

/* It's a source again: the second time its queue is migrated as the first. */
TEST_F(reuseport_resurrect, stops_again)
{
	int other;

	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));
	ASSERT_EQ(0, listener_restart(self->scene.stopped));
	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(other, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	expect_counters(_metadata, CLIENTS, 0);
}

/*
 * Handshakes that were begun before it was shut down are completed by the
 * listener itself after it listens again, and by the other one when it's gone.
 * A timer that runs meanwhile would give one to the other one: it all begins again.
 */
TEST_F(reuseport_resurrect, handshakes_survive)
{
	struct scene *scene = &self->scene;
	int other;

	for (;;) {
		ASSERT_EQ(CLIENTS, peers_begin(scene->peers, CLIENTS,
					       &scene->tun, variant->local));
		other = listener_open(variant->local);
		ASSERT_LE(0, other);
		ASSERT_EQ(0, shutdown(scene->stopped, variant->how));
		ASSERT_EQ(0, listener_restart(scene->stopped));
		if (peers_in_time(scene->peers, CLIENTS))
			break;
		begin(_metadata, scene, variant->local);
	}

	EXPECT_EQ(HALF, peers_complete(scene->peers, HALF, scene->stopped));
	expect_counters(_metadata, 0, 0);

	ASSERT_EQ(0, close(scene->stopped));
	EXPECT_EQ(HALF, peers_complete(scene->peers + HALF, HALF, other));
	expect_counters(_metadata, HALF, 0);
}

/* Without another listener they wait for it, until their timers run. */
TEST_F(reuseport_resurrect, handshakes_survive_alone)
{
	struct scene *scene = &self->scene;
	int other;

	for (;;) {
		ASSERT_EQ(CLIENTS, peers_begin(scene->peers, CLIENTS,
					       &scene->tun, variant->local));
		ASSERT_EQ(0, shutdown(scene->stopped, variant->how));
		ASSERT_EQ(0, listener_restart(scene->stopped));
		if (peers_in_time(scene->peers, CLIENTS))
			break;
		begin(_metadata, scene, variant->local);
	}

	EXPECT_EQ(HALF, peers_complete(scene->peers, HALF, scene->stopped));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(scene->stopped, variant->how));
	EXPECT_EQ(HALF, peers_complete(scene->peers + HALF, HALF, other));
	expect_counters(_metadata, HALF, 0);
}

/* Someone took the port while nobody listened: it joins the new group. */
TEST_F(reuseport_resurrect, joins_a_new_group)
{
	int other;

	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   variant->local));
	ASSERT_EQ(CLIENTS, peers_begin(self->scene.peers, CLIENTS, &self->scene.tun,
				       variant->local));
	ASSERT_EQ(0, listener_restart(self->scene.stopped));
	ASSERT_EQ(0, close(other));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->scene.stopped, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	EXPECT_EQ(CLIENTS, peers_complete(self->scene.peers, CLIENTS, self->scene.stopped));
	expect_counters(_metadata, 2 * CLIENTS, 0);
}

/*
 * So do two that were in one group before, each with handshakes of its own:
 * the second one's are begun when it is the only one that listens.
 */
static void join_again(struct __test_metadata *_metadata, struct scene *scene,
		       const char *address, int how, int *second, int *other)
{
	int i;

	ASSERT_EQ(HALF, peers_begin(scene->peers, HALF, &scene->tun, address));
	*second = listener_open(address);
	ASSERT_LE(0, *second);
	ASSERT_EQ(0, shutdown(scene->stopped, how));
	for (i = HALF; i < CLIENTS; i++)
		ASSERT_TRUE(peer_begin(&scene->peers[i], &scene->tun, address,
				       FIRST_PORT + i));
	ASSERT_EQ(0, shutdown(*second, how));

	*other = listener_open(address);
	ASSERT_LE(0, *other);
	ASSERT_EQ(0, listener_restart(scene->stopped));
	ASSERT_EQ(0, listener_restart(*second));
}

TEST_F(reuseport_resurrect, handshakes_survive_in_a_new_group)
{
	struct scene *scene = &self->scene;
	int second, other;

	join_again(_metadata, scene, variant->local, variant->how, &second,
		   &other);
	while (!peers_in_time(scene->peers, CLIENTS)) {
		begin(_metadata, scene, variant->local);
		join_again(_metadata, scene, variant->local, variant->how,
			   &second, &other);
	}

	EXPECT_EQ(1, peers_complete(scene->peers, 1, scene->stopped));
	EXPECT_EQ(1, peers_complete(scene->peers + HALF, 1, second));
	expect_counters(_metadata, 0, 0);

	ASSERT_EQ(0, close(scene->stopped));
	ASSERT_EQ(0, close(second));
	EXPECT_EQ(HALF - 1, peers_complete(scene->peers + 1, HALF - 1, other));
	EXPECT_EQ(HALF - 1, peers_complete(scene->peers + HALF + 1, HALF - 1,
					   other));
	expect_counters(_metadata, CLIENTS - 2, 0);
}

/* Two that stop in turn, faster than an RCU grace period passes. */
TEST_F(reuseport_resurrect, queue_goes_to_and_fro)
{
	int listeners[2] = { self->scene.stopped, listener_open(variant->local) };
	int round;

	ASSERT_LE(0, listeners[1]);
	ASSERT_EQ(0, shutdown(listeners[1], variant->how));
	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   variant->local));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, listener_restart(listeners[(round + 1) % 2]));
		ASSERT_EQ(0, shutdown(listeners[round % 2], variant->how));
	}

	ASSERT_EQ(CLIENTS, listener_serve_in_order(listeners[ROUNDS % 2],
						   CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
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

	ASSERT_EQ(CLIENTS, peers_begin(self->scene.peers, CLIENTS, &self->scene.tun,
				       variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));
	EXPECT_EQ(CLIENTS, peers_complete(self->scene.peers, CLIENTS, other));
	expect_counters(_metadata, CLIENTS, 0);

	ASSERT_EQ(0, close(other));
	expect_uncharged(_metadata, self->scene.stopped, &self->scene.tun, variant->local);
}

TEST_F(reuseport_resurrect, uncharged_by_timer)
{
	int other;

	ASSERT_EQ(CLIENTS, peers_begin(self->scene.peers, CLIENTS, &self->scene.tun,
				       variant->local));
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(self->scene.stopped, variant->how));
	ASSERT_EQ(CLIENTS, peers_synack(self->scene.peers, CLIENTS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS));

	/* Nothing may be left that would come back. */
	EXPECT_EQ(CLIENTS, peers_give_up(self->scene.peers, CLIENTS));
	ASSERT_EQ(CLIENTS, counter_read("EmbryonicRsts"));
	ASSERT_EQ(0, close(other));
	expect_uncharged(_metadata, self->scene.stopped, &self->scene.tun, variant->local);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
