/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Clients on the loopback device: as many as there is memory for.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#define SERVER	"127.0.0.1"

/* Has as many descriptors, ports and places in accept queues as they need. */
void clients_prepare(void);

/* An SO_REUSEPORT listener with room for all of them. */
int server_open(const char *address);

/*
 * A socket for the client of this number, on an address and port of its own, so
 * that the kernel need not look for them.
 */
int client_bind(int number);

/*
 * The same, connected to a server: it's in an accept queue when this returns. Closing it
 * resets the connection, which leaves nothing behind.
 */
int client_open(const char *address, int number);

#endif /* CLIENTS_H */
