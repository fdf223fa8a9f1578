// SPDX-License-Identifier: GPL-2.0
/*
 * handshake ack|timer [program]
 *
 * What it costs to migrate a connection in the middle of its handshake, to the
 * end of the kernel's work: the write() to a TUN device that brings the final
 * ACK, or the run of the SYN+ACK timer.
 *
 *  1. A listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, and a program chooses it, if one is to;
 *     the first one closes.
 *  3. Each peer sends the final ACK, or is silent until the SYN+ACK is sent
 *     again.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "chooser.h"
#include "clients.h"
#include "netns.h"
#include "segments.h"
#include "stopwatch.h"
#include "timer.skel.h"

#define PEERS	64

static struct peer peers[PEERS];
static long costs[PEERS];

static void final_acks(void)
{
	long begin;
	int i;

	for (i = 0; i < PEERS; i++) {
		begin = now();
		peer_ack(&peers[i]);
		costs[i] = now() - begin;
	}
}

static void timeouts(const struct timer *timer)
{
	int i;

	if (peers_synack(peers, PEERS) != PEERS || timer->bss->count != PEERS)
		fail("not all timers have run");

	for (i = 0; i < PEERS; i++)
		costs[i] = timer->bss->runs[i];

	/* Or else they run again, in whatever is measured next. */
	if (peers_ack(peers, PEERS) != PEERS)
		fail("peers_ack");
}

int main(int argc, char **argv)
{
	struct timer *timer = NULL;
	bool program = argc > 2;
	char name[64];
	struct tun tun;
	int from, to;

	if (argc < 2)
		return 2;

	if (!strcmp(argv[1], "timer")) {
		timer = timer__open_and_load();
		if (!timer || timer__attach(timer))
			fail("timer");
		/*
		 * Each runs once. Where instructions are the clock, it runs on
		 * while the host reads a page of this program.
		 */
		if (mlockall(MCL_CURRENT | MCL_FUTURE))
			fail("mlockall");
	}

	clients_prepare();
	if (sysctl_write(MIGRATE_REQ, "1") || tun_open(&tun))
		fail("handshake");

	from = server_open(TUN_IPV4);
	if (peers_begin(peers, PEERS, &tun, TUN_IPV4) != PEERS)
		fail("peers_begin");

	to = server_open(TUN_IPV4);
	if (program)
		chooser_attach(&to, 1);

	close(from);
	if (timer)
		timeouts(timer);
	else
		final_acks();

	if (counter_read(MIGRATE_SUCCESS) != PEERS)
		fail("not all requests were migrated");

	snprintf(name, sizeof(name), "%s%s", argv[1], program ? " program" : "");
	report(name, "each", median(costs, PEERS));
	timer__destroy(timer);
	return 0;
}
