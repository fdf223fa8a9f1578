// SPDX-License-Identifier: GPL-2.0
/*
 * held PEERS
 *
 * What memory is held after a listener has closed in the middle of so many
 * handshakes.
 *
 *  1. A listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, the first one closes.
 *  3. A grace period later: what was allocated in 1. and hasn't been freed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clients.h"
#include "memory.skel.h"
#include "netns.h"
#include "segments.h"
#include "stopwatch.h"

#define MOST_PEERS	64

/* Far more than a grace period takes, and less than a timeout. */
#define SETTLE_US	300000

static struct peer peers[MOST_PEERS];

static long held(struct memory *memory)
{
	__u64 key, value;
	void *last = NULL;
	long bytes = 0;

	while (!bpf_map__get_next_key(memory->maps.held, last, &key,
				      sizeof(key))) {
		last = &key;
		if (!bpf_map__lookup_elem(memory->maps.held, &key, sizeof(key),
					  &value, sizeof(value), 0))
			bytes += value;
	}

	return bytes;
}

int main(int argc, char **argv)
{
	struct memory *memory;
	struct tun tun;
	char name[64];
	int from, count;

	if (argc < 2)
		return 2;

	count = atoi(argv[1]);
	memory = memory__open_and_load();
	if (!memory || memory__attach(memory))
		fail("memory");

	clients_prepare();
	if (count > MOST_PEERS || sysctl_write(MIGRATE_REQ, "1") ||
	    tun_open(&tun))
		fail("held");

	memory->bss->tid = gettid();
	memory->bss->watching = true;
	from = server_open(TUN_IPV4);
	if (peers_begin(peers, count, &tun, TUN_IPV4) != count)
		fail("peers_begin");

	memory->bss->watching = false;
	server_open(TUN_IPV4);
	close(from);
	usleep(SETTLE_US);

	snprintf(name, sizeof(name), "held %d", count);
	report(name, "bytes", held(memory));
	memory__destroy(memory);
	return 0;
}
