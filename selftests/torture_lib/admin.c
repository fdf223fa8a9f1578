// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/filters.h"
#include "../lib/listeners.h"
#include "../lib/module.h"
#include "../lib/netns.h"
#include "../lib/orphans.h"
#include "../lib/segments.h"
#include "../lib/stalls.h"
#include "../lib/workers.h"
#include "admin.h"
#include "torture.skel.h"

#define ACTS		20
#define MIGRATE_MATCH	MIGRATE_REQ "_match"
#define MIGRATE_BALANCE	MIGRATE_REQ "_balance"
#define MAX_LISTENERS	32	/* that programs know */

static struct torture *bpf;

int admin_load_programs(void)
{
	bpf = torture__open_and_load();
	return bpf ? 0 : -1;
}

bool admin_can_reload(void)
{
	return getenv("TCP_MIGRATE_KO") && module_loaded();
}

void admin_offer(struct random *random, int listener)
{
	__u32 key = random_below(random, MAX_LISTENERS);
	__u64 value = listener;

	/* Without memory it isn't offered. */
	bpf_map__update_elem(bpf->maps.listeners, &key, sizeof(key), &value,
			     sizeof(value), BPF_ANY);
}

static void pause_a_while(struct random *random)
{
	usleep(random_below(random, 300000));
}

/* Where memory is short, some things want to be tried more than once. */
static void try_write(struct round *round, const char *name, const char *value)
{
	int tries;

	for (tries = 0; sysctl_write(name, value); tries++) {
		if (!round->faults || tries == 100) {
			round_fail(round, "cannot write %s to %s: %s", value,
				   name, strerror(errno));
			return;
		}
	}
}

/* How a listener is chosen; of no consequence for whether there's one. */
static void change_choice(struct task *task)
{
	const char *name = random_below(&task->random, 2) ? MIGRATE_MATCH :
			   MIGRATE_BALANCE;
	const char *value = random_below(&task->random, 2) ? "1" : "0";

	if (!sysctl_write(name, value))
		round_count(task->round, COUNT_CHOICE);
	else if (!task->round->faults && errno != ENOENT)
		round_fail(task->round, "%s: %s", name, strerror(errno));
}

static void toggle_sysctl(struct task *task)
{
	struct round *round = task->round;

	hazard_begin(&round->hazard);
	try_write(round, MIGRATE_REQ, "0");
	pause_a_while(&task->random);
	try_write(round, MIGRATE_REQ, "1");
	hazard_end_after_gaps(round);
	round_count(round, COUNT_SYSCTL);
}

/* A stall time that slow servers exceed, now and then. */
void admin_help(struct round *round)
{
	try_write(round, MIGRATE_REQ_STALL, "100");
	try_write(round, MIGRATE_REQ_UNREAD, "2");
}

static void toggle_grace(struct task *task)
{
	struct round *round = task->round;

	hazard_begin(&round->hazard);
	try_write(round, MIGRATE_REQ_GRACE_MS, "0");
	pause_a_while(&task->random);
	try_write(round, MIGRATE_REQ_GRACE_MS, LONG_GRACE_MS);
	hazard_end_after_gaps(round);
	round_count(round, COUNT_GRACE);
}

static void module_out(struct round *round)
{
	if (module_unload())
		round_fail(round, "cannot unload the module: %s", strerror(errno));
	else
		round_count(round, COUNT_UNLOAD);
}

static void module_in(struct round *round, const char *parameters)
{
	/* It takes too many allocations, and the kernel tells of those that fail. */
	round_spare(round, true);
	if (module_load(parameters))
		round_fail(round, "cannot load the module: %s", strerror(errno));
	else
		round_count(round, COUNT_LOAD);
	round_spare(round, false);
}

static void reload_module(struct task *task)
{
	struct round *round = task->round;

	hazard_begin(&round->hazard);
	module_out(round);
	pause_a_while(&task->random);
	module_in(round, random_below(&task->random, 2) ? "migrate_req=1" : "");
	try_write(round, MIGRATE_REQ, "1");
	if (round->grace)
		try_write(round, MIGRATE_REQ_GRACE_MS, LONG_GRACE_MS);
	if (round->rescues)
		admin_help(round);
	hazard_end_after_gaps(round);
}

static int attach(int listener, const struct bpf_program *program)
{
	return group_attach(listener, bpf_program__fd(program));
}

static int steer(const struct round *round, int listener, __u32 index)
{
	int ret;

	/* As there, for a program of classic BPF. */
	round_spare(round, true);
	ret = group_steer(listener, index);
	round_spare(round, false);
	return ret;
}

static int attach_any(const struct round *round, struct random *random,
		      int listener)
{
	switch (random_below(random, 3)) {
	case 0:
		return attach(listener, bpf->progs.choose);
	case 1:
		return attach(listener, bpf->progs.choose_new);
	default:
		return steer(round, listener, random_below(random, 8));
	}
}

/* The lock keeps a listener of the group from being closed meanwhile. */
static int program_change(const struct round *round, struct group *group,
			  struct random *random, bool cancel)
{
	int ret = -1;

	pthread_mutex_lock(&group->lock);
	if (group->lives)
		ret = cancel ? attach(group->live[0], bpf->progs.cancel) :
		      attach_any(round, random, group->live[0]);
	pthread_mutex_unlock(&group->lock);
	return ret;
}

static int program_remove(struct group *group)
{
	int ret = -1;

	errno = ENOENT;
	pthread_mutex_lock(&group->lock);
	if (group->lives)
		ret = group_detach(group->live[0]);
	pthread_mutex_unlock(&group->lock);
	return ret;
}

static void change_program(struct task *task)
{
	struct round *round = task->round;
	struct group *group = &round->groups[random_below(&task->random, GROUPS)];
	bool cancel = round->cancels && random_below(&task->random, 2);

	if (group->alone)
		return;

	if (cancel)
		hazard_begin(&group->hazard);

	if (!program_change(round, group, &task->random, cancel)) {
		round_count(round, COUNT_ATTACH);
		pause_a_while(&task->random);
	}

	/* Others are left to be replaced, or to go with their group. */
	if (!cancel && random_below(&task->random, 2))
		return;

	if (!program_remove(group))
		round_count(round, COUNT_DETACH);
	else if (errno != ENOENT)
		round_fail(round, "cannot detach a program: %s", strerror(errno));

	/*
	 * A group that has lost all listeners keeps its program, and is found
	 * again when one that was shut down listens again.
	 */
	if (cancel && !round->empties && !round->gaps)
		hazard_end(&group->hazard);
}

/*
 * Listeners in a namespace of their own, one of which has stopped, with clients
 * in their queues and peers in handshakes with them. It goes on until something
 * can't be had, and ends there. Orphaned listeners keep the namespace for a while.
 */
static void namespace_begin(const struct round *round, struct random *random,
			    int parent)
{
	const char *address = random_below(random, 2) ? TUN_IPV4 : TUN_IPV6;
	int clients = random_below(random, 4);
	int peers = random_below(random, 4);
	char grace_ms[16], byte;
	struct peer peer;
	struct tun tun;
	int fd, i;

	if (netns_enter() ||
	    sysctl_write("net/ipv6/conf/default/accept_dad", "0") ||
	    write(parent, "", 1) != 1 || read(parent, &byte, 1) != 1 ||
	    sysctl_write(MIGRATE_REQ, "1") || tun_open(&tun))
		return;

	/* A client whose address goes before its connection soon gives up. */
	sysctl_write("net/ipv4/tcp_orphan_retries", "1");

	snprintf(grace_ms, sizeof(grace_ms), "%u", random_below(random, 500));
	if (round->grace)
		sysctl_write(MIGRATE_REQ_GRACE_MS, grace_ms);

	fd = listener_open(address);
	for (i = 0; i < clients; i++)
		round_prepare(round, client_connect(address, i));

	for (i = 0; i < peers; i++) {
		peer_init(&peer, &tun, address, FIRST_PORT + i);
		peer_syn(&peer);
	}

	listener_open(address);
	close(fd);
	if (random_below(random, 2))
		return;

	fd = listener_open(address);
	shutdown(fd, SHUT_RDWR);
	listener_restart(fd);
}

static void use_namespace(struct task *task)
{
	struct random random = random_split(task->random, 1);
	struct round *round = task->round;
	char name[16], byte;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return;

	snprintf(name, sizeof(name), "below%ld", round->counts[COUNT_NAMESPACE]);
	pid = round_fork(round);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pair[1], 3);
		close_range(4, ~0U, 0);
		namespace_begin(round, &random, 3);
		_exit(0);
	}

	close(pair[1]);
	if (pid > 0 && read(pair[0], &byte, 1) == 1 &&
	    (round->faults || !netns_tie(name, pid)))
		(void)!write(pair[0], "", 1);

	/* Where nothing could be written, for lack of memory, it reads this. */
	close(pair[0]);
	if (pid < 0)
		return;

	waitpid(pid, NULL, 0);
	if (!netns_gone(name))
		round_fail(round, "a namespace doesn't go away");
	round_count(round, COUNT_NAMESPACE);
}

void *admin_act(void *data)
{
	struct task *task = data;
	struct round *round = task->round;
	int i;

	round_spare(round, false);

	for (i = 0; i < ACTS; i++) {
		switch (random_below(&task->random, 8)) {
		case 0:
		case 1:
			if (!round->toggles)
				break;
			if (round->grace && random_below(&task->random, 2))
				toggle_grace(task);
			else
				toggle_sysctl(task);
			break;
		case 2:
		case 3:
			if (round->reloads)
				reload_module(task);
			break;
		case 4:
			use_namespace(task);
			break;
		case 5:
			change_choice(task);
			break;
		default:
			change_program(task);
			break;
		}
		pause_a_while(&task->random);
	}

	return NULL;
}
