// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "listeners.h"
#include "netns.h"
#include "stopwatch.h"

#define BACKLOG			131072
#define PORTS_PER_ADDRESS	16384
#define FIRST_PORT		16384
#define FIRST_ADDRESS		0x7f000101	/* 127.0.1.1 */

void clients_prepare(void)
{
	const struct rlimit many = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &many) || netns_enter() ||
	    sysctl_write("net/core/somaxconn", "131072"))
		fail("clients_prepare");
}

int server_open(const char *address)
{
	int fd = listener_open(address);

	if (fd < 0 || listen(fd, BACKLOG))
		fail("server_open");

	return fd;
}

int client_bind(int number)
{
	const struct sockaddr_in from = {
		.sin_family = AF_INET,
		.sin_port = htons(FIRST_PORT + number % PORTS_PER_ADDRESS),
		.sin_addr.s_addr = htonl(FIRST_ADDRESS +
					 number / PORTS_PER_ADDRESS),
	};
	int one = 1;
	int fd;

	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (const struct sockaddr *)&from, sizeof(from)))
		fail("client_bind");

	return fd;
}

int client_open(const char *address, int number)
{
	const struct linger reset = { .l_onoff = 1 };
	int fd = client_bind(number);
	union address to;
	socklen_t len;

	len = address_parse(&to, address);
	if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) ||
	    connect(fd, &to.any, len))
		fail("client_open");

	return fd;
}
