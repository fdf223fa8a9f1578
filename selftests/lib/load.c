// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <unistd.h>

#include "listeners.h"
#include "load.h"
#include "patience.h"

/*
 * A segment that meets a listener in the middle of close() may be refused, and
 * a child that's made then sends a FIN before its RST, which makes it EPIPE.
 */
static bool is_reset(int error)
{
	return error == ECONNRESET || error == ECONNREFUSED || error == EPIPE;
}

static void *connect_in_turns(void *data)
{
	struct load_client *self = data;
	int client;

	while (!__atomic_load_n(&self->load->enough, __ATOMIC_RELAXED)) {
		errno = 0;
		client = client_connect(self->load->address, self->served);
		if (client >= 0 && client_served(client, self->served)) {
			__atomic_store_n(&self->served, self->served + 1,
					 __ATOMIC_RELAXED);
		} else if (!is_reset(errno)) {
			self->error = errno;
			self->lost++;
		}

		if (client >= 0)
			close(client);
	}

	return NULL;
}

int load_begin(struct load *load)
{
	int i;

	for (i = 0; i < LOAD_CLIENTS; i++) {
		load->clients[i].load = load;
		if (pthread_create(&load->clients[i].thread, NULL,
				   connect_in_turns, &load->clients[i]))
			return -1;
	}

	return 0;
}

static bool all_served(const struct load *load)
{
	int i;

	for (i = 0; i < LOAD_CLIENTS; i++) {
		if (!__atomic_load_n(&load->clients[i].served, __ATOMIC_RELAXED))
			return false;
	}

	return true;
}

int load_end(struct load *load)
{
	struct load_client *client = load->clients;
	bool served = wait_until(all_served(load));
	int lost = 0;

	__atomic_store_n(&load->enough, true, __ATOMIC_RELAXED);
	for (; client < load->clients + LOAD_CLIENTS; client++) {
		if (pthread_join(client->thread, NULL))
			return -1;

		lost += client->lost;
		errno = client->lost ? client->error : errno;
	}

	return served ? lost : -1;
}
