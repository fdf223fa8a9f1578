// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listeners.h"
#include "netns.h"
#include "orphans.h"
#include "stopwatch.h"

#define GRACE		"net/ipv4/tcp_migrate_req_grace_ms"
#define FIRST_ADDRESS	0x7f000201	/* 127.0.2.1 */
#define MOST_OF_USER	128

void orphans_allow(void)
{
	if (sysctl_write(MIGRATE_REQ, "1") || sysctl_write(GRACE, "60000"))
		fail(GRACE);
}

static int count_orphans(void)
{
	FILE *file = fopen("/proc/net/tcp_migrate_orphans", "re");
	int lines = 0;
	int c;

	if (!file)
		fail("tcp_migrate_orphans");

	while ((c = getc(file)) != EOF)
		lines += c == '\n';

	fclose(file);
	return lines - 1;	/* There's a heading. */
}

static int open_elsewhere(int number, int port)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(FIRST_ADDRESS + number),
	};
	int one = 1;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) ||
	    listen(fd, 1) || fchown(fd, 1 + number / MOST_OF_USER, -1))
		fail("open_elsewhere");

	return fd;
}

void orphans_make(int count, bool same_port)
{
	int i;

	for (i = 0; i < count; i++)
		close(open_elsewhere(i, SERVER_PORT + (same_port ? 0 : 1 + i)));

	if (count_orphans() != count)
		fail("not all listeners go on");
}

void orphans_end(void)
{
	if (sysctl_write(GRACE, "0"))
		fail(GRACE);
}
