/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clients that connect again and again, while listeners come and go.
 */
#ifndef LOAD_H
#define LOAD_H

#include <pthread.h>
#include <stdbool.h>

#define LOAD_CLIENTS	4

struct load;

struct load_client {
	struct load *load;
	pthread_t thread;
	int served;
	int lost;
	int error;	/* of the last one lost */
};

struct load {
	const char *address;
	struct load_client clients[LOAD_CLIENTS];
	bool enough;
};

int load_begin(struct load *load);

/*
 * Has no more come, once each client has been served. Returns how many were neither served
 * nor reset, with the errno of one of them; -1 if a client is never served.
 */
int load_end(struct load *load);

#endif /* LOAD_H */
