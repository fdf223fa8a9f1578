// SPDX-License-Identifier: GPL-2.0
/*
 * cleanup_net(): a network namespace goes away, with all that its listeners
 * have in their queues and in their handshakes.
 *
 *  1. A namespace in which listeners have stopped. The last one has clients in
 *     its queue; peers are in handshakes that were begun with the others, some
 *     of them migrated since by their timer.
 *  2. Its last process dies. What has the sockets: that process, or one of
 *     another namespace.
 *  3. When the last descriptor is closed, nothing holds the namespace any more.
 *
 * A device in the namespace goes with it, and its peer goes with that.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/process.h"
#include "lib/segments.h"

#define TIE	"below"
#define CLIENTS	4
#define PEERS	8
#define HALF	(PEERS / 2)
#define LISTENERS	16
#define ROUNDS	20

struct sockets {
	int clients[CLIENTS];
	struct peer peers[PEERS];
	struct tun tun;
	int listener;
};

FIXTURE(cleanup_net) {
	struct sockets sockets;
};

FIXTURE_VARIANT(cleanup_net) {
	const char *address;
};

ADDRESS_VARIANTS(cleanup_net, TUN_IPV4, TUN_IPV6);

/* Connects to one listener after the other; the last one is left. */
static int open_sockets(struct sockets *sockets, const char *address)
{
	int from, to, i;

	if (tun_open(&sockets->tun) || sysctl_write(MIGRATE_REQ, "1"))
		return -1;

	from = listener_open(address);
	if (clients_connect(sockets->clients, CLIENTS, address) != CLIENTS ||
	    peers_begin(sockets->peers, HALF, &sockets->tun, address) != HALF)
		return -1;

	to = listener_open(address);
	if (close(from) || peers_synack(sockets->peers, HALF) != HALF ||
	    !counter_reaches(MIGRATE_SUCCESS, CLIENTS + HALF))
		return -1;

	for (i = HALF; i < PEERS; i++) {
		if (!peer_begin(&sockets->peers[i], &sockets->tun, address,
				FIRST_PORT + i))
			return -1;
	}

	sockets->listener = listener_open(address);
	if (close(to) ||
	    counter_read(MIGRATE_SUCCESS) < CLIENTS + HALF + CLIENTS)
		return -1;

	return 0;
}

static void close_sockets(struct sockets *sockets)
{
	int i;

	close(sockets->listener);
	for (i = 0; i < CLIENTS; i++)
		close(sockets->clients[i]);
	close(sockets->tun.fd);
}

/* For a process in a namespace of its own. */
static int enter_and_open(void *address)
{
	struct sockets sockets;

	return netns_enter() || open_sockets(&sockets, address) ? -1 : 0;
}

/* Opens the sockets in a namespace that has no process afterwards. */
static int open_sockets_elsewhere(struct sockets *sockets, const char *address)
{
	pid_t pid = netns_start();
	int here, there, ret;

	if (pid < 0 || netns_tie(TIE, pid))
		return -1;

	here = netns_open();
	there = netns_of(pid);
	if (setns(there, CLONE_NEWNET))
		return -1;

	ret = open_sockets(sockets, address);
	if (setns(here, CLONE_NEWNET))
		return -1;

	close(here);
	close(there);
	return process_kill(pid) ? -1 : ret;
}

static void *stop_all(void *data)
{
	const int *listeners = data;
	int i;

	for (i = LISTENERS - 1; i >= 0; i--)
		close(listeners[i]);

	return NULL;
}

/*
 * Those that are to share the queue of a listener stop while it does: some have
 * been given their part by then, and won't take it.
 */
static int stop_together(const char *address)
{
	int listeners[LISTENERS], clients[LISTENERS];
	pthread_t thread;
	int from, i;

	from = listener_open(address);
	if (clients_connect(clients, LISTENERS, address) != LISTENERS)
		return -1;

	for (i = 0; i < LISTENERS; i++)
		listeners[i] = listener_open(address);

	if (pthread_create(&thread, NULL, stop_all, listeners) ||
	    close(from) || pthread_join(thread, NULL))
		return -1;

	for (i = 0; i < LISTENERS; i++)
		close(clients[i]);

	return 0;
}

FIXTURE_SETUP(cleanup_net)
{
	ASSERT_EQ(0, netns_enter());
}

FIXTURE_TEARDOWN(cleanup_net)
{
}

TEST_F(cleanup_net, process_dies)
{
	pid_t pid = process_start(enter_and_open, (void *)variant->address);

	ASSERT_LE(0, pid);
	ASSERT_EQ(0, netns_tie(TIE, pid));
	ASSERT_TRUE(netns_tied(TIE));
	ASSERT_EQ(0, process_kill(pid));
	EXPECT_TRUE(netns_gone(TIE));
}

TEST_F(cleanup_net, queue_is_full)
{
	ASSERT_EQ(0, open_sockets_elsewhere(&self->sockets, variant->address));
	ASSERT_TRUE(netns_tied(TIE));
	close_sockets(&self->sockets);
	EXPECT_TRUE(netns_gone(TIE));
}

/* As long as there's a descriptor, all goes on. */
TEST_F(cleanup_net, sockets_are_elsewhere)
{
	struct sockets *sockets = &self->sockets;
	int listener;

	ASSERT_EQ(0, open_sockets_elsewhere(sockets, variant->address));
	listener = sockets->listener;
	EXPECT_EQ(CLIENTS, listener_serve_in_order(listener, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(sockets->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_complete(sockets->peers, PEERS, listener));

	/* Or else the server's ends would wait for their FIN's ACK. */
	ASSERT_EQ(PEERS, peers_give_up(sockets->peers, PEERS));
	ASSERT_TRUE(netns_tied(TIE));
	close_sockets(sockets);
	EXPECT_TRUE(netns_gone(TIE));
}

/* No reference is left on those that didn't take their part. */
TEST_F(cleanup_net, listeners_stop_together)
{
	pid_t pid = netns_start();
	int here, there, i;

	ASSERT_LE(0, pid);
	ASSERT_EQ(0, netns_tie(TIE, pid));
	here = netns_open();
	there = netns_of(pid);
	ASSERT_EQ(0, setns(there, CLONE_NEWNET));
	ASSERT_EQ(0, tun_open(&self->sockets.tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	for (i = 0; i < ROUNDS; i++)
		ASSERT_EQ(0, stop_together(variant->address));

	ASSERT_EQ(0, setns(here, CLONE_NEWNET));
	ASSERT_EQ(0, close(there));
	ASSERT_EQ(0, close(self->sockets.tun.fd));
	ASSERT_EQ(0, process_kill(pid));
	EXPECT_TRUE(netns_gone(TIE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
