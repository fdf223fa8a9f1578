// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_grow(): a group outgrows its array of 128 listeners, in which those
 * that have stopped have a section of their own, and reaches its limit.
 *
 *  1. One listener with clients in its queue and peers in their handshakes.
 *  2. Another one joins the group, the first one is shut down: the clients are
 *     the other's now, and the handshakes need the closed section.
 *  3. Many more join, so that the group has another array. What stops then goes
 *     to one of them; what stopped before still finds them, and is in its group
 *     when it listens again.
 */
#include <sched.h>
#include <sys/resource.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define CLIENTS		4
#define PEERS		4

/* Twice the first array, and some. */
#define MANY		300

/* The largest array, as the next size wouldn't fit in 16 bits. */
#define LIMIT		32768

FIXTURE(reuseport_grow) {
	int clients[CLIENTS];
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
	int *many;
};

FIXTURE_SETUP(reuseport_grow)
{
	const struct rlimit files = { LIMIT + 1000, LIMIT + 1000 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->many = calloc(LIMIT, sizeof(*self->many));
	ASSERT_NE(NULL, self->many);

	self->from = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun, TUN_IPV4));
	self->to = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
}

FIXTURE_TEARDOWN(reuseport_grow)
{
	free(self->many);
}

/* Returns how many could be opened, with errno from the one that couldn't. */
static int open_many(int *many, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		many[i] = listener_open(TUN_IPV4);
		if (many[i] < 0)
			break;
	}

	return i;
}

static void close_many(struct __test_metadata *_metadata, const int *many,
		       int count)
{
	int i;

	for (i = 0; i < count; i++)
		ASSERT_EQ(0, close(many[i]));
}

static void expect_clients(struct __test_metadata *_metadata,
			   const int *clients, int listener)
{
	int numbers = 0, number, i;

	/* On their way they may have been with several listeners. */
	for (i = 0; i < CLIENTS; i++) {
		number = listener_serve(listener);
		ASSERT_LE(0, number);
		numbers |= 1 << number;
	}

	EXPECT_EQ((1 << CLIENTS) - 1, numbers);
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

TEST_F(reuseport_grow, goes_to_the_new_ones)
{
	int last;

	ASSERT_EQ(MANY, open_many(self->many, MANY));
	ASSERT_EQ(0, close(self->to));
	last = listener_open(TUN_IPV4);
	ASSERT_LE(0, last);
	close_many(_metadata, self->many, MANY);

	expect_clients(_metadata, self->clients, last);
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, last));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

TEST_F(reuseport_grow, listens_again)
{
	ASSERT_EQ(MANY, open_many(self->many, MANY));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(0, close(self->to));
	close_many(_metadata, self->many, MANY);

	expect_clients(_metadata, self->clients, self->from);
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, self->from));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* The closed section alone is more than the first array. */
TEST_F(reuseport_grow, most_have_stopped)
{
	int i, last;

	ASSERT_EQ(MANY, open_many(self->many, MANY));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, shutdown(self->many[i], SHUT_RDWR));

	ASSERT_EQ(MANY, open_many(self->many + MANY, MANY));
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, listener_restart(self->many[i]));

	last = listener_open(TUN_IPV4);
	ASSERT_LE(0, last);
	ASSERT_EQ(0, close(self->to));
	close_many(_metadata, self->many, 2 * MANY);
	expect_clients(_metadata, self->clients, last);
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, last));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* All that comes in on one CPU goes to a listener of which it's known. */
static int prefer(int listener)
{
	cpu_set_t set;
	int cpu = 0;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ||
	       setsockopt(listener, SOL_SOCKET, SO_INCOMING_CPU, &cpu,
			  sizeof(cpu)) ? -1 : 0;
}

/*
 * At the limit, one that has stopped makes room for one more. Its handshakes
 * are lost then, but it can listen again when there's room.
 */
TEST_F(reuseport_grow, limit)
{
	int *many = self->many;
	struct peer peer;
	int last;

	if (has_sanitizers())
		SKIP(return, "it would take minutes");

	ASSERT_EQ(PEERS, peers_give_up(self->peers, PEERS));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(LIMIT - 2, open_many(many, LIMIT));
	EXPECT_EQ(ENOMEM, errno);

	ASSERT_EQ(0, prefer(self->from));
	ASSERT_TRUE(peer_begin(&peer, &self->tun, TUN_IPV4, 20000));
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	last = listener_open(TUN_IPV4);
	ASSERT_LE(0, last);
	/* Unless its timer has been faster than the one more. */
	EXPECT_EQ(1, peers_in_time(&peer, 1) ? peers_refused(&peer, 1) :
					       peers_give_up(&peer, 1));
	EXPECT_EQ(-1, listener_restart(self->from));
	EXPECT_EQ(ENOMEM, errno);

	ASSERT_EQ(0, close(self->to));
	ASSERT_EQ(0, listener_restart(self->from));
	close_many(_metadata, many, LIMIT - 2);
	ASSERT_EQ(0, close(last));
	expect_clients(_metadata, self->clients, self->from);
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
