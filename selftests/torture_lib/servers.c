// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/listeners.h"
#include "../lib/orphans.h"
#include "../lib/patience.h"
#include "admin.h"
#include "servers.h"

#define SLOTS		8
#define CHANGES		60
#define PROCESS_MAX	8	/* listeners of a process that's killed */
#define GAP_US		100000
#define HANG_US		300000

/* A listener of the thread that has opened it; also one that was shut down. */
struct slot {
	struct group *group;
	int fd;		/* or -1 */
	bool live;
	bool served;
};

static bool group_join(struct group *group, int fd)
{
	bool room;

	pthread_mutex_lock(&group->lock);
	room = group->lives < GROUP_MAX;
	if (room) {
		if (group->deserted)
			hazard_end(&group->hazard);
		group->deserted = false;
		group->live[group->lives++] = fd;
	}
	pthread_mutex_unlock(&group->lock);
	return room;
}

/* Whether a listener may stop, which there's to be another for soon if @gap. */
static bool group_leave(struct round *round, struct group *group, int fd,
			bool gap)
{
	bool may;
	int i;

	pthread_mutex_lock(&group->lock);
	may = group->lives > 1 || gap || round->empties;
	if (may) {
		group->deserted = group->lives == 1 && !gap;
		if (group->deserted)
			hazard_begin(&group->hazard);
		for (i = 0; group->live[i] != fd; i++)
			;
		group->live[i] = group->live[--group->lives];
	}
	pthread_mutex_unlock(&group->lock);
	return may;
}

/* Edge-triggered: who isn't woken once doesn't serve. */
static int listener_watch(struct round *round, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	return epoll_ctl(round->epoll, EPOLL_CTL_ADD, fd, &event);
}

static bool group_is_empty(struct group *group)
{
	bool empty;

	pthread_mutex_lock(&group->lock);
	empty = !group->lives;
	pthread_mutex_unlock(&group->lock);
	return empty;
}

static int group_listen(const struct group *group)
{
	const struct server server = {
		.address = group->local,
		.option = group->alone ? SO_REUSEADDR : SO_REUSEPORT,
	};

	return server_listen(&server);
}

int group_open(struct round *round, struct group *group, bool served)
{
	int fd = group_listen(group);

	if (fd < 0)
		return -1;

	/* All of them: who serves may come too late, and find another. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	round_prepare(round, fd);
	if ((served && listener_watch(round, fd)) || !group_join(group, fd)) {
		close(fd);
		return -1;
	}

	round_count(round, COUNT_LISTEN);
	return fd;
}

static void set_option(struct random *random, int fd)
{
	int one = 1, cpu = random_below(random, 2);

	switch (random_below(random, 8)) {
	case 0:
		setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, &one, sizeof(one));
		break;
	case 1:
		setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &one, sizeof(one));
		break;
	case 2:
		setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu));
		break;
	}
}

static bool slot_open(struct task *task, struct slot *slot, struct group *group)
{
	struct round *round = task->round;

	slot->group = group;
	slot->served = random_below(&task->random, 2);
	slot->fd = group_open(round, group, slot->served);
	if (slot->fd < 0) {
		if (!round->faults && !(group->alone && errno == EADDRINUSE))
			round_fail(round, "no listener on %s: %s",
				   group->local, strerror(errno));
		return false;
	}

	slot->live = true;
	set_option(&task->random, slot->fd);
	admin_offer(&task->random, slot->fd);
	return true;
}

/* As soon as there's memory, and no process that is about to be killed listens. */
static void slot_fill(struct task *task, struct slot *slot)
{
	struct group *group = slot->group;

	if (!wait_until(!group_is_empty(group) || slot_open(task, slot, group)))
		round_fail(task->round, "no other listener on %s: %s",
			   group->local, strerror(errno));
}

static void slot_close(struct task *task, struct slot *slot)
{
	struct round *round = task->round;

	pthread_rwlock_rdlock(&round->gap);
	if (slot->live && !group_leave(round, slot->group, slot->fd, round->gaps))
		goto out;

	close(slot->fd);
	slot->fd = -1;
	round_count(round, COUNT_CLOSE);
	if (round->gaps && group_is_empty(slot->group)) {
		round_count(round, COUNT_GAP);
		usleep(random_below(&task->random, GAP_US));
		slot_fill(task, slot);
	}
out:
	pthread_rwlock_unlock(&round->gap);
}

static void slot_shut_down(struct task *task, struct slot *slot)
{
	int how = random_below(&task->random, 2) ? SHUT_RDWR : SHUT_RD;

	if (!group_leave(task->round, slot->group, slot->fd, false))
		return;

	if (shutdown(slot->fd, how))
		round_fail(task->round, "shutdown: %s", strerror(errno));

	slot->live = false;
	round_count(task->round, COUNT_SHUTDOWN);
}

static void slot_listen_again(struct task *task, struct slot *slot)
{
	struct round *round = task->round;

	if (listener_restart(slot->fd)) {
		if (!round->faults)
			round_fail(round, "listen() again on %s: %s",
				   slot->group->local, strerror(errno));
		return;
	}

	/* It's no hazard that it listens before it's in the list. */
	slot->live = group_join(slot->group, slot->fd);
	if (!slot->live) {
		close(slot->fd);
		slot->fd = -1;
	}
	round_count(round, COUNT_LISTEN_AGAIN);
}

/*
 * Listeners of a process that's killed. What it accepts is given back, or else nobody
 * accepts there.
 */
static void process_listen(struct round *round, struct random *random, int ready)
{
	int count = 2 + random_below(random, PROCESS_MAX - 1);
	struct pollfd listeners[PROCESS_MAX];
	int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(ready, 3);
	close_range(4, ~0U, 0);
	for (i = 0; i < count; i++) {
		listeners[i].fd = group_listen(&round->groups[random_below(random, GROUPS)]);
		listeners[i].events = POLLIN;
	}

	close(3);
	while (round->rescues && poll(listeners, count, -1) > 0) {
		for (i = 0; i < count; i++) {
			if (listeners[i].revents)
				accept(listeners[i].fd, NULL, NULL);
		}
	}
	for (;;)
		pause();
}

static void process_start_and_kill(struct task *task)
{
	struct random random = random_split(task->random, 1);
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return;

	pid = round_fork(task->round);
	if (!pid)
		process_listen(task->round, &random, ready[1]);

	close(ready[1]);
	if (pid > 0) {
		/* Closed when it listens, or if it couldn't. */
		(void)!read(ready[0], &byte, 1);
		usleep(random_below(&task->random, HANG_US));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		round_count(task->round, COUNT_EXIT);
	}
	close(ready[0]);
}

static void slot_change(struct task *task, struct slot *slot)
{
	struct round *round = task->round;

	if (slot->fd < 0)
		slot_open(task, slot,
			  &round->groups[random_below(&task->random, GROUPS)]);
	else if (!slot->live && random_below(&task->random, 3))
		slot_listen_again(task, slot);
	else if (!slot->live || slot->group->alone ||
		 random_below(&task->random, 3))
		slot_close(task, slot);
	else
		slot_shut_down(task, slot);
}

/* What nobody has served so far, and what didn't stop, either. */
static void slot_serve(struct task *task, struct slot *slot)
{
	int tries = 0;

	while (slot->fd >= 0 && !slot->served) {
		slot->served = !listener_watch(task->round, slot->fd);
		if (!slot->served && (!task->round->faults || ++tries == 100)) {
			round_fail(task->round, "epoll: %s", strerror(errno));
			return;
		}
	}
}

/* Each thread has the first listeners of some groups. */
static void slots_begin(struct task *task, struct slot *slots)
{
	struct group *group;
	int i;

	for (i = 0; i < SLOTS; i++) {
		slots[i].fd = -1;
		if (i >= GROUPS || i % CHANGERS != task->number % CHANGERS)
			continue;

		group = &task->round->groups[i];
		slots[i].group = group;
		pthread_mutex_lock(&group->lock);
		slots[i].fd = group->live[0];
		pthread_mutex_unlock(&group->lock);
		slots[i].live = true;
		slots[i].served = true;
	}
}

/* Peers wait until there's a listener. */
static void group_settle(struct round *round, struct group *group)
{
	if (!wait_until(!group_is_empty(group) ||
			group_open(round, group, true) >= 0))
		round_fail(round, "no listener on %s in the end: %s",
			   group->local, strerror(errno));
}

void *servers_change(void *data)
{
	struct task *task = data;
	struct slot slots[SLOTS];
	int i;

	slots_begin(task, slots);
	round_spare(task->round, false);

	for (i = 0; i < CHANGES; i++) {
		if (random_rarely(&task->random, 12))
			process_start_and_kill(task);
		else
			slot_change(task, &slots[random_below(&task->random, SLOTS)]);
		usleep(random_below(&task->random, 200000));
	}

	for (i = 0; i < GROUPS; i++)
		group_settle(task->round, &task->round->groups[i]);
	for (i = 0; i < SLOTS; i++)
		slot_serve(task, &slots[i]);

	return NULL;
}

/* What epoll knows it by is negative. */
static void connection_watch(struct round *round, int fd, int how)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLONESHOT,
		.data.fd = ~fd,
	};

	if (epoll_ctl(round->epoll, how, fd, &event))
		close(fd);
}

/* All that's in the queue, for nobody tells twice. */
static void accept_all(struct round *round, int listener)
{
	int fd;

	for (;;) {
		fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			round_prepare(round, fd);
			connection_watch(round, fd, EPOLL_CTL_ADD);
			continue;
		}

		/* Without memory the connection stays in the queue. */
		if (errno != ENOMEM && errno != ENOBUFS && errno != ENFILE &&
		    errno != ECONNABORTED && errno != EINTR)
			return;
	}
}

/* Sends the number back; the client closes first. */
static void connection_answer(struct round *round, int fd)
{
	int number;

	if (recv(fd, &number, sizeof(number), 0) == sizeof(number) &&
	    send(fd, &number, sizeof(number), MSG_NOSIGNAL) == sizeof(number))
		connection_watch(round, fd, EPOLL_CTL_MOD);
	else
		close(fd);
}

/* At times it's slow, so that there's a queue when its listener stops. */
void *servers_serve(void *data)
{
	struct task *task = data;
	struct round *round = task->round;
	struct epoll_event event;

	while (!__atomic_load_n(&round->over, __ATOMIC_RELAXED)) {
		if (epoll_wait(round->epoll, &event, 1, 100) != 1)
			continue;

		if (event.data.fd < 0) {
			connection_answer(round, ~event.data.fd);
			continue;
		}
		if (random_below(&task->random, 2))
			usleep(random_below(&task->random, 50000));
		accept_all(round, event.data.fd);
	}

	return NULL;
}
