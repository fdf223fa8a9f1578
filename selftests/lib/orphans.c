// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "listeners.h"
#include "netns.h"
#include "orphans.h"
#include "patience.h"
#include "process.h"

#define BACKLOG	4096

static int prepare(int fd, const struct server *server)
{
	int one = 1;

	if (server->option &&
	    setsockopt(fd, SOL_SOCKET, server->option, &one, sizeof(one)))
		return -1;

	if (server->owner && fchown(fd, server->owner, -1))
		return -1;

	return server->prepare ? server->prepare(fd) : 0;
}

static int close_failed(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int server_bind(const struct server *server)
{
	union address at;
	socklen_t len;
	int fd;

	len = address_parse(&at, server->address);
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC,
		    server->protocol);
	if (fd < 0)
		return -1;

	if (prepare(fd, server) || bind(fd, &at.any, len))
		return close_failed(fd);

	return fd;
}

int server_listen(const struct server *server)
{
	int fd = server_bind(server);

	if (fd >= 0 && listen(fd, server->backlog ?: BACKLOG))
		return close_failed(fd);

	return fd;
}

static int listen_all(void *data)
{
	const struct server *server = data;
	int i;

	for (i = 0; i < (server->listeners ?: 1); i++) {
		if (server_listen(server) < 0)
			return -1;
	}

	return 0;
}

pid_t server_start(const struct server *server)
{
	return process_start(listen_all, (void *)server);
}

int orphans_allow(const char *grace_ms)
{
	return sysctl_write(MIGRATE_REQ, "1") ||
	       sysctl_write(MIGRATE_REQ_GRACE_MS, grace_ms) ? -1 : 0;
}

static FILE *orphans_open(void)
{
	FILE *file = fopen(ORPHANS, "re");
	char heading[128];

	if (file && !fgets(heading, sizeof(heading), file)) {
		fclose(file);
		return NULL;
	}

	return file;
}

static bool orphan_next(FILE *file, struct orphan *orphan)
{
	return fscanf(file, "%39s %d %ld %ld %ld %ld", orphan->address,
		      &orphan->port, &orphan->uid, &orphan->queue,
		      &orphan->backlog, &orphan->left_ms) == 6;
}

bool orphan_read(struct orphan *orphan, int port)
{
	bool found = false;
	FILE *file;

	file = orphans_open();
	if (!file)
		return false;

	while (!found && orphan_next(file, orphan))
		found = orphan->port == port;

	fclose(file);
	return found;
}

int orphans_count(void)
{
	struct orphan orphan;
	int count = 0;
	FILE *file;

	file = orphans_open();
	if (!file)
		return -1;

	while (orphan_next(file, &orphan))
		count++;

	fclose(file);
	return count;
}

bool orphans_become(int count)
{
	return wait_until(orphans_count() == count);
}

bool orphan_queues(int count)
{
	struct orphan orphan;

	return wait_until(orphan_read(&orphan, SERVER_PORT) &&
			  orphan.queue == count);
}
