/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers behind a TUN device, some of which behave.
 */
#ifndef PEERS_H
#define PEERS_H

#include "../lib/segments.h"
#include "round.h"

#define PEERS_LATER	256

struct honest {
	struct peer peer;
	struct group *group;
	struct shelter shelter;
};

/* With those that weren't served as long as memory was short. */
struct peers {
	struct task task;
	struct tun tun;
	__u16 port;
	struct honest later[PEERS_LATER];
	int count;
};

/* The thread. */
void *peers_send_all(void *peers);

/* Memory isn't short any more. */
void peers_settle(struct peers *peers);

#endif /* PEERS_H */
