/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clients on the loopback device: each sends a number that it wants back.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include "round.h"

#define CLIENTS_LATER	512

struct client {
	struct group *group;
	struct shelter shelter;
	bool sent;
	int number;
	int fd;
};

/* With those that weren't served as long as memory was short. */
struct clients {
	struct task task;
	struct client later[CLIENTS_LATER];
	int number;
	int count;
};

/* The thread. */
void *clients_connect_all(void *clients);

/* Memory isn't short any more. */
void clients_settle(struct clients *clients);

/* A few to each group, which must be served. */
void clients_probe(struct clients *clients);

#endif /* CLIENTS_H */
