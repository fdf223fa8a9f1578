// SPDX-License-Identifier: GPL-2.0
/*
 * The module that $TCP_MIGRATE_KO names comes and goes: what it takes with it,
 * and what it must leave behind.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/harness.h"
#include "lib/file.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/load.h"
#include "lib/module.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/segments.h"
#include "lib/stalls.h"
#include "lib/workers.h"

#define CLIENTS	8
#define PEERS	4
#define ROUNDS	20
#define RESCUES	5
#define LONG_ENOUGH_S	120	/* for as many rounds as fit, emulated */
#define DEPTH	64

#define TRACES	"/sys/kernel/tracing/instances/tcp_migrate_module"

/* Two listeners; the clients and the peers are the first one's. */
struct scene {
	struct peer peers[PEERS];
	int clients[CLIENTS];
	struct tun tun;
	int from, to;
};

FIXTURE(tcp_migrate_module) {
	struct scene scene;
};

static bool sysctl_exists(void)
{
	return !access("/proc/sys/" MIGRATE_REQ, F_OK);
}

FIXTURE_SETUP(tcp_migrate_module)
{
	if (module_loaded())
		ASSERT_EQ(0, module_unload());

	ASSERT_FALSE(sysctl_exists());
	ASSERT_EQ(0, netns_enter());
}

FIXTURE_TEARDOWN(tcp_migrate_module)
{
}

static void load_and_turn_on(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, module_load(""));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
}

static void begin(struct __test_metadata *_metadata, struct scene *scene)
{
	load_and_turn_on(_metadata);
	ASSERT_EQ(0, tun_open(&scene->tun));
	scene->from = listener_open(TUN_IPV4);
	ASSERT_LE(0, scene->from);
	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS, TUN_IPV4));
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun,
				     TUN_IPV4));
	scene->to = listener_open(TUN_IPV4);
	ASSERT_LE(0, scene->to);
}

TEST_F(tcp_migrate_module, brings_and_takes_the_sysctl)
{
	ASSERT_EQ(0, module_load(""));
	EXPECT_TRUE(sysctl_exists());
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
	ASSERT_EQ(0, module_unload());
	EXPECT_FALSE(sysctl_exists());
}

/* In a namespace that there was before, and in one that came later. */
TEST_F(tcp_migrate_module, brings_and_takes_the_counters)
{
	ASSERT_NE(0, access(OUTCOMES, F_OK));
	ASSERT_EQ(0, module_load(""));
	EXPECT_EQ(0, outcome_read("close", "migrated"));
	ASSERT_EQ(0, netns_enter());
	EXPECT_EQ(0, outcome_read("timer", "expired"));
	ASSERT_EQ(0, module_unload());
	EXPECT_NE(0, access(OUTCOMES, F_OK));
}

/* Who has the file open reads nothing more, and keeps nobody waiting. */
TEST_F(tcp_migrate_module, unloads_while_counters_are_open)
{
	char text[4096];
	int fd;

	ASSERT_EQ(0, module_load(""));
	fd = open(OUTCOMES, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_LT(0, pread(fd, text, sizeof(text), 0));
	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(-1, pread(fd, text, sizeof(text), 0));
	ASSERT_EQ(0, module_load(""));
	EXPECT_EQ(-1, pread(fd, text, sizeof(text), 0));
	EXPECT_EQ(0, module_unload());
}

TEST_F(tcp_migrate_module, loads_once)
{
	load_and_turn_on(_metadata);
	EXPECT_EQ(-1, module_load(""));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
	EXPECT_EQ(0, module_unload());
}

TEST_F(tcp_migrate_module, rejects_a_bad_default)
{
	static const char * const parameters[] = {
		"migrate_req=2", "migrate_req=-1", "migrate_req=x", "unread=3",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parameters); i++) {
		EXPECT_EQ(-1, module_load(parameters[i]));
		EXPECT_EQ(EINVAL, errno) TH_LOG("%s", parameters[i]);
		EXPECT_FALSE(module_loaded());
		EXPECT_FALSE(sysctl_exists());
	}

	EXPECT_EQ(0, module_load(""));
	EXPECT_EQ(0, module_unload());
}

/* The default is for the namespaces that exist, and for those that come. */
TEST_F(tcp_migrate_module, takes_a_default)
{
	int first;

	first = netns_open();
	ASSERT_LE(0, first);
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, module_load("migrate_req=1"));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));

	ASSERT_EQ(0, setns(first, CLONE_NEWNET));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));

	ASSERT_EQ(0, netns_enter());
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, setns(first, CLONE_NEWNET));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
	EXPECT_EQ(0, module_unload());
}

/* Without it a listener that closes resets its connections. */
TEST_F(tcp_migrate_module, migrates_only_while_loaded)
{
	struct scene *scene = &self->scene;

	begin(_metadata, scene);
	ASSERT_EQ(0, module_unload());
	ASSERT_EQ(0, close(scene->from));
	EXPECT_EQ(CLIENTS, clients_reset(scene->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	EXPECT_TRUE(listener_idle(scene->to));
	expect_counters(_metadata, 0, 0);
}

/* What has been migrated is the other listener's for good. */
TEST_F(tcp_migrate_module, leaves_what_was_migrated)
{
	struct scene *scene = &self->scene;

	begin(_metadata, scene);
	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(PEERS, peers_synack(scene->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS + PEERS));
	ASSERT_EQ(0, module_unload());

	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_complete(scene->peers, PEERS, scene->to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* A listener that new connections keep away from has them again. */
TEST_F(tcp_migrate_module, leaves_no_listener_parked)
{
	struct scene *scene = &self->scene;
	int clients[DEPTH];

	begin(_metadata, scene);
	ASSERT_EQ(0, listener_unblock(scene->from));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "100"));
	ASSERT_TRUE(outcome_reaches("stall", "migrated", CLIENTS));
	ASSERT_TRUE(listener_idle(scene->from));
	ASSERT_EQ(0, module_unload());

	EXPECT_EQ(DEPTH, clients_connect(clients, DEPTH, TUN_IPV4));
	EXPECT_FALSE(listener_idle(scene->from));
}

/* How often the module has looked for stalled listeners since TRACES was made. */
static int looks(void)
{
	char line[512];
	int count = 0;
	FILE *file;

	file = fopen(TRACES "/trace", "re");
	if (!file)
		return -1;

	while (fgets(line, sizeof(line), file)) {
		/* As Rust calls what runs for the stalls::Scanner. */
		if (strstr(line, "6stalls7Scanner"))
			count++;
	}

	fclose(file);
	return count;
}

TEST_F(tcp_migrate_module, looks_only_while_wanted)
{
	int before;

	if (!events_supported())
		SKIP(return, "no tracefs");

	ASSERT_EQ(0, mkdir(TRACES, 0700));
	ASSERT_EQ(0, file_write(TRACES, "events/workqueue/workqueue_execute_start/enable",
				"1"));
	/* Once as it's loaded, when nobody wants it yet. */
	ASSERT_EQ(0, module_load("migrate_req=1"));
	ASSERT_TRUE(wait_until(looks() == 1));
	usleep(1000000);
	EXPECT_EQ(1, looks());

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "100"));
	EXPECT_TRUE(wait_until(looks() > 5));

	/* Once more then. */
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "0"));
	before = looks();
	usleep(1000000);
	EXPECT_GE(before + 1, looks());
	file_write(TRACES, "events/workqueue/workqueue_execute_start/enable", "0");
	rmdir(TRACES);
	EXPECT_EQ(0, module_unload());
}

/* In the middle of a look: what hasn't been moved stays. */
TEST_F(tcp_migrate_module, unloads_while_it_rescues)
{
	int clients[DEPTH], from, to, i;

	for (i = 0; i < RESCUES; i++) {
		load_and_turn_on(_metadata);
		from = listener_open_unblocked("127.0.0.1");
		ASSERT_LE(0, from);
		ASSERT_EQ(DEPTH, clients_connect(clients, DEPTH, "127.0.0.1"));
		ASSERT_EQ(0, group_migrate(from, SK_PASS, SLOW_MOVE));
		to = listener_open("127.0.0.1");
		ASSERT_LE(0, to);
		ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "100"));
		ASSERT_TRUE(wait_until(!listener_idle(to)));
		ASSERT_EQ(0, module_unload());

		EXPECT_EQ(DEPTH, listener_serve_all(to) + listener_serve_all(from));
		EXPECT_EQ(DEPTH, clients_served(clients, DEPTH));
		clients_close(clients, DEPTH);
		ASSERT_EQ(DEPTH, clients_connect(clients, DEPTH, "127.0.0.1"));
		EXPECT_FALSE(listener_idle(from));
		clients_close(clients, DEPTH);
		close(from);
		close(to);
	}
}

/* The module goes together with its events, and is traced when it's back. */
TEST_F(tcp_migrate_module, unloads_while_traced)
{
	struct scene *scene = &self->scene;
	struct event list[CLIENTS];
	struct events events;

	if (!events_supported())
		SKIP(return, "no tracefs");

	begin(_metadata, scene);
	ASSERT_EQ(0, events_open(&events));
	ASSERT_EQ(0, close(scene->from));
	EXPECT_EQ(CLIENTS, events_read(&events, list, CLIENTS));
	ASSERT_EQ(0, module_unload());
	events_close(&events);

	load_and_turn_on(_metadata);
	ASSERT_EQ(0, events_open(&events));
	ASSERT_EQ(0, close(scene->to));
	EXPECT_EQ(CLIENTS, events_read(&events, list, CLIENTS));
	EXPECT_STREQ("no_listener", list[0].outcome);
	events_close(&events);
	EXPECT_EQ(0, module_unload());
}

/* What hasn't been migrated, be it by a timer that was faster, is nobody's. */
TEST_F(tcp_migrate_module, drops_what_was_not)
{
	struct scene *scene = &self->scene;
	long migrated;

	begin(_metadata, scene);
	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(0, module_unload());
	migrated = counter_read(MIGRATE_SUCCESS);
	ASSERT_LE(CLIENTS, migrated);

	ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
	EXPECT_EQ(migrated, listener_queued(scene->to));
	if (migrated == CLIENTS)
		EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_EQ(migrated, counter_read(MIGRATE_SUCCESS));
}

/*
 * Handshakes of a closed listener are pending when the module goes, and their
 * timers run without it, or with the next one.
 */
static void leave_pending(struct __test_metadata *_metadata,
			  struct scene *scene, bool reload)
{
	struct peer clock;

	begin(_metadata, scene);
	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(0, module_unload());
	if (reload)
		load_and_turn_on(_metadata);

	/* Its SYN+ACK is sent again after the others' timers have run. */
	ASSERT_TRUE(peer_begin(&clock, &scene->tun, TUN_IPV4, 20000));
	ASSERT_TRUE(peer_synack(&clock));

	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
}

TEST_F(tcp_migrate_module, leaves_pending_handshakes)
{
	struct scene *scene = &self->scene;

	leave_pending(_metadata, scene, false);
	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
}

TEST_F(tcp_migrate_module, finds_pending_handshakes)
{
	struct scene *scene = &self->scene;

	leave_pending(_metadata, scene, true);

	/* Whether these could be saved is left open; the next ones must be. */
	EXPECT_EQ(PEERS, peers_give_up(scene->peers, PEERS));

	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS, TUN_IPV4));
	scene->from = scene->to;
	scene->to = listener_open(TUN_IPV4);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));

	EXPECT_EQ(0, module_unload());
}

static void *close_listener(void *listener)
{
	close(*(int *)listener);
	return NULL;
}

/* Whether the client was served; if not, it must have been reset. */
static bool served_or_reset(struct __test_metadata *_metadata, int client,
			    int number)
{
	bool served;

	errno = 0;
	served = client_served(client, number);
	if (!served)
		EXPECT_EQ(ECONNRESET, errno);

	close(client);
	return served;
}

/*
 * The module goes while a listener closes. Whatever was counted as migrated is
 * accepted, everything else is reset, and nothing is in between.
 */
TEST_F(tcp_migrate_module, unloads_while_a_listener_closes)
{
	int clients[DEPTH], from, to, i, round;
	long before, migrated, served;
	pthread_t thread;

	to = listener_open("127.0.0.1");
	ASSERT_LE(0, to);
	for (round = 0; round < ROUNDS; round++) {
		load_and_turn_on(_metadata);
		before = counter_read(MIGRATE_SUCCESS);
		from = to;
		ASSERT_EQ(DEPTH, clients_connect(clients, DEPTH, "127.0.0.1"));
		to = listener_open("127.0.0.1");
		ASSERT_LE(0, to);
		ASSERT_EQ(0, pthread_create(&thread, NULL, close_listener,
					    &from));
		ASSERT_EQ(0, module_unload());
		ASSERT_EQ(0, pthread_join(thread, NULL));

		migrated = counter_read(MIGRATE_SUCCESS) - before;
		for (i = 0; i < migrated && listener_serve(to) >= 0; i++)
			;

		ASSERT_EQ(migrated, i);
		ASSERT_TRUE(listener_idle(to));
		for (served = 0, i = 0; i < DEPTH; i++)
			served += served_or_reset(_metadata, clients[i], i);

		ASSERT_EQ(migrated, served);
	}
}

/* When connections are given back. */
TEST_F(tcp_migrate_module, takes_a_default_for_unread)
{
	ASSERT_EQ(0, module_load("unread=2"));
	EXPECT_EQ(2, sysctl_read(MIGRATE_REQ_UNREAD));
	ASSERT_EQ(0, netns_enter());
	EXPECT_EQ(2, sysctl_read(MIGRATE_REQ_UNREAD));
	EXPECT_EQ(0, module_unload());
}

/* What was given back is others' for good; what wasn't goes with its process. */
TEST_F(tcp_migrate_module, unloads_while_connections_are_given_back)
{
	struct worker worker = { .accepts = DEPTH };
	int clients[DEPTH], i, round;
	long before, given_back, served;
	pid_t process;

	worker.listener = listener_open("127.0.0.1");
	ASSERT_LE(0, worker.listener);
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, module_load(""));
		ASSERT_EQ(0, unread_allow("1"));
		before = counter_read(MIGRATE_SUCCESS);
		ASSERT_EQ(DEPTH, clients_connect(clients, DEPTH, "127.0.0.1"));
		process = worker_start(&worker);
		ASSERT_LT(0, process);
		ASSERT_EQ(0, kill(process, SIGKILL));
		ASSERT_EQ(0, module_unload());
		ASSERT_EQ(process, waitpid(process, NULL, 0));

		given_back = counter_read(MIGRATE_SUCCESS) - before;
		ASSERT_EQ(given_back, listener_serve_all(worker.listener));
		for (served = 0, i = 0; i < DEPTH; i++)
			served += served_or_reset(_metadata, clients[i], i);

		ASSERT_EQ(given_back, served);
	}
}

struct turns {
	int listener;
	bool over;
};

/* One listener takes over from another, over and over. */
static void *serve_in_turns(void *data)
{
	struct turns *turns = data;
	int next;

	while (!__atomic_load_n(&turns->over, __ATOMIC_RELAXED)) {
		next = listener_open("127.0.0.1");
		close(turns->listener);
		turns->listener = next;
		while (!listener_idle(next))
			listener_serve(next);
	}

	return NULL;
}

/* Each client is served or reset; none waits for ever. */
TEST_F(tcp_migrate_module, unloads_under_load)
{
	time_t deadline = time(NULL) + LONG_ENOUGH_S;
	struct load load = { .address = "127.0.0.1" };
	struct turns turns = {};
	pthread_t server;
	int round;

	turns.listener = listener_open("127.0.0.1");
	ASSERT_LE(0, turns.listener);
	ASSERT_EQ(0, pthread_create(&server, NULL, serve_in_turns, &turns));
	ASSERT_EQ(0, load_begin(&load));

	for (round = 0; round < ROUNDS && time(NULL) < deadline; round++) {
		load_and_turn_on(_metadata);
		ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, 1 +
					    counter_read(MIGRATE_SUCCESS)));
		ASSERT_EQ(0, module_unload());
	}

	EXPECT_EQ(0, load_end(&load))
		TH_LOG("errno %d", errno);
	__atomic_store_n(&turns.over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(server, NULL));
}

int main(int argc, char **argv)
{
	if (!getenv("TCP_MIGRATE_KO"))
		ksft_exit_skip("TCP_MIGRATE_KO isn't set\n");

	if (sysctl_exists() && !module_loaded())
		ksft_exit_skip(MIGRATE_REQ " is built in\n");

	return test_harness_run(argc, argv);
}
