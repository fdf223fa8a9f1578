// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_migrate_orphan(): the kernel asks whether a listener is to go on without a
 * process.
 *
 * Two last listeners of a group close at the same moment, on two CPUs:
 *  1. Clients are in the queues of both. Both are closed, while a client connects.
 *  2. Another listener begins. It has all of the clients, since neither of the two
 *     has taken the other for one that stays.
 * $ROUNDS says how often; else it's as often as a minute allows, at most 500 times.
 *
 * There are too many, or there's no memory:
 *  1. A user closes more listeners than may be orphaned. So do others.
 *  2. What is too much is closed as without orphans: its clients are reset.
 *  3. When the others have ended, there's room again.
 */
#include <limits.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>

#include "lib/file.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"

#define ROUNDS		500
#define LONG_ENOUGH_MS	60000
#define CLIENTS		4	/* two for each listener, if all goes well */
#define OF_USER		128
#define OF_NAMESPACE	256
#define TOO_MANY	4
#define USERS		3
#define FAILSLAB	"/sys/kernel/debug/failslab"

/* What two other threads do in each round. */
struct race {
	const char *address;
	int listener;		/* to be closed, on another CPU */
	int client;
	int error;		/* of that client */
	pthread_barrier_t close;
	sem_t closed, connect, connected;
	bool over;
};

FIXTURE(two_last_listeners) {
	struct race race;
	pthread_t closer, connector;
};

FIXTURE_VARIANT(two_last_listeners) {
	const char *address;
};

ADDRESS_VARIANTS(two_last_listeners, "127.0.0.1", "::1");

static bool is_over(struct race *race)
{
	return __atomic_load_n(&race->over, __ATOMIC_RELAXED);
}

static void *close_in_rounds(void *data)
{
	struct race *race = data;

	run_on_cpu(1);
	for (;;) {
		pthread_barrier_wait(&race->close);
		if (is_over(race))
			return NULL;
		close(race->listener);
		sem_post(&race->closed);
	}
}

static void *connect_in_rounds(void *data)
{
	struct race *race = data;

	for (;;) {
		sem_wait(&race->connect);
		if (is_over(race))
			return NULL;
		race->client = client_connect(race->address, CLIENTS);
		race->error = errno;
		sem_post(&race->connected);
	}
}

/* What it leaves in TIME_WAIT isn't in the way, either. */
static int reuse_address(int fd)
{
	int one = 1;

	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}

/* Nobody is left in TIME_WAIT: there may be more rounds than ports. */
static void client_abort(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

FIXTURE_SETUP(two_last_listeners)
{
	struct race *race = &self->race;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	race->address = variant->address;
	ASSERT_EQ(0, pthread_barrier_init(&race->close, NULL, 2));
	ASSERT_EQ(0, sem_init(&race->closed, 0, 0));
	ASSERT_EQ(0, sem_init(&race->connect, 0, 0));
	ASSERT_EQ(0, sem_init(&race->connected, 0, 0));
	ASSERT_EQ(0, pthread_create(&self->closer, NULL, close_in_rounds, race));
	ASSERT_EQ(0, pthread_create(&self->connector, NULL, connect_in_rounds,
				    race));
	run_on_cpu(0);
}

FIXTURE_TEARDOWN(two_last_listeners)
{
	__atomic_store_n(&self->race.over, true, __ATOMIC_RELAXED);
	pthread_barrier_wait(&self->race.close);
	sem_post(&self->race.connect);
	pthread_join(self->closer, NULL);
	pthread_join(self->connector, NULL);
}

/* This one is closed a bit later from round to round. */
static void close_both(struct race *race, int listener, int round)
{
	int i, later = round % 64 * 64;

	sem_post(&race->connect);
	pthread_barrier_wait(&race->close);
	for (i = 0; i < later; i++)
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	close(listener);
	sem_wait(&race->closed);
}

TEST_F(two_last_listeners, close_at_once)
{
	const struct server group = {
		.address = variant->address,
		.option = SO_REUSEPORT,
		.prepare = reuse_address,
	};
	const struct server successor = {
		.address = variant->address,
		.option = SO_REUSEADDR,
	};
	int asked = atoi(getenv("ROUNDS") ?: ""), rounds = asked ?: ROUNDS;
	long end = asked ? LONG_MAX : now_ms() + LONG_ENOUGH_MS;
	struct race *race = &self->race;
	int clients[CLIENTS + 1];
	int listener, round, i;

	for (round = 1; round <= rounds && now_ms() < end; round++) {
		listener = server_listen(&group);
		race->listener = server_listen(&group);
		ASSERT_LE(0, listener);
		ASSERT_LE(0, race->listener);
		ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS,
						   variant->address));
		close_both(race, listener, round);

		listener = server_listen(&successor);
		ASSERT_LE(0, listener) TH_LOG("round %d", round);
		sem_wait(&race->connected);
		clients[CLIENTS] = race->client;
		ASSERT_LE(0, race->client)
			TH_LOG("round %d, errno %d", round, race->error);
		for (i = 0; i <= CLIENTS; i++)
			ASSERT_LE(0, listener_serve(listener))
				TH_LOG("round %d, client %d", round, i);
		ASSERT_EQ(CLIENTS + 1, clients_served(clients, CLIENTS + 1));

		for (i = 0; i <= CLIENTS; i++)
			client_abort(clients[i]);
		/* Not to be orphaned, too. */
		ASSERT_EQ(0, shutdown(listener, SHUT_RDWR));
		ASSERT_EQ(0, close(listener));
	}

	/* None was reset, or was without a listener for a moment. */
	EXPECT_EQ(0, outcome_read("close", "no_listener"));
	EXPECT_EQ(0, outcome_read("ack", "no_listener"));
	EXPECT_EQ(0, outcome_read("timer", "no_listener"));
	EXPECT_EQ(0, outcome_read("grace", "no_listener"));
	EXPECT_EQ(0, outcome_read("grace", "grace_over"));
	EXPECT_EQ(0, orphans_count());
}

/* A listener, on an address of its own, and its client. */
struct pair {
	int listener;
	int client;
};

FIXTURE(too_many_listeners) {
	struct pair pairs[USERS][OF_USER + TOO_MANY];
};

FIXTURE_SETUP(too_many_listeners)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
}

FIXTURE_TEARDOWN(too_many_listeners)
{
}

static int pairs_open(struct pair *pairs, int count, uid_t owner)
{
	char address[32];
	struct server server = {
		.address = address,
		.option = SO_REUSEADDR,
		.owner = owner,
	};
	int i;

	for (i = 0; i < count; i++) {
		snprintf(address, sizeof(address), "127.0.%d.%d", owner, 1 + i);
		pairs[i].listener = server_listen(&server);
		pairs[i].client = client_connect(address, i);
		if (pairs[i].listener < 0 || pairs[i].client < 0)
			break;
	}

	return i;
}

static void pairs_close(const struct pair *pairs, int count)
{
	int i;

	for (i = 0; i < count; i++)
		close(pairs[i].listener);
}

/* From the first on. */
static int pairs_reset(const struct pair *pairs, int count)
{
	int i;

	for (i = 0; i < count && client_reset(pairs[i].client); i++)
		;

	return i;
}

TEST_F(too_many_listeners, of_a_user)
{
	struct pair *pairs = self->pairs[0];

	ASSERT_EQ(OF_USER + TOO_MANY, pairs_open(pairs, OF_USER + TOO_MANY, 0));
	pairs_close(pairs, OF_USER + TOO_MANY);
	EXPECT_EQ(OF_USER, orphans_count());
	EXPECT_EQ(TOO_MANY, pairs_reset(pairs + OF_USER, TOO_MANY));
	EXPECT_EQ(-1, client_connect("127.0.0.129", 0));
	EXPECT_EQ(ECONNREFUSED, errno);

	ASSERT_EQ(0, orphans_allow("0"));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(OF_USER, pairs_reset(pairs, OF_USER));

	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	ASSERT_EQ(1, pairs_open(pairs, 1, 0));
	pairs_close(pairs, 1);
	EXPECT_EQ(1, orphans_count());
}

TEST_F(too_many_listeners, of_a_namespace)
{
	int user;

	for (user = 0; user < USERS; user++) {
		ASSERT_EQ(OF_USER, pairs_open(self->pairs[user], OF_USER, user));
		pairs_close(self->pairs[user], OF_USER);
	}

	EXPECT_EQ(OF_NAMESPACE, orphans_count());
	EXPECT_EQ(OF_USER, pairs_reset(self->pairs[USERS - 1], OF_USER));
}

/* Those of others don't count. */
TEST_F(too_many_listeners, of_another_namespace)
{
	int user;

	for (user = 0; user < USERS - 1; user++) {
		ASSERT_EQ(OF_USER, pairs_open(self->pairs[user], OF_USER, user));
		pairs_close(self->pairs[user], OF_USER);
	}
	ASSERT_EQ(OF_NAMESPACE, orphans_count());

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	ASSERT_EQ(1, pairs_open(self->pairs[0], 1, 0));
	pairs_close(self->pairs[0], 1);
	EXPECT_EQ(1, orphans_count());
}

FIXTURE(without_memory) {
	struct server server;
};

FIXTURE_VARIANT(without_memory) {
	const char *address;
};

ADDRESS_VARIANTS(without_memory, "127.0.0.1", "::1");

/* From now on, or not any more, a process has no memory for what has no slab of its own. */
static int exhaust(pid_t process, bool on)
{
	static const char * const slabs[] = {
		"kmalloc-64", "kmalloc-96", "kmalloc-128", "kmalloc-192",
		"kmalloc-256", "kmalloc-512", "kmalloc-1k",
	};
	char dir[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(slabs); i++) {
		snprintf(dir, sizeof(dir), "/sys/kernel/slab/%s", slabs[i]);
		file_write(dir, "failslab", on ? "1" : "0");
	}

	snprintf(dir, sizeof(dir), "/proc/%d", process);
	return file_write(FAILSLAB, "verbose", "0") ||
	       file_write(FAILSLAB, "cache-filter", "Y") ||
	       file_write(FAILSLAB, "ignore-gfp-wait", on ? "N" : "Y") ||
	       file_write(FAILSLAB, "times", "-1") ||
	       (on && file_write(dir, "make-it-fail", "1")) ||
	       file_write(FAILSLAB, "task-filter", on ? "Y" : "N") ||
	       file_write(FAILSLAB, "probability", on ? "100" : "0") ? -1 : 0;
}

FIXTURE_SETUP(without_memory)
{
	if (access(FAILSLAB, F_OK))
		SKIP(return, "no failslab");

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server.address = variant->address;
	self->server.option = SO_REUSEADDR;
}

FIXTURE_TEARDOWN(without_memory)
{
	if (!access(FAILSLAB, F_OK))
		exhaust(0, false);
}

TEST_F(without_memory, closes)
{
	int client, listener;
	pid_t pid;

	pid = server_start(&self->server);
	ASSERT_LE(0, pid);
	client = client_connect(variant->address, 0);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, exhaust(pid, true));
	ASSERT_EQ(0, process_kill(pid));
	ASSERT_EQ(0, exhaust(pid, false));
	EXPECT_EQ(0, orphans_count());
	EXPECT_TRUE(client_reset(client));

	/* The next one finds memory. */
	pid = server_start(&self->server);
	ASSERT_LE(0, pid);
	client = client_connect(variant->address, 1);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, process_kill(pid));
	EXPECT_EQ(1, orphans_count());
	listener = server_listen(&self->server);
	EXPECT_EQ(1, listener_serve(listener));
	EXPECT_TRUE(client_served(client, 1));
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_GRACE_MS, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_GRACE_MS "\n");

	return test_harness_run(argc, argv);
}
