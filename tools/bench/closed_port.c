// SPDX-License-Identifier: GPL-2.0
/*
 * closed_port off|on|ORPHANS [same]
 *
 * What it costs to refuse a SYN to a port that nobody listens on: the write() to a
 * TUN device that brings it, with the RST. Listeners may go on without a process
 * unless it's off, and some do on other addresses, with other ports or the same.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients.h"
#include "netns.h"
#include "orphans.h"
#include "segments.h"
#include "stopwatch.h"

#define SYNS		501

static long timed_syn(struct tun *tun, int number)
{
	struct peer peer;
	long begin, end;

	peer_init(&peer, tun, TUN_IPV4, FIRST_PORT + number);
	begin = now();
	peer_syn(&peer);
	end = now();
	if (!peer_reset(&peer))
		fail("peer_reset");

	return end - begin;
}

int main(int argc, char **argv)
{
	long costs[SYNS];
	struct tun tun;
	char name[64];
	bool off, same;
	int i;

	if (argc < 2)
		return 2;

	off = !strcmp(argv[1], "off");
	same = argc > 2;
	clients_prepare();
	if (tun_open(&tun))
		fail("tun_open");

	if (!off) {
		orphans_allow();
		orphans_make(atoi(argv[1]), same);
	}

	for (i = 0; i < SYNS; i++)
		costs[i] = timed_syn(&tun, i);

	snprintf(name, sizeof(name), "closed_port %s%s", argv[1],
		 same ? " same" : "");
	report(name, "each", median(costs, SYNS));
	if (!off)
		orphans_end();

	return 0;
}
