// SPDX-License-Identifier: GPL-2.0
/*
 * scan off|LISTENERS [waiting|stalled]
 *
 * What it costs to look once for listeners that are stalled: the whole work in which
 * that happens.
 *
 *  1. There's no listener. That's what it takes to go through the table of them.
 *  2. So many listen, in groups. Nothing waits for them; or a connection waits in each
 *     queue, not for long yet; or all are stalled, so that nothing can be moved.
 *
 * "off" is with no stall time: whether anybody looks nevertheless, in a minute.
 */
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients.h"
#include "listeners.h"
#include "netns.h"
#include "patience.h"
#include "stalls.h"
#include "stopwatch.h"
#include "work.skel.h"

#define FIRST_ADDRESS	0x7f000301	/* 127.0.3.1 */
#define MOST_LISTENERS	20000
#define GROUP		100
#define ROUNDS		9

/* With the longest stall time nothing is stalled before this program ends. */
#define LONGEST		"60000"
#define LONGEST_S	60
#define SHORTEST	"100"
#define SHORTEST_US	100000

static struct work *work;
static int listeners[MOST_LISTENERS];

static void set_stall(const char *stall)
{
	work->bss->tid = gettid();
	if (sysctl_write(MIGRATE_REQ_STALL, stall))
		fail(MIGRATE_REQ_STALL);

	work->bss->tid = 0;
}

static void await_scan(__u32 count)
{
	if (!wait_until(work->bss->count != count))
		fail("nobody looks for stalled listeners");
}

/* Whoever sets the stall time has the listeners looked at. */
static void scan(const char *stall)
{
	__u32 count = work->bss->count;

	set_stall(stall);
	await_scan(count);
}

static long measure(void)
{
	long costs[ROUNDS];
	int i;

	for (i = 0; i < ROUNDS; i++) {
		scan(LONGEST);
		costs[i] = work->bss->took;
	}

	return median(costs, ROUNDS);
}

/* The same when all have been seen before, and are stalled from now on. */
static long measure_stalled(void)
{
	long costs[ROUNDS];
	int i;

	set_stall(SHORTEST);
	usleep(4 * SHORTEST_US);
	for (i = 0; i < ROUNDS; i++) {
		await_scan(work->bss->count);
		costs[i] = work->bss->took;
	}

	return median(costs, ROUNDS);
}

static void address_of(char *address, int listener)
{
	const struct in_addr at = {
		.s_addr = htonl(FIRST_ADDRESS + listener / GROUP),
	};

	inet_ntop(AF_INET, &at, address, INET_ADDRSTRLEN);
}

static void open_all(int count)
{
	char address[INET_ADDRSTRLEN];
	int i;

	for (i = 0; i < count; i++) {
		address_of(address, i);
		listeners[i] = listener_open_unblocked(address);
		if (listeners[i] < 0)
			fail("listener_open_unblocked");
	}
}

/* Which of a group gets a connection is left to chance. */
static void fill_all(int count)
{
	char address[INET_ADDRSTRLEN];
	int clients = 0;
	int i;

	for (i = 0; i < count; i++) {
		address_of(address, i);
		while (!listener_queued(listeners[i]))
			client_open(address, clients++);
	}
}

static void measure_listeners(int count, const char *how)
{
	long none, all;
	char name[64];

	none = measure();
	open_all(count);
	if (*how)
		fill_all(count);

	all = measure();
	if (!strcmp(how, "stalled"))
		all = measure_stalled();

	if (counter_read(MIGRATE_SUCCESS))
		fail("something was moved");

	snprintf(name, sizeof(name), "scan %d%s%s", count, *how ? " " : "", how);
	report(name, "scan", all);
	report(name, "per listener", (double)(all - none) / count);
}

static void measure_off(void)
{
	__u32 count;

	scan(LONGEST);
	scan("0");
	count = work->bss->count;
	sleep(LONGEST_S);
	report("scan off", "scan",
	       work->bss->count == count ? 0 : work->bss->took);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;

	work = work__open_and_load();
	if (!work || work__attach(work))
		fail("work");

	clients_prepare();
	if (sysctl_write(MIGRATE_REQ, "1"))
		fail(MIGRATE_REQ);

	if (!strcmp(argv[1], "off"))
		measure_off();
	else
		measure_listeners(atoi(argv[1]), argc > 2 ? argv[2] : "");

	work__destroy(work);
	return 0;
}
