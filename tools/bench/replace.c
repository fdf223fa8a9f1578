// SPDX-License-Identifier: GPL-2.0
/*
 * replace SECONDS
 *
 * How many connections a second are made, accepted, served and closed while the
 * listener is replaced by another every second.
 *
 *  1. A listener, with a thread that accepts and sends a byte. Threads of clients
 *     connect, receive it and close, again and again.
 *  2. Every second another listener and its thread join; then the former thread
 *     ends and its listener is closed.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "listeners.h"
#include "netns.h"
#include "stopwatch.h"

#define CLIENTS	16

struct acceptor {
	pthread_t thread;
	int listener;
	atomic_bool stop;
};

static atomic_bool over;
static atomic_long served, lost;

static void interrupt(int signal)
{
	(void)signal;
}

static void *serve(void *data)
{
	struct acceptor *acceptor = data;
	int fd;

	while (!acceptor->stop) {
		fd = accept4(acceptor->listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;

		send(fd, "", 1, MSG_NOSIGNAL);
		close(fd);
	}

	return NULL;
}

static void *ask(void *data)
{
	const struct linger reset = { .l_onoff = 1 };
	union address to;
	socklen_t len;
	char byte;
	int fd;

	(void)data;
	len = address_parse(&to, SERVER);
	while (!over) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset,
					 sizeof(reset)))
			fail("socket");

		if (!connect(fd, &to.any, len) && recv(fd, &byte, 1, 0) == 1)
			served++;
		else
			lost++;

		close(fd);
	}

	return NULL;
}

static void acceptor_start(struct acceptor *acceptor)
{
	acceptor->listener = server_open(SERVER);
	acceptor->stop = false;
	if (pthread_create(&acceptor->thread, NULL, serve, acceptor))
		fail("pthread_create");
}

/* The signal may come just before accept() does. */
static void acceptor_stop(struct acceptor *acceptor)
{
	acceptor->stop = true;
	do {
		pthread_kill(acceptor->thread, SIGUSR1);
		usleep(1000);
	} while (pthread_tryjoin_np(acceptor->thread, NULL));

	close(acceptor->listener);
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = interrupt };
	struct acceptor acceptors[2];
	pthread_t clients[CLIENTS];
	int seconds, i;
	long begin;

	if (argc < 2)
		return 2;

	seconds = atoi(argv[1]);
	sigaction(SIGUSR1, &action, NULL);
	clients_prepare();
	if (sysctl_write(MIGRATE_REQ, "1"))
		fail(MIGRATE_REQ);

	acceptor_start(&acceptors[0]);
	begin = now();
	for (i = 0; i < CLIENTS; i++) {
		if (pthread_create(&clients[i], NULL, ask, NULL))
			fail("pthread_create");
	}

	for (i = 0; i < seconds; i++) {
		sleep(1);
		acceptor_start(&acceptors[(i + 1) % 2]);
		acceptor_stop(&acceptors[i % 2]);
	}

	over = true;
	report("replace", "a second", served / ((now() - begin) / 1e9));
	for (i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);

	report("replace", "lost", lost);
	report("replace", "migrated", counter_read(MIGRATE_SUCCESS));
	return 0;
}
