// SPDX-License-Identifier: GPL-2.0
/*
 * connect live|orphan [OTHERS [same]]
 *
 * What it costs to connect to a listener, or to an orphaned one: connect() on the
 * loopback device, which returns when the connection is in the accept queue. There may
 * be other orphans, on other addresses, with other ports or the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "listeners.h"
#include "netns.h"
#include "orphans.h"
#include "stopwatch.h"

#define CONNECTIONS	2001

static long timed_connect(int number)
{
	int client = client_bind(number);
	union address to;
	socklen_t len;
	long begin;

	len = address_parse(&to, SERVER);
	begin = now();
	if (connect(client, &to.any, len))
		fail("connect");

	return now() - begin;
}

int main(int argc, char **argv)
{
	int others = argc > 2 ? atoi(argv[2]) : 0;
	bool same = argc > 3;
	long costs[CONNECTIONS];
	char name[64];
	bool orphan;
	int server;
	int i;

	if (argc < 2)
		return 2;

	orphan = !strcmp(argv[1], "orphan");
	clients_prepare();
	if (orphan) {
		orphans_allow();
		orphans_make(others, same);
	}

	server = server_open(SERVER);
	if (orphan)
		close(server);

	for (i = 0; i < CONNECTIONS; i++)
		costs[i] = timed_connect(i);

	snprintf(name, sizeof(name), "connect %s%s%s%s", argv[1],
		 others ? " " : "", others ? argv[2] : "", same ? " same" : "");
	report(name, "each", median(costs, CONNECTIONS));
	if (orphan)
		orphans_end();

	return 0;
}
