// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/listeners.h"
#include "../lib/patience.h"
#include "clients.h"

#define BATCHES		12
#define BATCH		8
#define SHORT_MS	3000

/* A connection that was aborted is noticed without data to send, too. */
static void keep_alive(int fd)
{
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one));
}

static int client_open(struct client *client, struct round *round, bool fast)
{
	union address to;
	socklen_t len;
	int ret;

	len = address_parse(&to, client->group->remote);
	client->sent = false;
	client->shelter = shelter_take(round, client->group);
	client->fd = socket(to.any.sa_family,
			    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (client->fd < 0)
		return -1;

	round_prepare(round, client->fd);
	if (round->faults)
		keep_alive(client->fd);

	round_count(round, fast ? COUNT_FASTOPEN : COUNT_CONNECT);
	if (!fast)
		return connect(client->fd, &to.any, len) && errno != EINPROGRESS ?
		       -1 : 0;

	ret = sendto(client->fd, &client->number, sizeof(client->number),
		     MSG_FASTOPEN | MSG_NOSIGNAL, &to.any, len);
	client->sent = ret == sizeof(client->number);
	return client->sent || errno == EINPROGRESS ? 0 : -1;
}

static const char *error_name(int error)
{
	return error ? strerror(error) : "closed without an answer";
}

/* A client that wasn't served. */
static void client_refused(struct client *client, struct round *round, int error)
{
	bool reset = error == ECONNREFUSED || error == ECONNRESET ||
		     error == EPIPE;

	round_count(round, COUNT_REFUSED);
	if (!round->faults && !reset)
		round_fail(round, "a client of %s: %s", client->group->remote,
			   error_name(error));
	else if (shelter_held(client->shelter, round, client->group))
		round_fail(round, "a client of %s was lost for no reason: %s",
			   client->group->remote, error_name(error));
}

/* What the socket is ready for; whether the client is done. */
static bool client_continue(struct client *client, struct round *round)
{
	int error = 0, number, ret;
	socklen_t len = sizeof(error);

	if (!client->sent) {
		getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (!error && send(client->fd, &client->number,
				   sizeof(number), MSG_NOSIGNAL) < 0)
			error = errno;
		if (error)
			client_refused(client, round, error);
		client->sent = true;
		return error;
	}

	ret = recv(client->fd, &number, sizeof(number), 0);
	if (ret < 0 && errno == EAGAIN)
		return false;

	if (ret != sizeof(number))
		client_refused(client, round, ret < 0 ? errno : 0);
	else if (number != client->number)
		round_fail(round, "a client was given %d for its %d", number,
			   client->number);
	else
		round_count(round, COUNT_SERVED);

	return true;
}

/* Until all are done, or time is up. Returns how many aren't, which come first. */
static int clients_wait(struct client *clients, int count, struct round *round,
			int timeout_ms)
{
	long left, end = now_ms() + timeout_ms;
	struct pollfd fds[CLIENTS_LATER];
	int i, waiting;

	while (count) {
		for (i = 0; i < count; i++) {
			fds[i].fd = clients[i].fd;
			fds[i].events = clients[i].sent ? POLLIN : POLLOUT;
		}

		left = end - now_ms();
		if (left <= 0 || poll(fds, count, left) <= 0)
			break;

		for (i = 0, waiting = 0; i < count; i++) {
			if (fds[i].revents && client_continue(&clients[i], round))
				close(clients[i].fd);
			else
				clients[waiting++] = clients[i];
		}
		count = waiting;
	}

	return count;
}

/* Some go away without waiting. */
static int clients_leave(struct client *clients, int count, struct round *round)
{
	while (count) {
		close(clients[--count].fd);
		round_count(round, COUNT_GONE);
	}

	return count;
}

static void clients_hang(struct client *clients, int count, struct round *round)
{
	int i;

	for (i = 0; i < count; i++) {
		round_fail(round, "a client of %s waits for ever %s",
			   clients[i].group->remote,
			   clients[i].sent ? "for its number" : "to connect");
		close(clients[i].fd);
	}
}

static void clients_connect_some(struct clients *self, struct group *group,
				 int wanted, bool leave)
{
	struct round *round = self->task.round;
	struct client batch[BATCH];
	int i, count = 0;

	for (i = 0; i < wanted; i++) {
		batch[count].group = group;
		batch[count].number = self->task.number << 16 | self->number++;
		if (!client_open(&batch[count], round,
				 random_rarely(&self->task.random, 4))) {
			count++;
			continue;
		}

		client_refused(&batch[count], round, errno);
		if (batch[count].fd >= 0)
			close(batch[count].fd);
	}

	if (leave)
		count = clients_leave(batch, count, round);

	count = clients_wait(batch, count, round,
			     round->faults ? SHORT_MS : 2 * PATIENCE_MS);
	if (round->faults && self->count + count <= CLIENTS_LATER) {
		memcpy(self->later + self->count, batch, count * sizeof(*batch));
		self->count += count;
	} else {
		clients_hang(batch, count, round);
	}
}

void *clients_connect_all(void *data)
{
	struct clients *self = data;
	struct round *round = self->task.round;
	struct random *random = &self->task.random;
	int i;

	round_spare(round, false);

	for (i = 0; i < BATCHES; i++) {
		clients_connect_some(self, &round->groups[random_below(random, GROUPS)],
				     1 + random_below(random, BATCH),
				     random_rarely(random, 8));
		usleep(random_below(random, 10000));
	}

	return NULL;
}

void clients_settle(struct clients *self)
{
	self->count = clients_wait(self->later, self->count, self->task.round,
				   2 * PATIENCE_MS);
	clients_hang(self->later, self->count, self->task.round);
}

void clients_probe(struct clients *self)
{
	struct round *round = self->task.round;
	int i;

	for (i = 0; i < GROUPS; i++) {
		clients_connect_some(self, &round->groups[i], BATCH, false);
		clients_connect_some(self, &round->groups[i], BATCH, false);
	}
}
