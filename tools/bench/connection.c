// SPDX-License-Identifier: GPL-2.0
/*
 * connection absent|off|on
 *
 * What it costs to connect, accept and close on both sides: a connection that
 * never migrates.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "listeners.h"
#include "netns.h"
#include "stopwatch.h"

#define CONNECTIONS	2001

static int server;

static long timed_connection(int number)
{
	int client = client_bind(number);
	union address to;
	socklen_t len;
	long begin;
	int child;

	len = address_parse(&to, SERVER);
	begin = now();
	if (connect(client, &to.any, len))
		fail("connect");

	child = accept4(server, NULL, NULL, SOCK_CLOEXEC);
	if (child < 0)
		fail("accept");

	close(client);
	close(child);
	return now() - begin;
}

int main(int argc, char **argv)
{
	long costs[CONNECTIONS];
	char name[64];
	int i;

	if (argc < 2)
		return 2;

	clients_prepare();
	if (!strcmp(argv[1], "on") && sysctl_write(MIGRATE_REQ, "1"))
		fail(MIGRATE_REQ);

	server = server_open(SERVER);
	for (i = 0; i < CONNECTIONS; i++)
		costs[i] = timed_connection(i);

	snprintf(name, sizeof(name), "connection %s", argv[1]);
	report(name, "each", median(costs, CONNECTIONS));
	return 0;
}
