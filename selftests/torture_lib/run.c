// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/listeners.h"
#include "../lib/netns.h"
#include "../lib/orphans.h"
#include "../lib/outcomes.h"
#include "../lib/patience.h"
#include "../lib/stalls.h"
#include "admin.h"
#include "clients.h"
#include "peers.h"
#include "run.h"
#include "servers.h"
#include "state.h"

#define SERVERS		2
#define CLIENTS		4

/* A round that takes longer has a thread that hangs. */
#define LIMIT		(20 * PATIENCE_MS / 1000)

/* An IPv4 connection to an IPv6 listener makes a mapped child. */
static const struct {
	const char *local;
	const char *remote;
} addresses[GROUPS] = {
	{ "127.0.0.1", "127.0.0.1" },
	{ "::1", "::1" },
	{ TUN_IPV4, TUN_IPV4 },
	{ TUN_IPV6, TUN_IPV6 },
	{ "::", "127.0.0.2" },
};

/* Where groups have gaps, they would lose to the wildcard what it can't have. */
#define NO_WILDCARD	"::ffff:127.0.0.2"

/*
 * Requests that nobody completes, and what's closed by one end only, are gone
 * soon. Fast Open asks for no cookie.
 */
static const struct {
	const char *name;
	const char *value;
} settings[] = {
	{ MIGRATE_REQ, "1" },
	{ "net/ipv4/tcp_fastopen", "1543" },
	{ "net/ipv4/tcp_fastopen_blackhole_timeout_sec", "0" },
	{ "net/ipv4/tcp_max_syn_backlog", "4096" },
	{ "net/ipv4/tcp_fin_timeout", "1" },
	{ "net/ipv4/tcp_orphan_retries", "1" },
	{ "net/ipv6/conf/default/accept_dad", "0" },
};

/* Every fourth is quiet. Memory is short in every other one. */
void round_plan(struct round *round, struct random random, int number)
{
	memset(round, 0, sizeof(*round));
	random = random_split(random, number);
	round->number = number;
	if (number % 2 && faults_available())
		round->faults = random_below(&random, 2) ? FAULTS_ATOMIC :
				FAULTS_TASKS;

	if (number % 4) {
		round->reloads = admin_can_reload() && random_below(&random, 2);
		round->toggles = random_below(&random, 2);
		round->cancels = random_below(&random, 2);
		round->empties = random_below(&random, 2);
	}

	round->grace = !access("/proc/sys/" MIGRATE_REQ_GRACE_MS, F_OK) &&
		       random_below(&random, 4);
	round->gaps = round->grace && random_below(&random, 4);
	round->rescues = !access("/proc/sys/" MIGRATE_REQ_STALL, F_OK) &&
			 random_below(&random, 2);
	round->random = random;
}

static int configure(struct round *round)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(settings); i++) {
		if (sysctl_write(settings[i].name, settings[i].value)) {
			printf("# %s: %s\n", settings[i].name, strerror(errno));
			return -1;
		}
	}

	if (round->grace && orphans_allow(LONG_GRACE_MS))
		return -1;

	if (round->rescues)
		admin_help(round);

	return sysctl_write("net/ipv4/tcp_syncookies",
			    random_below(&round->random, 2) ? "1" : "0");
}

static int begin_group(struct round *round, int i)
{
	struct group *group = &round->groups[i];
	bool wildcard = !strcmp(addresses[i].local, "::");

	group->local = wildcard && round->gaps ? NO_WILDCARD :
		       addresses[i].local;
	group->remote = addresses[i].remote;
	group->alone = round->gaps && random_below(&round->random, 2);
	group->deserted = true;
	hazard_begin(&group->hazard);
	pthread_mutex_init(&group->lock, NULL);
	return group_open(round, group, true);
}

static int set_up(struct round *round, struct tun *tun, int parent)
{
	char byte;
	int i;

	if ((round->faults && faults_prepare()) ||
	    netns_enter() || write(parent, "", 1) != 1 ||
	    read(parent, &byte, 1) != 1 ||
	    configure(round) || tun_open(tun))
		return -1;

	close(parent);

	round->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (round->epoll < 0)
		return -1;

	pthread_rwlock_init(&round->gap, NULL);
	for (i = 0; i < GROUPS; i++) {
		if (begin_group(round, i) < 0)
			return -1;
	}

	return 0;
}

static void start(struct round *round, struct task *task, void *(*run)(void *))
{
	static int number;

	task->round = round;
	task->number = ++number;
	task->random = random_split(round->random, task->number);
	if (pthread_create(&task->thread, NULL, run, task)) {
		perror("# pthread_create");
		exit(1);
	}
}

static void join(struct task *task)
{
	pthread_join(task->thread, NULL);
}

static void check_backlogs(struct round *round)
{
	struct group *group;
	int i;

	for (group = round->groups; group < round->groups + GROUPS; group++) {
		for (i = 0; i < group->lives; i++) {
			if (!wait_until(!listener_queued(group->live[i])))
				round_fail(round, "backlog of %d on %s",
					   listener_queued(group->live[i]),
					   group->local);
		}
	}
}

/* A listener with a wrong queue length would answer no SYN without cookies. */
static void check_listeners(struct round *round, struct clients *clients)
{
	sysctl_write("net/ipv4/tcp_syncookies", "0");
	clients_probe(clients);
	check_backlogs(round);
}

/* Those of the listeners that there were in the end. */
static void check_orphans(struct round *round)
{
	if (!orphans_count())
		round_fail(round, "no listener is orphaned");

	if (orphans_allow("0") || orphans_count())
		round_fail(round, "orphaned listeners are left");
}

void round_run(struct round *round, int parent)
{
	static struct clients clients[CLIENTS];
	static struct task servers[SERVERS];
	static struct task changers[CHANGERS];
	static struct peers peers;
	static struct task admin;
	int i;

	alarm(LIMIT);
	if (set_up(round, &peers.tun, parent)) {
		round_fail(round, "cannot set up: %s", strerror(errno));
		exit(1);
	}

	if (round->faults) {
		hazard_begin(&round->hazard);
		if (faults_begin(round->faults))
			round_fail(round, "no faults: %s", strerror(errno));
	}

	for (i = 0; i < SERVERS; i++)
		start(round, &servers[i], servers_serve);
	for (i = 0; i < CHANGERS; i++)
		start(round, &changers[i], servers_change);
	for (i = 0; i < CLIENTS; i++)
		start(round, &clients[i].task, clients_connect_all);
	start(round, &peers.task, peers_send_all);
	start(round, &admin, admin_act);

	join(&admin);
	join(&peers.task);
	for (i = 0; i < CHANGERS; i++)
		join(&changers[i]);
	for (i = 0; i < CLIENTS; i++)
		join(&clients[i].task);

	if (round->faults) {
		faults_end();
		hazard_end(&round->hazard);
	}
	peers_settle(&peers);
	for (i = 0; i < CLIENTS; i++)
		clients_settle(&clients[i]);

	round->had_faults = round->faults;
	round->faults = FAULTS_NONE;
	check_listeners(round, &clients[0]);
	__atomic_store_n(&round->over, true, __ATOMIC_RELAXED);
	for (i = 0; i < SERVERS; i++)
		join(&servers[i]);

	round->counts[COUNT_MIGRATED] = counter_read(MIGRATE_SUCCESS);
	round->counts[COUNT_NOT_MIGRATED] = counter_read(MIGRATE_FAILURE);
	round->counts[COUNT_ADOPTED] = outcome_read("grace", "migrated");
	round->counts[COUNT_GIVEN_BACK] = outcome_read("unread", "migrated");
	close_range(3, ~0U, 0);
	if (round->grace)
		check_orphans(round);

	if (!state_drained())
		round_fail(round, "sockets are left");

	/* Another module has counted the rest. */
	if (!round->reloads && netns_has_module() && !outcomes_agree())
		round_fail(round, "counters disagree");

	exit(0);
}
