// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_park_sock(): new connections keep away from a listener that is stalled.
 *
 *  1. Clients connect to a listener, of which another one joins the group.
 *  2. Nobody accepts from the first one. What waits there goes to the other one, as
 *     far as that has room, and the first one is parked.
 *  3. It's not parked any more when it has accepted something, or it's the last one, or it's
 *     to be tried again.
 */
#include <linux/bpf.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"
#include "lib/stalls.h"

#define CLIENTS		10

/* With so many, each of two listeners gets some of them by chance. */
#define MANY		64

/* An accept queue takes one more than the backlog says. */
#define BACKLOG		2
#define ROOM		(BACKLOG + 1)

/* A group has room for so many at first. */
#define GROWN		130

#define STALL_MS	"100"

/* Nothing stalls for so long. */
#define LONG_STALL_MS	"60000"

#define TIE		"below"

/* How often something happens in the middle of a look. */
#define ROUNDS		5

FIXTURE(reuseport_park_sock) {
	int clients[CLIENTS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(reuseport_park_sock) {
	const char *address;
};

ADDRESS_VARIANTS(reuseport_park_sock, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(reuseport_park_sock)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open_unblocked(variant->address);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
}

FIXTURE_TEARDOWN(reuseport_park_sock)
{
}

/*
 * Has another listener come, and waits until that has what it has room for. Nothing is
 * rescued from it.
 */
static void park(struct __test_metadata *_metadata,
		 FIXTURE_DATA(reuseport_park_sock) * self,
		 const FIXTURE_VARIANT(reuseport_park_sock) * variant, int backlog)
{
	int moved = backlog < CLIENTS ? backlog + 1 : CLIENTS;

	self->to = listener_open_backlog(variant->address, backlog);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	ASSERT_TRUE(stalls_rescued(moved));
	EXPECT_EQ(CLIENTS - moved, listener_queued(self->from));
	EXPECT_EQ(moved, listener_queued(self->to));
}

/* How many of many new connections a listener gets. */
static int given(struct __test_metadata *_metadata, int listener,
		 const char *address)
{
	int before = listener_queued(listener);
	int clients[MANY], got;

	ASSERT_EQ(MANY, clients_connect(clients, MANY, address));
	got = listener_queued(listener) - before;
	clients_close(clients, MANY);
	return got;
}

/* Some, if it's a listener like any other. */
static void expect_given(struct __test_metadata *_metadata, int listener,
			 const char *address)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, LONG_STALL_MS));
	EXPECT_LT(0, given(_metadata, listener, address));
}

/* How many, or -1 if it wasn't parked all the time. */
static int given_while_parked(struct __test_metadata *_metadata, int listener,
			      const char *address)
{
	struct stall before = stall_read(listener);
	int got = given(_metadata, listener, address);
	struct stall after = stall_read(listener);

	return before.parked && after.parked && before.times == after.times ?
	       got : -1;
}

static bool is_forgotten(int listener)
{
	return !stall_read(listener).times;
}

/*
 * The other one serves what comes, so that the first one alone is parked. It's parked for
 * longer each time.
 */
TEST_F(reuseport_park_sock, keeps_connections_away)
{
	int got = -1;

	park(_metadata, self, variant, 4096);
	ASSERT_EQ(0, listener_keep_serving(self->to));
	ASSERT_TRUE(wait_until((got = given_while_parked(_metadata, self->from,
							 variant->address)) >= 0));
	EXPECT_EQ(0, got);
}

TEST_F(reuseport_park_sock, is_tried_again)
{
	park(_metadata, self, variant, 4096);
	ASSERT_TRUE(wait_until(!stall_read(self->from).parked));
	expect_given(_metadata, self->from, variant->address);

	/* It was stopped by a debugger, say, and serves from now on. */
	ASSERT_LT(0, listener_serve_all(self->from));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	EXPECT_TRUE(wait_until(is_forgotten(self->from)));
}

/* What has waited for another one doesn't come back to it. */
TEST_F(reuseport_park_sock, gets_nothing_that_has_waited)
{
	struct stall before, after;
	int queued;

	park(_metadata, self, variant, 4096);
	ASSERT_EQ(0, listener_unblock(self->to));
	do {
		ASSERT_TRUE(wait_until((before = stall_read(self->from)).times &&
				       !before.parked));
		ASSERT_TRUE(stalls_looked_for(-1));
		queued = listener_queued(self->from);
		after = stall_read(self->from);
		/* Or else it has been tried for long enough, which is longer next time. */
	} while (after.parked || after.times != before.times);

	EXPECT_EQ(0, queued);
	/* It may have it later. */
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "0"));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->from) +
			   listener_serve_all(self->to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

TEST_F(reuseport_park_sock, accepts_again)
{
	park(_metadata, self, variant, BACKLOG);
	EXPECT_EQ(ROOM, listener_serve(self->from));
	ASSERT_TRUE(wait_until(is_forgotten(self->from)));
	EXPECT_EQ(CLIENTS - ROOM - 1, listener_serve_all(self->from));

	ASSERT_EQ(0, listener_restart(self->to));
	expect_given(_metadata, self->from, variant->address);
}

TEST_F(reuseport_park_sock, rest_stays_in_front)
{
	struct peer peer;
	int i;

	/* A SYN+ACK whose final ACK comes when the listener is parked. */
	ASSERT_TRUE(peer_begin(&peer, &self->tun, variant->address, FIRST_PORT));
	park(_metadata, self, variant, BACKLOG);
	ASSERT_EQ(0, peer_ack(&peer));
	ASSERT_EQ(CLIENTS - ROOM + 1, listener_queued(self->from));
	ASSERT_EQ(0, peer_number(&peer));

	/* The other one makes room, and gets what is first. */
	for (i = 0; i < ROOM; i++)
		EXPECT_EQ(i, listener_serve(self->to));

	ASSERT_TRUE(stalls_rescued(2 * ROOM));
	for (; i < 2 * ROOM; i++)
		EXPECT_EQ(i, listener_serve(self->to));

	ASSERT_TRUE(stalls_rescued(3 * ROOM));
	for (i = 3 * ROOM; i < CLIENTS; i++)
		EXPECT_EQ(i, listener_serve(self->from));

	EXPECT_EQ(FIRST_PORT, listener_serve(self->from));
	EXPECT_TRUE(peer_served(&peer));
	for (i = 2 * ROOM; i < 3 * ROOM; i++)
		EXPECT_EQ(i, listener_serve(self->to));

	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(0, listener_queued(self->from));
	EXPECT_EQ(0, listener_queued(self->to));
	EXPECT_EQ(0, outcome_read("stall", "over_backlog"));
}

TEST_F(reuseport_park_sock, stall_ms_is_0)
{
	park(_metadata, self, variant, 4096);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "0"));
	ASSERT_TRUE(wait_until(is_forgotten(self->from)));
	EXPECT_LT(0, given(_metadata, self->from, variant->address));
}

TEST_F(reuseport_park_sock, migrate_req_is_0)
{
	park(_metadata, self, variant, 4096);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_TRUE(wait_until(is_forgotten(self->from)));
	EXPECT_LT(0, given(_metadata, self->from, variant->address));
}

TEST_F(reuseport_park_sock, parked_closes)
{
	park(_metadata, self, variant, BACKLOG);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* The others stop, and leave the one that is parked. */
TEST_F(reuseport_park_sock, others_close)
{
	struct peer peer;
	int to;

	park(_metadata, self, variant, 4096);
	ASSERT_TRUE(peer_begin(&peer, &self->tun, variant->address, FIRST_PORT));
	ASSERT_EQ(0, close(self->to));
	EXPECT_EQ(CLIENTS, outcome_read("close", "migrated"));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->from, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));

	ASSERT_EQ(0, peer_ack(&peer));
	ASSERT_EQ(0, peer_number(&peer));
	EXPECT_EQ(FIRST_PORT, listener_serve(self->from));
	EXPECT_TRUE(peer_served(&peer));

	/* It's one like any other now. */
	ASSERT_TRUE(wait_until(!stall_read(self->from).parked));
	to = listener_open(variant->address);
	ASSERT_LE(0, to);
	expect_given(_metadata, self->from, variant->address);
}

TEST_F(reuseport_park_sock, parked_stops_and_listens_again)
{
	park(_metadata, self, variant, BACKLOG);
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->to, CLIENTS));
	ASSERT_EQ(0, listener_restart(self->from));
	ASSERT_EQ(0, listener_restart(self->to));
	expect_given(_metadata, self->from, variant->address);
}

TEST_F(reuseport_park_sock, group_grows)
{
	int others[GROWN], i;

	park(_metadata, self, variant, BACKLOG);
	for (i = 0; i < GROWN; i++) {
		others[i] = listener_open(variant->address);
		ASSERT_LE(0, others[i]);
	}

	/* What had no room has now. */
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(0, listener_queued(self->from));
	for (i = 0; i < GROWN; i++)
		ASSERT_EQ(0, close(others[i]));

	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* So does it while one is parked, which stays so. */
TEST_F(reuseport_park_sock, group_grows_around_it)
{
	int others[GROWN], got = -1, i;

	park(_metadata, self, variant, 4096);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, LONG_STALL_MS));
	for (i = 0; i < GROWN; i++) {
		others[i] = listener_open(variant->address);
		ASSERT_LE(0, others[i]);
	}

	for (i = 0; i < GROWN; i++)
		ASSERT_EQ(0, close(others[i]));

	/* On a slow machine, it has to stall again first. */
	ASSERT_EQ(0, listener_keep_serving(self->to));
	got = given_while_parked(_metadata, self->from, variant->address);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	ASSERT_TRUE(got >= 0 ||
		    wait_until((got = given_while_parked(_metadata, self->from,
							 variant->address)) >= 0));
	EXPECT_EQ(0, got);
	ASSERT_TRUE(wait_until(!stall_read(self->from).parked));
	expect_given(_metadata, self->from, variant->address);
}

static int enter_and_park(void *address)
{
	int from, to;

	if (netns_enter() || sysctl_write(MIGRATE_REQ, "1") ||
	    sysctl_write(MIGRATE_REQ_STALL, STALL_MS))
		return -1;

	from = listener_open_unblocked(address);
	if (from < 0 || client_connect(address, 0) < 0)
		return -1;

	to = listener_open(address);
	if (to < 0 || !outcome_reaches("stall", "migrated", 1))
		return -1;

	/* Looks twice a minute from now on. */
	return sysctl_write(MIGRATE_REQ_STALL, LONG_STALL_MS);
}

TEST(namespace_goes)
{
	pid_t pid = process_start(enter_and_park, "127.0.0.1");
	long begun;

	ASSERT_LE(0, pid);
	ASSERT_EQ(0, netns_tie(TIE, pid));
	begun = now_ms();
	ASSERT_EQ(0, process_kill(pid));
	EXPECT_TRUE(netns_gone(TIE));
	EXPECT_GT(20000, now_ms() - begun);
}

static int enter_and_move(void *address)
{
	int clients[CLIENTS], from, to;

	if (netns_enter() || sysctl_write(MIGRATE_REQ, "1") ||
	    sysctl_write(MIGRATE_REQ_STALL, STALL_MS))
		return -1;

	from = listener_open_unblocked(address);
	if (from < 0 || clients_connect(clients, CLIENTS, address) != CLIENTS ||
	    group_migrate(from, SK_PASS, SLOW_MOVE))
		return -1;

	to = listener_open(address);
	return to >= 0 && wait_until(!listener_idle(to)) ? 0 : -1;
}

/* In the middle of a look at its listeners. */
TEST(namespace_goes_meanwhile)
{
	int i;

	for (i = 0; i < ROUNDS; i++) {
		pid_t pid = process_start(enter_and_move, "127.0.0.1");

		ASSERT_LE(0, pid);
		ASSERT_EQ(0, netns_tie(TIE, pid));
		ASSERT_EQ(0, process_kill(pid));
		EXPECT_TRUE(netns_gone(TIE));
	}
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
