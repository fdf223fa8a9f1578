// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/listeners.h"
#include "../lib/netns.h"
#include "../lib/patience.h"
#include "admin.h"
#include "clients.h"
#include "peers.h"
#include "round.h"
#include "servers.h"
#include "state.h"

#define SERVERS		2
#define CHANGERS	2
#define CLIENTS		4

/* A round that takes longer has a thread that hangs. */
#define LIMIT		900

const char * const count_names[COUNTS] = {
	[COUNT_LISTEN]		= "listen",
	[COUNT_LISTEN_AGAIN]	= "listen again",
	[COUNT_CLOSE]		= "close",
	[COUNT_SHUTDOWN]	= "shutdown",
	[COUNT_EXIT]		= "process with listeners killed",
	[COUNT_LOAD]		= "module loaded",
	[COUNT_UNLOAD]		= "module unloaded",
	[COUNT_SYSCTL]		= "migration off and on",
	[COUNT_CHOICE]		= "choice by settings or room changed",
	[COUNT_ATTACH]		= "program attached",
	[COUNT_DETACH]		= "program detached",
	[COUNT_NAMESPACE]	= "namespace deleted",
	[COUNT_CONNECT]		= "client connects",
	[COUNT_FASTOPEN]	= "client connects with Fast Open",
	[COUNT_SYN]		= "peer's SYN",
	[COUNT_ACK]		= "peer's ACK",
	[COUNT_LATE_ACK]	= "peer's late ACK",
	[COUNT_RST]		= "peer's RST",
	[COUNT_BAD]		= "peer misbehaves",
	[COUNT_SERVED]		= "served",
	[COUNT_REFUSED]		= "refused",
	[COUNT_GONE]		= "gone before that",
	[COUNT_MIGRATED]	= "migrated",
	[COUNT_NOT_MIGRATED]	= "not migrated",
};

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

void round_count(struct round *round, enum count count)
{
	__atomic_fetch_add(&round->counts[count], 1, __ATOMIC_RELAXED);
}

void round_fail(struct round *round, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# round %d: %s\n", round->number, text);
	fflush(stdout);
	__atomic_store_n(&round->failed, true, __ATOMIC_RELAXED);
}

void round_prepare(const struct round *round, int fd)
{
	struct linger linger = { .l_onoff = 1 };

	if (round->faults)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void round_spare(const struct round *round, bool spare)
{
	if (round->faults == FAULTS_TASKS)
		faults_ask(!spare);
}

pid_t round_fork(const struct round *round)
{
	pid_t pid;

	round_spare(round, true);
	pid = fork();
	round_spare(round, false);
	return pid;
}

void hazard_begin(struct hazard *hazard)
{
	__atomic_fetch_add(&hazard->open, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&hazard->begun, 1, __ATOMIC_SEQ_CST);
}

void hazard_end(struct hazard *hazard)
{
	__atomic_fetch_sub(&hazard->open, 1, __ATOMIC_SEQ_CST);
}

/* -1 if there's one now. */
static int hazards_begun(struct hazard *hazard)
{
	int begun = __atomic_load_n(&hazard->begun, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&hazard->open, __ATOMIC_SEQ_CST) ? -1 : begun;
}

struct shelter shelter_take(struct round *round, struct group *group)
{
	return (struct shelter) {
		.group = hazards_begun(&group->hazard),
		.all = hazards_begun(&round->hazard),
	};
}

bool shelter_held(struct shelter shelter, struct round *round,
		  struct group *group)
{
	return shelter.group >= 0 && shelter.all >= 0 &&
	       hazards_begun(&group->hazard) == shelter.group &&
	       hazards_begun(&round->hazard) == shelter.all;
}

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
	round->random = random;
}

bool round_is_quiet(const struct round *round)
{
	return !round->faults && !round->reloads && !round->toggles &&
	       !round->cancels && !round->empties;
}

static int configure(struct random *random)
{
	size_t i;

	for (i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (sysctl_write(settings[i].name, settings[i].value)) {
			printf("# %s: %s\n", settings[i].name, strerror(errno));
			return -1;
		}
	}

	return sysctl_write("net/ipv4/tcp_syncookies",
			    random_below(random, 2) ? "1" : "0");
}

static int set_up(struct round *round, struct tun *tun, int parent)
{
	struct group *group;
	char byte;
	int i;

	if ((round->faults && faults_prepare()) ||
	    netns_enter() || write(parent, "", 1) != 1 ||
	    read(parent, &byte, 1) != 1 ||
	    configure(&round->random) || tun_open(tun))
		return -1;

	close(parent);

	round->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (round->epoll < 0)
		return -1;

	for (i = 0; i < GROUPS; i++) {
		group = &round->groups[i];
		group->local = addresses[i].local;
		group->remote = addresses[i].remote;
		pthread_mutex_init(&group->lock, NULL);
		hazard_begin(&group->hazard);
		if (group_open(round, group, true) < 0)
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
	int i, waited, queued;

	for (group = round->groups; group < round->groups + GROUPS; group++) {
		for (i = 0; i < group->lives; i++) {
			for (waited = 0; waited < PATIENCE_MS; waited += 10) {
				queued = listener_queued(group->live[i]);
				if (!queued)
					break;
				usleep(10000);
			}
			if (queued)
				round_fail(round, "backlog of %d on %s", queued,
					   group->local);
		}
	}
}

/* A listener with a wrong queue length would answer no SYN without cookies. */
static void check_listeners(struct round *round, struct clients *clients)
{
	struct group *group;

	for (group = round->groups; group < round->groups + GROUPS; group++) {
		if (!group->lives && group_open(round, group, true) < 0)
			round_fail(round, "no listener on %s in the end",
				   group->local);
	}

	sysctl_write("net/ipv4/tcp_syncookies", "0");
	clients_probe(clients);
	check_backlogs(round);
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
	close_range(3, ~0U, 0);
	if (!state_drained())
		round_fail(round, "sockets are left");

	exit(0);
}
