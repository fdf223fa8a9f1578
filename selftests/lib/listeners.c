// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listeners.h"
#include "patience.h"
#include "process.h"

#define BACKLOG	4096

/* Newer than the headers of most systems. */
#ifndef IPPROTO_SMC
#define IPPROTO_SMC	256
#endif

socklen_t address_parse(union address *to, const char *address)
{
	memset(to, 0, sizeof(*to));
	if (strchr(address, ':')) {
		to->in6.sin6_family = AF_INET6;
		to->in6.sin6_port = htons(SERVER_PORT);
		inet_pton(AF_INET6, address, &to->in6.sin6_addr);
		return sizeof(to->in6);
	}

	to->in.sin_family = AF_INET;
	to->in.sin_port = htons(SERVER_PORT);
	inet_pton(AF_INET, address, &to->in.sin_addr);
	return sizeof(to->in);
}

static int close_failed(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

static int bind_protocol(const char *address, int protocol)
{
	union address at;
	socklen_t len;
	int one = 1;
	int fd;

	len = address_parse(&at, address);
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    bind(fd, &at.any, len))
		return close_failed(fd);

	return fd;
}

static int open_protocol(const char *address, int protocol)
{
	int fd = bind_protocol(address, protocol);

	if (fd >= 0 && listen(fd, BACKLOG))
		return close_failed(fd);

	return fd;
}

int listener_bind(const char *address)
{
	return bind_protocol(address, IPPROTO_TCP);
}

int listener_open(const char *address)
{
	return open_protocol(address, IPPROTO_TCP);
}

int listener_open_backlog(const char *address, int backlog)
{
	int fd = listener_open(address);

	if (fd >= 0 && listen(fd, backlog))
		return close_failed(fd);

	return fd;
}

int listener_open_mptcp(const char *address)
{
	return open_protocol(address, IPPROTO_MPTCP);
}

int listener_open_smc(const char *address)
{
	return open_protocol(address, IPPROTO_SMC);
}

static int own_listener(void *address)
{
	return listener_open(address) < 0 ? -1 : 0;
}

int listener_start(struct listener *listener, const char *address,
		   enum stop stop)
{
	listener->fd = -1;
	listener->owner = 0;
	if (stop != STOP_EXIT) {
		listener->fd = listener_open(address);
		return listener->fd < 0 ? -1 : 0;
	}

	listener->owner = process_start(own_listener, (void *)address);
	return listener->owner < 0 ? -1 : 0;
}

int listener_stop(struct listener *listener, enum stop stop)
{
	switch (stop) {
	case STOP_SHUT_RDWR:
		return shutdown(listener->fd, SHUT_RDWR);
	case STOP_SHUT_RD:
		return shutdown(listener->fd, SHUT_RD);
	case STOP_CLOSE:
		return close(listener->fd);
	case STOP_EXIT:
		return process_kill(listener->owner);
	}

	return -1;
}

int listener_restart(int fd)
{
	return listen(fd, BACKLOG);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return poll(&poll_fd, 1, timeout_ms) == 1;
}

int listener_accept(int fd)
{
	if (!readable(fd, PATIENCE_MS))
		return -1;

	return accept4(fd, NULL, NULL, SOCK_CLOEXEC);
}

bool listener_idle(int fd)
{
	return !readable(fd, 0);
}

int listener_queued(int fd)
{
	struct tcp_info info = {};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len))
		return -1;

	/* That's what it means for a listener. */
	return info.tcpi_unacked;
}

bool client_sent_all(int fd)
{
	int left;

	return !ioctl(fd, SIOCOUTQ, &left) && !left;
}

static bool acknowledged(int fd)
{
	struct pollfd broken = { .fd = fd };
	socklen_t len = sizeof(errno);

	if (!wait_until(poll(&broken, 1, 0) || client_sent_all(fd)))
		return false;

	if (!broken.revents)
		return true;

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &len);
	return false;
}

__u64 listener_cookie(int fd)
{
	socklen_t len = sizeof(__u64);
	__u64 cookie = 0;

	getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len);
	return cookie;
}

static int connect_protocol(const char *address, int number, int protocol)
{
	union address to;
	socklen_t len;
	int fd;

	len = address_parse(&to, address);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, protocol);
	if (fd < 0)
		return -1;

	if (connect(fd, &to.any, len) ||
	    send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number) ||
	    !acknowledged(fd))
		return close_failed(fd);

	return fd;
}

int client_connect(const char *address, int number)
{
	return connect_protocol(address, number, IPPROTO_TCP);
}

int client_connect_mptcp(const char *address, int number)
{
	return connect_protocol(address, number, IPPROTO_MPTCP);
}

int connection_serve(int fd)
{
	int number;

	if (!readable(fd, PATIENCE_MS) ||
	    recv(fd, &number, sizeof(number), MSG_WAITALL) != sizeof(number))
		return -1;

	if (send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number))
		return -1;

	return number;
}

bool client_served(int fd, int number)
{
	int seen;

	return readable(fd, PATIENCE_MS) &&
	       recv(fd, &seen, sizeof(seen), MSG_WAITALL) == sizeof(seen) &&
	       seen == number;
}

bool client_reset(int fd)
{
	int seen;

	return readable(fd, PATIENCE_MS) &&
	       recv(fd, &seen, sizeof(seen), MSG_WAITALL) < 0 &&
	       errno == ECONNRESET;
}

int listener_serve(int fd)
{
	int connection, number;

	connection = listener_accept(fd);
	if (connection < 0)
		return -1;

	number = connection_serve(connection);
	close(connection);
	return number;
}

int listener_serve_all(int fd)
{
	int count = 0;

	while (!listener_idle(fd) && listener_serve(fd) >= 0)
		count++;

	return count;
}

static void *keep_serving(void *fd)
{
	for (;;)
		listener_serve((long)fd);

	return NULL;
}

int listener_keep_serving(int fd)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, keep_serving, (void *)(long)fd);
	return errno ? -1 : 0;
}

int clients_connect(int *clients, int count, const char *address)
{
	int i;

	for (i = 0; i < count; i++) {
		clients[i] = client_connect(address, i);
		if (clients[i] < 0)
			break;
	}

	return i;
}

int clients_served(const int *clients, int count)
{
	int i;

	for (i = 0; i < count && client_served(clients[i], i); i++)
		;

	return i;
}

int clients_reset(const int *clients, int count)
{
	int i;

	for (i = 0; i < count && client_reset(clients[i]); i++)
		;

	return i;
}

void clients_close(const int *clients, int count)
{
	int i;

	for (i = 0; i < count; i++)
		close(clients[i]);
}

int listener_serve_in_order(int fd, int count)
{
	int i;

	for (i = 0; i < count && listener_serve(fd) == i; i++)
		;

	return i;
}
