// SPDX-License-Identifier: GPL-2.0
/*
 * close CHILDREN,… DESTINATIONS,… [accept|epoll|program|settled|grace]
 *
 * What it costs to close a listener, for each of the numbers of children in its
 * accept queue and of other listeners; or what it costs in all, with what the
 * kernel puts off until later; or where a listener could go on without a process
 * if it were the last one.
 *
 *  1. Clients connect to the only listener, the source; nobody accepts.
 *  2. The destinations join its group. One more listener joins and is closed:
 *     that's what an empty one costs here.
 *  3. Threads wait on the destinations, or a program is attached that chooses
 *     among them.
 *  4. The source is closed: all of its children are migrated.
 *  5. Another source joins, and the destinations are closed: it gets all
 *     children, for the next round.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bh_off.skel.h"
#include "chooser.h"
#include "clients.h"
#include "memory.skel.h"
#include "netns.h"
#include "orphans.h"
#include "stopwatch.h"
#include "waiters.h"

#define MOST_DESTINATIONS	64
#define MOST_NUMBERS		16
#define ROUNDS			5
#define ROUNDS_SETTLED		21

static bool with_program, settled, with_grace;
static enum wait wait;
static const char *how = "";

static int opened;	/* clients, so far */
static int queued;	/* of their connections, how many wait on the source */

static int source;
static int destinations[MOST_DESTINATIONS];

static long close_undisturbed(int fd, bool *watching)
{
	bool ignored;
	long begin, end;

	watching = watching ?: &ignored;
	undisturbed();
	*watching = true;
	begin = now();
	close(fd);
	end = now();
	*watching = false;
	undisturbed_over();
	return end - begin;
}

/* The same with all that runs in the time that spin() takes. */
static long close_settled(int fd)
{
	long begin, end;

	begin = now();
	close(fd);
	spin();
	end = now();
	spin();
	return end - begin - (now() - end);
}

static long timed_close(int fd, bool *watching)
{
	return settled ? close_settled(fd) : close_undisturbed(fd, watching);
}

/*
 * Returns what the closing cost, and what that of an empty listener did. A tracing
 * program may be told when it happens.
 */
static long migrate(int children, int count, long *empty, bool *watching)
{
	long migrated = counter_read(MIGRATE_SUCCESS);
	long cost;
	int i;

	for (; queued < children; queued++)
		client_open(SERVER, opened++);

	for (i = 0; i < count; i++)
		destinations[i] = server_open(SERVER);

	if (with_program)
		chooser_attach(destinations, count);

	waiters_start(destinations, count, wait);
	*empty = timed_close(server_open(SERVER), NULL);
	cost = timed_close(source, watching);
	if (counter_read(MIGRATE_SUCCESS) != migrated + children)
		fail("not all children were migrated");

	source = server_open(SERVER);
	if (with_program)
		chooser_detach(source);

	queued -= waiters_stop();
	for (i = 0; i < count; i++)
		close(destinations[i]);

	return cost;
}

/* What is watched is slower: it's done once more for each program. */
static void measure_bh_off(const char *name, int children, int count)
{
	struct bh_off *bh_off = bh_off__open_and_load();
	long empty;

	if (!bh_off || bh_off__attach(bh_off))
		fail("bh_off");

	bh_off->bss->tid = gettid();
	migrate(children, count, &empty, &bh_off->bss->watching);
	report(name, "BH off", bh_off->bss->longest);
	bh_off__destroy(bh_off);
}

static void measure_memory(const char *name, int children, int count)
{
	struct memory *memory = memory__open_and_load();
	long empty;

	if (!memory || memory__attach(memory))
		fail("memory");

	memory->bss->tid = gettid();
	migrate(children, count, &empty, &memory->bss->watching);
	report(name, "allocations", memory->bss->allocations);
	report(name, "bytes", memory->bss->bytes);
	memory__destroy(memory);
}

static void measure(int children, int count)
{
	int rounds = settled ? ROUNDS_SETTLED : ROUNDS;
	long costs[ROUNDS_SETTLED], empty[ROUNDS_SETTLED];
	char name[64];
	long cost;
	int i;

	for (i = 0; i < rounds; i++)
		costs[i] = migrate(children, count, &empty[i], NULL);

	snprintf(name, sizeof(name), "close %d %d%s%s", children, count,
		 *how ? " " : "", how);
	cost = median(costs, rounds);
	report(name, "total", cost);
	if (settled)
		return;

	report(name, "per child",
	       (double)(cost - median(empty, rounds)) / children);

	/* Not in user-mode Linux. */
	if (!access("/sys/kernel/btf/vmlinux", F_OK)) {
		measure_bh_off(name, children, count);
		measure_memory(name, children, count);
	}
}

/* The numbers in a list; returns how many there are. */
static int parse(char *list, int *numbers, int most)
{
	int count = 0;
	char *number;

	while (count < most && (number = strsep(&list, ",")))
		numbers[count++] = atoi(number);

	return count;
}

int main(int argc, char **argv)
{
	int children[MOST_NUMBERS], counts[MOST_NUMBERS];
	int rows, columns, i, j;

	if (argc < 3)
		return 2;

	rows = parse(argv[1], children, MOST_NUMBERS);
	columns = parse(argv[2], counts, MOST_NUMBERS);

	if (argc > 3)
		how = argv[3];
	if (!strcmp(how, "accept"))
		wait = WAIT_ACCEPT;
	if (!strcmp(how, "epoll"))
		wait = WAIT_EPOLL;
	with_program = !strcmp(how, "program");
	settled = !strcmp(how, "settled");
	with_grace = !strcmp(how, "grace");

	clients_prepare();
	if (sysctl_write(MIGRATE_REQ, "1"))
		fail(MIGRATE_REQ);
	if (with_grace)
		orphans_allow();

	source = server_open(SERVER);
	for (i = 0; i < rows; i++) {
		for (j = 0; j < columns; j++)
			measure(children[i], counts[j]);
	}

	if (with_grace)
		orphans_end();

	return 0;
}
