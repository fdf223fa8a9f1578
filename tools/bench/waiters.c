// SPDX-License-Identifier: GPL-2.0
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stopwatch.h"
#include "waiters.h"

#define MOST	(64 * WAITERS)

struct waiter {
	pthread_t thread;
	atomic_int tid;
	enum wait wait;
	int listener;
	bool accepted;
};

static struct waiter waiters[MOST];
static int started;

static void interrupt(int signal)
{
	(void)signal;
}

static void await(int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listener, &event))
		fail("epoll");

	epoll_wait(fd, &event, 1, -1);
	close(fd);
}

static void *run(void *data)
{
	struct waiter *waiter = data;
	int fd;

	waiter->tid = gettid();
	if (waiter->wait == WAIT_EPOLL) {
		await(waiter->listener);
		return NULL;
	}

	fd = accept4(waiter->listener, NULL, NULL, SOCK_CLOEXEC);
	waiter->accepted = fd >= 0;
	close(fd);
	return NULL;
}

/* The state of a thread is what follows its name. */
static bool sleeps(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file || fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		fail(path);

	fclose(file);
	return state == 'S';
}

void waiters_start(const int *listeners, int count, enum wait wait)
{
	const struct sigaction action = { .sa_handler = interrupt };
	int i;

	if (wait == WAIT_NOT)
		return;

	sigaction(SIGUSR1, &action, NULL);
	for (started = 0; started < count * WAITERS; started++) {
		struct waiter *waiter = &waiters[started];

		*waiter = (struct waiter) {
			.wait = wait,
			.listener = listeners[started / WAITERS],
		};
		if (pthread_create(&waiter->thread, NULL, run, waiter))
			fail("pthread_create");
	}

	for (i = 0; i < started; i++) {
		while (!waiters[i].tid || !sleeps(waiters[i].tid))
			usleep(1000);
	}
}

int waiters_stop(void)
{
	int accepted = 0;
	int i;

	/* Those that have been woken run first. */
	usleep(10000);
	for (i = 0; i < started; i++)
		pthread_kill(waiters[i].thread, SIGUSR1);

	for (i = 0; i < started; i++) {
		pthread_join(waiters[i].thread, NULL);
		accepted += waiters[i].accepted;
	}

	started = 0;
	return accepted;
}
