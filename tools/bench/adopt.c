// SPDX-License-Identifier: GPL-2.0
/*
 * adopt CHILDREN
 *
 * What it costs to end an orphaned listener whose children go to a successor, or to
 * several of them: the whole work in which that happens.
 *
 *  1. Clients connect to the only listener; nobody accepts.
 *  2. It's closed, and goes on as an orphan.
 *  3. The successors listen. When they have had time for that, the orphan ends: all
 *     of its children are migrated.
 *  4. Another listener joins their group, and they are closed: it gets all children,
 *     for the next round.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clients.h"
#include "ending.skel.h"
#include "netns.h"
#include "orphans.h"
#include "patience.h"
#include "stopwatch.h"

#define MOST_SUCCESSORS	4
#define ROUNDS		5

static struct ending *ending;
static int source;

static long adopt(int children, int count)
{
	long migrated = counter_read(MIGRATE_SUCCESS);
	int successors[MOST_SUCCESSORS];
	__u32 ended = ending->bss->count;
	int i;

	close(source);
	for (i = 0; i < count; i++)
		successors[i] = server_open(SERVER);

	if (!wait_until(ending->bss->count != ended) ||
	    counter_read(MIGRATE_SUCCESS) != migrated + children)
		fail("not all children were migrated");

	source = server_open(SERVER);
	for (i = 0; i < count; i++)
		close(successors[i]);

	return ending->bss->took;
}

static long measure(int children, int count)
{
	long costs[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++)
		costs[i] = adopt(children, count);

	return median(costs, ROUNDS);
}

int main(int argc, char **argv)
{
	static const int counts[] = { 1, MOST_SUCCESSORS };
	long empty[2], cost;
	char name[64];
	int children, i;

	if (argc < 2)
		return 2;

	children = atoi(argv[1]);
	ending = ending__open_and_load();
	if (!ending || ending__attach(ending))
		fail("ending");

	clients_prepare();
	orphans_allow();
	source = server_open(SERVER);
	for (i = 0; i < 2; i++)
		empty[i] = measure(0, counts[i]);

	for (i = 0; i < children; i++)
		client_open(SERVER, i);

	for (i = 0; i < 2; i++) {
		cost = measure(children, counts[i]);
		snprintf(name, sizeof(name), "close %d %d adopted", children,
			 counts[i]);
		report(name, "total", cost);
		report(name, "per child", (double)(cost - empty[i]) / children);
	}

	orphans_end();
	ending__destroy(ending);
	return 0;
}
