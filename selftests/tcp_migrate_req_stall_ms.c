// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req_stall_ms: what waits for a listener that nobody accepts from goes
 * to its siblings.
 *
 *  1. Clients connect to a listener.
 *  2. Others join its group.
 *  3. Nobody accepts from the first one for as long as the sysctl says, or somebody does.
 *  4. Each connection is where it should be, and is served once.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/keys.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"
#include "lib/stalls.h"

#define CLIENTS		40

/* With so many, each of two listeners gets some of them by chance. */
#define MANY		64

#define PEERS		4

/* Of a sibling that has less than it takes. */
#define ROOM		4

#define WORKERS		3
#define CROWD		90
#define CROWD_STALL_MS	500

#define SECRET		"correct horse"

/* On every listener, and no cookie needed. */
#define FASTOPEN	"1539"

#define STALL_MS	"100"

/* For what has to be done within that time, again and again. */
#define LONG_STALL_MS	1500

FIXTURE(tcp_migrate_req_stall_ms) {
	int clients[MANY];
	int from;
};

FIXTURE_VARIANT(tcp_migrate_req_stall_ms) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_migrate_req_stall_ms, "127.0.0.1", "::1");

FIXTURE_SETUP(tcp_migrate_req_stall_ms)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open_unblocked(variant->address);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
	ASSERT_EQ(CLIENTS, listener_queued(self->from));
}

FIXTURE_TEARDOWN(tcp_migrate_req_stall_ms)
{
}

/* One that nothing is rescued from. */
static int open_other(struct __test_metadata *_metadata, const char *address)
{
	int to = listener_open(address);

	ASSERT_LE(0, to);
	return to;
}

static int open_unblocked(struct __test_metadata *_metadata, const char *address)
{
	int stalled = listener_open_unblocked(address);

	ASSERT_LE(0, stalled);
	return stalled;
}

static void start(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
}

/* The clients are still in the first listener's queue. The witness isn't. */
static void expect_untouched(struct __test_metadata *_metadata, int from)
{
	ASSERT_TRUE(stalls_looked_for(-1));
	EXPECT_EQ(0, stall_read(from).times);
	EXPECT_EQ(1, outcome_read("stall", "migrated"));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(CLIENTS, listener_queued(from));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(from, CLIENTS));
}

TEST_F(tcp_migrate_req_stall_ms, in_order)
{
	int to = open_other(_metadata, variant->address);

	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(0, listener_queued(self->from));
	ASSERT_EQ(CLIENTS, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_TRUE(outcomes_agree());
	expect_counters(_metadata, CLIENTS, 0);
}

TEST_F(tcp_migrate_req_stall_ms, shared_by_siblings)
{
	int to[] = { open_other(_metadata, variant->address),
		     open_other(_metadata, variant->address) };

	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_queued(to[0]) + listener_queued(to[1]));
	EXPECT_EQ(CLIENTS, listener_serve_all(to[0]) + listener_serve_all(to[1]));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/*
 * What a sibling has no room for follows as soon as it has some: nobody need wait for the
 * listener to stand still again. The sibling would by then, too.
 */
TEST_F(tcp_migrate_req_stall_ms, rest_follows)
{
	int to = listener_open_backlog(variant->address, ROOM - 1);
	int i;

	ASSERT_LE(0, to);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(ROOM));
	EXPECT_EQ(0, listener_serve(to));
	ASSERT_TRUE(stalls_rescued(ROOM + 1));
	for (i = 1; i < ROOM; i++)
		EXPECT_EQ(i, listener_serve(to));

	ASSERT_TRUE(stalls_rescued(2 * ROOM));
	for (; i < 2 * ROOM; i++)
		EXPECT_EQ(i, listener_serve(to));
}

/*
 * Serves one after a while, which must still be there. False if the last one was served
 * longer ago than it may be.
 */
static bool serve_late(struct __test_metadata *_metadata, int from, int number,
		       long *last)
{
	int served = -1;
	long begun;

	usleep(100000);
	begun = now_ms();
	if (!listener_idle(from))
		served = listener_serve(from);
	if (now_ms() - *last > LONG_STALL_MS / 2)
		return false;

	*last = begun;
	ASSERT_EQ(number, served);
	return true;
}

/* The same for the rest, which nobody serves. */
static bool end_late(struct __test_metadata *_metadata, long last)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "0"));
	return now_ms() - last <= LONG_STALL_MS / 2;
}

TEST_F(tcp_migrate_req_stall_ms, slow_but_moving)
{
	long last, until;
	char stall[16];
	int served = 0;

	open_other(_metadata, variant->address);
	snprintf(stall, sizeof(stall), "%d", LONG_STALL_MS);
	last = now_ms();
	until = last + 2 * LONG_STALL_MS;
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, stall));
	while (last < until) {
		if (!serve_late(_metadata, self->from, served, &last))
			SKIP(return, "the machine is too slow");
		served++;
	}

	if (!end_late(_metadata, last))
		SKIP(return, "the machine is too slow");

	EXPECT_EQ(0, outcome_read("stall", "migrated"));
	EXPECT_EQ(CLIENTS - served, listener_queued(self->from));
}

/* The memory of a request is that of the one before. */
TEST_F(tcp_migrate_req_stall_ms, one_at_a_time)
{
	long last, until;
	char stall[16];

	ASSERT_EQ(CLIENTS, listener_serve_in_order(self->from, CLIENTS));
	snprintf(stall, sizeof(stall), "%d", LONG_STALL_MS);
	last = now_ms();
	until = last + 2 * LONG_STALL_MS;
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, stall));
	while (last < until) {
		int client, to;

		/* As long as it's alone, it has the connection. */
		client = client_connect(variant->address, 0);
		ASSERT_LE(0, client);
		to = open_other(_metadata, variant->address);
		if (!serve_late(_metadata, self->from, 0, &last))
			SKIP(return, "the machine is too slow");
		close(client);
		close(to);
	}

	EXPECT_EQ(0, outcome_read("stall", "migrated"));
}

TEST_F(tcp_migrate_req_stall_ms, all_stopped)
{
	int clients[MANY], to, first, i;

	to = open_unblocked(_metadata, variant->address);
	ASSERT_EQ(MANY, clients_connect(clients, MANY, variant->address));
	first = listener_queued(to);
	ASSERT_LT(0, first);
	start(_metadata);
	ASSERT_TRUE(stalls_looked_for(-1));
	EXPECT_EQ(1, outcome_read("stall", "migrated"));
	EXPECT_EQ(first, listener_queued(to));
	EXPECT_EQ(CLIENTS + MANY - first, listener_queued(self->from));

	/* One is back, and serves whatever it gets, at whatever speed. */
	ASSERT_EQ(0, fcntl(to, F_SETFL, 0));
	for (i = 0; i < CLIENTS + MANY; i++)
		ASSERT_LE(0, listener_serve(to));

	EXPECT_EQ(0, listener_queued(self->from));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(MANY, clients_served(clients, MANY));
}

/* What one of them leaves doesn't go to the other. */
TEST_F(tcp_migrate_req_stall_ms, two_of_three)
{
	int clients[MANY], stalled, to;

	stalled = open_unblocked(_metadata, variant->address);
	ASSERT_EQ(MANY, clients_connect(clients, MANY, variant->address));
	ASSERT_LT(0, listener_queued(stalled));
	to = open_other(_metadata, variant->address);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS + MANY));
	EXPECT_EQ(CLIENTS + MANY, outcome_read("stall", "migrated"));
	EXPECT_EQ(CLIENTS + MANY, listener_serve_all(to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(MANY, clients_served(clients, MANY));
}

/* It's no sibling to go to either. */
TEST_F(tcp_migrate_req_stall_ms, blocking_and_stalled)
{
	int clients[MANY], blocking, to, kept;

	blocking = open_other(_metadata, variant->address);
	ASSERT_EQ(MANY, clients_connect(clients, MANY, variant->address));
	kept = listener_queued(blocking);
	ASSERT_LT(0, kept);
	to = open_other(_metadata, variant->address);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS + MANY - kept));
	EXPECT_EQ(kept, listener_queued(blocking));
	EXPECT_EQ(CLIENTS + MANY - kept, listener_queued(to));
}

TEST_F(tcp_migrate_req_stall_ms, blocking)
{
	ASSERT_EQ(0, fcntl(self->from, F_SETFL, 0));
	open_other(_metadata, variant->address);
	start(_metadata);
	expect_untouched(_metadata, self->from);
}

TEST_F(tcp_migrate_req_stall_ms, alone)
{
	start(_metadata);
	expect_untouched(_metadata, self->from);
}

TEST_F(tcp_migrate_req_stall_ms, other_owner)
{
	int to = open_other(_metadata, variant->address);

	ASSERT_EQ(0, fchown(to, 1, -1));
	start(_metadata);
	expect_untouched(_metadata, self->from);
}

/* No sibling may have what waits, though they could have what comes. */
static void expect_kept(struct __test_metadata *_metadata, int from, int to)
{
	start(_metadata);
	ASSERT_TRUE(stalls_looked_for(-1));
	EXPECT_EQ(1, outcome_read("stall", "migrated"));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(0, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(from, CLIENTS));
}

TEST_F(tcp_migrate_req_stall_ms, other_device)
{
	int to = open_other(_metadata, variant->address);

	ASSERT_EQ(0, setsockopt(to, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	expect_kept(_metadata, self->from, to);
}

TEST_F(tcp_migrate_req_stall_ms, other_keys)
{
	int to = open_other(_metadata, variant->address);

	ASSERT_EQ(0, md5_set(to, variant->address, SECRET));
	expect_kept(_metadata, self->from, to);
}

TEST_F(tcp_migrate_req_stall_ms, other_settings)
{
	int to = open_other(_metadata, variant->address);
	int one = 1;

	ASSERT_EQ(0, setsockopt(to, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_MATCH, "2"));
	expect_kept(_metadata, self->from, to);
}

TEST_F(tcp_migrate_req_stall_ms, prefers_the_same_settings)
{
	int to[] = { open_other(_metadata, variant->address),
		     open_other(_metadata, variant->address),
		     open_other(_metadata, variant->address) };
	int one = 1;

	ASSERT_EQ(0, setsockopt(to[0], SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	ASSERT_EQ(0, setsockopt(to[2], SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to[1], CLIENTS));
}

TEST_F(tcp_migrate_req_stall_ms, program_that_selects)
{
	open_other(_metadata, variant->address);
	ASSERT_EQ(0, group_steer(self->from, 0));
	start(_metadata);
	expect_untouched(_metadata, self->from);
}

TEST_F(tcp_migrate_req_stall_ms, program_that_passes)
{
	int to = open_other(_metadata, variant->address);

	ASSERT_EQ(0, group_migrate(self->from, SK_PASS, 0));
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
}

TEST_F(tcp_migrate_req_stall_ms, program_that_drops)
{
	int to = open_other(_metadata, variant->address);

	ASSERT_EQ(0, group_migrate(self->from, SK_DROP, 0));
	expect_kept(_metadata, self->from, to);
}

/* Waits until some of the connections have been moved, and most of them haven't. */
static void start_slowly(struct __test_metadata *_metadata, int from, int to)
{
	ASSERT_EQ(0, group_migrate(from, SK_PASS, SLOW_MOVE));
	start(_metadata);
	ASSERT_TRUE(wait_until(!listener_idle(to)));
}

TEST_F(tcp_migrate_req_stall_ms, source_closes_meanwhile)
{
	int to = open_other(_metadata, variant->address);

	start_slowly(_metadata, self->from, to);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_TRUE(outcomes_agree());
	expect_counters(_metadata, CLIENTS, 0);
}

static int listen_unblocked(void *address)
{
	return listener_open_unblocked(address) < 0 ? -1 : 0;
}

TEST_F(tcp_migrate_req_stall_ms, process_is_killed_meanwhile)
{
	int clients[CLIENTS], to;
	pid_t owner;

	ASSERT_EQ(0, close(self->from));
	owner = process_start(listen_unblocked, (void *)variant->address);
	ASSERT_LT(0, owner);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, variant->address));
	to = open_other(_metadata, variant->address);
	start_slowly(_metadata, to, to);
	ASSERT_EQ(0, process_kill(owner));
	EXPECT_EQ(CLIENTS, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

/* What it had got goes on to the last one, like that which hadn't come yet. */
TEST_F(tcp_migrate_req_stall_ms, destination_closes_meanwhile)
{
	int to[] = { open_other(_metadata, variant->address),
		     open_other(_metadata, variant->address) };

	start_slowly(_metadata, self->from, to[0]);
	ASSERT_EQ(0, close(to[0]));
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_queued(to[1]));
	EXPECT_EQ(CLIENTS, listener_serve_all(to[1]));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* A process that serves one of many now and then. */
struct slow_server {
	int listener;
	int looks;
	long longest_ms;	/* from one to the next */
};

static void *serve_slowly(void *data)
{
	struct slow_server *server = data;
	long last = now_ms(), now;

	for (;;) {
		usleep(100000);
		now = now_ms();
		if (now - last > server->longest_ms)
			server->longest_ms = now - last;
		last = now;
		__atomic_add_fetch(&server->looks, 1, __ATOMIC_RELEASE);
		if (!listener_idle(server->listener))
			listener_serve(server->listener);
	}

	return NULL;
}

static int start_to_serve(void *server)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, serve_slowly, server) ? -1 : 0;
}

/* Waits until it has looked so many times. */
static bool looked(struct slow_server *server, int times)
{
	return wait_until(__atomic_load_n(&server->looks, __ATOMIC_ACQUIRE) >= times);
}

/* By two processes, one of which hangs. */
TEST_F(tcp_migrate_req_stall_ms, shared_by_processes)
{
	struct slow_server *server;
	char stall[16];
	long moved;

	server = mmap(NULL, sizeof(*server), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, server);
	server->listener = self->from;
	open_other(_metadata, variant->address);
	ASSERT_LT(0, process_start(start_to_serve, server));
	snprintf(stall, sizeof(stall), "%d", LONG_STALL_MS);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, stall));
	ASSERT_TRUE(looked(server, 2 * LONG_STALL_MS / 100));
	moved = outcome_read("stall", "migrated");
	ASSERT_TRUE(looked(server, server->looks + 2));
	if (server->longest_ms > LONG_STALL_MS / 2)
		SKIP(return, "the machine is too slow");

	EXPECT_EQ(0, moved);
}

/* What the test's own process holds the writing end of until it ends. */
static int lifeline[2];

/* A server that is started again, while a child has kept the listener. */
static int inherited(void *address)
{
	char byte;

	if (listener_open_unblocked(address) < 0)
		return -1;

	switch (fork()) {
	case -1:
		return -1;
	case 0:
		prctl(PR_SET_PDEATHSIG, 0);
		close(lifeline[1]);
		_exit(read(lifeline[0], &byte, 1) != 0);
	}

	return 0;
}

TEST_F(tcp_migrate_req_stall_ms, inherited_by_a_child)
{
	int clients[CLIENTS], to;
	pid_t parent;

	ASSERT_EQ(0, pipe(lifeline));
	ASSERT_EQ(0, close(self->from));
	parent = process_start(inherited, (void *)variant->address);
	ASSERT_LT(0, parent);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, variant->address));
	ASSERT_EQ(0, process_kill(parent));
	to = open_other(_metadata, variant->address);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

/* Servers, of which one is stopped. */
FIXTURE(workers) {
	pid_t workers[WORKERS];
};

FIXTURE_VARIANT(workers) {
	const char *address;
};

ADDRESS_VARIANTS(workers, "127.0.0.1", "::1");

static int work(void *address)
{
	int listener = listener_open_unblocked(address);

	return listener < 0 ? -1 : listener_keep_serving(listener);
}

FIXTURE_SETUP(workers)
{
	char stall[16];
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	snprintf(stall, sizeof(stall), "%d", CROWD_STALL_MS);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, stall));
	for (i = 0; i < WORKERS; i++) {
		self->workers[i] = process_start(work, (void *)variant->address);
		ASSERT_LT(0, self->workers[i]);
	}
}

FIXTURE_TEARDOWN(workers)
{
}

/* Has many clients served. How long it takes, from when the last one has connected. */
static long serve_crowd(struct __test_metadata *_metadata, const char *address)
{
	int clients[CROWD];
	long begun;

	ASSERT_EQ(CROWD, clients_connect(clients, CROWD, address));
	begun = now_ms();
	EXPECT_EQ(CROWD, clients_served(clients, CROWD));
	clients_close(clients, CROWD);
	return now_ms() - begun;
}

/*
 * Within twice the stall time, if the machine has nothing else to do. It may have: what is
 * told apart here is who isn't rescued, and waits for ever.
 */
TEST_F(workers, one_is_stopped)
{
	long begun = now_ms(), machine, took;
	int status;

	serve_crowd(_metadata, variant->address);
	machine = now_ms() - begun;
	ASSERT_EQ(0, kill(self->workers[1], SIGSTOP));
	ASSERT_EQ(self->workers[1], waitpid(self->workers[1], &status, WUNTRACED));
	took = serve_crowd(_metadata, variant->address);
	EXPECT_GE(10 * CROWD_STALL_MS + 4 * machine, took)
		TH_LOG("%ld ms for all clients without it", machine);
	EXPECT_LT(0, outcome_read("stall", "migrated"));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* Connections that aren't like those of clients. */
FIXTURE(peers) {
	struct peer peers[PEERS];
	struct tun tun;
};

FIXTURE_VARIANT(peers) {
	const char *address;
};

ADDRESS_VARIANTS(peers, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(peers)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
}

FIXTURE_TEARDOWN(peers)
{
}

/* Children that have yet to complete their handshakes. */
TEST_F(peers, fast_open)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", FASTOPEN));
	open_unblocked(_metadata, variant->address);
	ASSERT_EQ(PEERS, peers_fastopen(self->peers, PEERS, &self->tun,
					variant->address));
	to = open_other(_metadata, variant->address);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(PEERS));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	EXPECT_TRUE(listener_idle(to));
}

/* A process has accepted the first one before that, and goes on with it. */
TEST_F(peers, fast_open_and_accepted)
{
	struct peer *first = self->peers;
	int from, to, connection;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", FASTOPEN));
	from = open_unblocked(_metadata, variant->address);
	ASSERT_EQ(PEERS, peers_fastopen(self->peers, PEERS, &self->tun,
					variant->address));
	connection = listener_accept(from);
	ASSERT_LE(0, connection);
	to = open_other(_metadata, variant->address);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(PEERS - 1));
	EXPECT_EQ(first->port, connection_serve(connection));
	EXPECT_TRUE(peer_served(first));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS - 1, peers_serve(first + 1, PEERS - 1, to));
	EXPECT_TRUE(listener_idle(from));
	EXPECT_TRUE(listener_idle(to));

	ASSERT_EQ(0, peer_number(first));
	EXPECT_EQ(first->port, connection_serve(connection));
	EXPECT_TRUE(peer_served(first));
}

/* Children whose requests have named no listener. */
TEST_F(peers, syn_cookies)
{
	int from, to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	from = open_unblocked(_metadata, variant->address);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, listener_queued(from));
	to = listener_open_backlog(variant->address, PEERS / 2 - 1);
	ASSERT_LE(0, to);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(PEERS / 2));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS / 2, peers_serve(self->peers, PEERS / 2, to));
	/* The rest has stayed, if it isn't moved just now. */
	ASSERT_TRUE(stalls_rescued(PEERS));
	EXPECT_EQ(PEERS / 2, peers_serve(self->peers + PEERS / 2, PEERS / 2, to));
	EXPECT_EQ(PEERS, counter_read("SyncookiesRecv"));
}

TEST_F(peers, mptcp)
{
	int clients[CLIENTS], i, to;

	to = listener_open_mptcp(variant->address);
	if (to < 0)
		SKIP(return, "no MPTCP");

	ASSERT_EQ(0, listener_unblock(to));
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = i % 2 ? client_connect_mptcp(variant->address, i) :
				     client_connect(variant->address, i);
		ASSERT_LE(0, clients[i]);
	}

	to = listener_open_mptcp(variant->address);
	ASSERT_LE(0, to);
	start(_metadata);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

/* Another namespace wants it, and has it done. */
FIXTURE(unwanted) {
	int clients[MANY];
	int from, netns;
};

FIXTURE_VARIANT(unwanted) {
	const char *migrate_req;
	const char *stall_ms;
};

FIXTURE_VARIANT_ADD(unwanted, stall_ms_0) {
	.migrate_req = "1",
	.stall_ms = "0",
};

FIXTURE_VARIANT_ADD(unwanted, migrate_req_0) {
	.migrate_req = "0",
	.stall_ms = STALL_MS,
};

FIXTURE_SETUP(unwanted)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	self->netns = netns_open();
	ASSERT_LE(0, self->netns);
	ASSERT_EQ(0, netns_enter());
}

FIXTURE_TEARDOWN(unwanted)
{
}

TEST_F(unwanted, untouched)
{
	int to;

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, variant->stall_ms));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, variant->migrate_req));
	self->from = listener_open_unblocked("127.0.0.1");
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, "127.0.0.1"));
	to = open_other(_metadata, "127.0.0.1");
	ASSERT_TRUE(stalls_looked_for(self->netns));
	EXPECT_EQ(0, stall_read(self->from).times);
	EXPECT_EQ(0, listener_queued(to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->from, CLIENTS));
}

/* What it wants from now on counts. */
TEST_F(unwanted, wanted_later)
{
	int to;

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, variant->stall_ms));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, variant->migrate_req));
	self->from = listener_open_unblocked("127.0.0.1");
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, "127.0.0.1"));
	to = open_other(_metadata, "127.0.0.1");
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
