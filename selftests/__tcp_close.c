// SPDX-License-Identifier: GPL-2.0
/*
 * __tcp_close(): which listeners are orphaned, and which end with their last file
 * descriptor as ever.
 *
 *  1. A listener, with connections that nobody has accepted.
 *  2. It ends in another way than by close(), or no successor could be expected to take
 *     its place: a port that the kernel has chosen, one that can't be bound to while
 *     there are connections.
 *  3. It's closed. There's no orphan, the clients are reset, and the next one is refused.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/tcp.h>
#include <sys/syscall.h>

#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define CLIENTS		4
#define ANY_PORT	"net/ipv4/ip_local_port_range"

/* Newer than the headers of most systems. */
#ifndef IPPROTO_SMC
#define IPPROTO_SMC	256
#endif

struct scene {
	int clients[CLIENTS];
	struct server server;
	struct tun tun;
};

FIXTURE(__tcp_close) {
	struct scene scene;
};

FIXTURE_VARIANT(__tcp_close) {
	struct server server;
};

SERVER_VARIANTS(__tcp_close, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(__tcp_close, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(__tcp_close)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->scene.tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->scene.server = variant->server;
}

FIXTURE_TEARDOWN(__tcp_close)
{
}

static int listen_with_clients(struct __test_metadata *_metadata,
			       struct scene *scene)
{
	int fd = server_listen(&scene->server);

	ASSERT_LE(0, fd);
	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS,
					   scene->server.address));
	return fd;
}

static void expect_refused(struct __test_metadata *_metadata,
			   const char *address)
{
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(-1, client_connect(address, CLIENTS));
	EXPECT_EQ(ECONNREFUSED, errno);
}

static void expect_nothing(struct __test_metadata *_metadata,
			   struct scene *scene)
{
	EXPECT_EQ(CLIENTS, clients_reset(scene->clients, CLIENTS));
	expect_refused(_metadata, scene->server.address);
}

/* What is true of no other test here. */
TEST_F(__tcp_close, orphaned)
{
	int fd;

	fd = listen_with_clients(_metadata, &self->scene);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, listener_serve_in_order(fd, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
}

/* It's not the last file descriptor. */
TEST_F(__tcp_close, still_open)
{
	int fd, copy;

	fd = listen_with_clients(_metadata, &self->scene);
	copy = dup(fd);
	ASSERT_LE(0, copy);
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(CLIENTS, listener_serve_in_order(copy, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
}

TEST_F(__tcp_close, neither_option)
{
	int fd;

	self->scene.server.option = 0;
	fd = listen_with_clients(_metadata, &self->scene);
	ASSERT_EQ(0, close(fd));
	expect_nothing(_metadata, &self->scene);
}

/* They count when it's closed. */
TEST_F(__tcp_close, option_taken_back)
{
	int zero = 0;
	int fd;

	fd = listen_with_clients(_metadata, &self->scene);
	ASSERT_EQ(0, setsockopt(fd, SOL_SOCKET, variant->server.option, &zero,
				sizeof(zero)));
	ASSERT_EQ(0, close(fd));
	expect_nothing(_metadata, &self->scene);
}

/* There's one port when the kernel chooses that of the listener. */
static int listen_automatic(const struct server *server, bool with_address)
{
	union address at;
	socklen_t len;
	int one = 1;
	int fd;

	len = address_parse(&at, server->address);
	at.in.sin_port = 0;
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sysctl_write(ANY_PORT, "8080 8080") ||
	    setsockopt(fd, SOL_SOCKET, server->option, &one, sizeof(one)) ||
	    (with_address && bind(fd, &at.any, len)) || listen(fd, CLIENTS) ||
	    sysctl_write(ANY_PORT, "32768 60999"))
		return -1;

	return fd;
}

static void automatic(struct __test_metadata *_metadata,
		      struct scene *scene, bool with_address)
{
	int fd = listen_automatic(&scene->server, with_address);

	ASSERT_LE(0, fd);
	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS,
					   scene->server.address));
	ASSERT_EQ(0, close(fd));
	expect_nothing(_metadata, scene);
}

TEST_F(__tcp_close, port_chosen_by_bind)
{
	automatic(_metadata, &self->scene, true);
}

TEST_F(__tcp_close, port_chosen_by_listen)
{
	automatic(_metadata, &self->scene, false);
}

static int repair(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one));
}

/* Somebody takes its state along, and silently closes what's left. */
TEST_F(__tcp_close, in_repair)
{
	int fd;

	self->scene.server.prepare = repair;
	fd = listen_with_clients(_metadata, &self->scene);
	ASSERT_EQ(0, close(fd));
	expect_refused(_metadata, variant->server.address);
}

static void shut_down(struct __test_metadata *_metadata,
		      struct scene *scene, int how)
{
	int fd;

	fd = listen_with_clients(_metadata, scene);
	ASSERT_EQ(0, shutdown(fd, how));
	expect_nothing(_metadata, scene);
	ASSERT_EQ(0, close(fd));
	expect_refused(_metadata, scene->server.address);
}

TEST_F(__tcp_close, after_shut_rdwr)
{
	shut_down(_metadata, &self->scene, SHUT_RDWR);
}

TEST_F(__tcp_close, after_shut_rd)
{
	shut_down(_metadata, &self->scene, SHUT_RD);
}

/* It's as good as a new one. */
TEST_F(__tcp_close, after_shutdown_and_listen)
{
	int fd;

	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, shutdown(fd, SHUT_RDWR));
	ASSERT_EQ(0, listener_restart(fd));
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(1, orphans_count());
}

static int destroy(struct scene *scene, __u64 cookie)
{
	struct peer peer;

	peer_init(&peer, &scene->tun, scene->server.address, FIRST_PORT);
	return diag_destroy(&peer, cookie);
}

/* ss -K, before it's closed, or while it's an orphan. */
TEST_F(__tcp_close, destroyed)
{
	int fd;

	fd = listen_with_clients(_metadata, &self->scene);
	ASSERT_EQ(0, destroy(&self->scene, listener_cookie(fd)));
	expect_nothing(_metadata, &self->scene);
	ASSERT_EQ(0, close(fd));
	expect_refused(_metadata, self->scene.server.address);
}

TEST_F(__tcp_close, destroyed_as_orphan)
{
	long start = now_ms();
	__u64 cookie;
	int fd;

	fd = listen_with_clients(_metadata, &self->scene);
	cookie = listener_cookie(fd);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	ASSERT_EQ(0, destroy(&self->scene, cookie));
	EXPECT_TRUE(orphans_become(0));
	EXPECT_GT(atoi(LONG_GRACE_MS), now_ms() - start);
	expect_nothing(_metadata, &self->scene);
	expect_counters(_metadata, 0, CLIENTS);

	/* Nothing is left on the port. */
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_GRACE_MS, "0"));
	self->scene.server.option = 0;
	EXPECT_LE(0, server_listen(&self->scene.server));
}

/* Its connections may be negotiated by SMC, which ends with its socket. */
TEST_F(__tcp_close, smc)
{
	int fd;

	self->scene.server.protocol = IPPROTO_SMC;
	fd = server_bind(&self->scene.server);
	if (fd < 0)
		SKIP(return, "no SMC");

	ASSERT_EQ(0, listener_restart(fd));
	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   self->scene.server.address));
	ASSERT_EQ(0, close(fd));
	expect_nothing(_metadata, &self->scene);
}

/* Of the path manager of MPTCP. */
TEST_F(__tcp_close, of_the_kernel)
{
	char command[80];

	snprintf(command, sizeof(command),
		 "ip mptcp endpoint add %s port %d signal", variant->server.address,
		 SERVER_PORT);
	ASSERT_EQ(0, system(command));
	ASSERT_EQ(0, system("ip mptcp endpoint flush"));
	expect_refused(_metadata, variant->server.address);
}

static int bpf_map(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/*
 * sock_map_close() has taken the listener out of the map, and made it one of TCP again,
 * before tcp_close() runs: there is nothing special about it. Its children have never
 * been in the map.
 */
TEST_F(__tcp_close, in_sockmap)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(__u32),
		.value_size = sizeof(__u64),
		.max_entries = 1,
	};
	union bpf_attr element = {};
	__u32 key = 0;
	__u64 value;
	int fd, map;

	map = bpf_map(BPF_MAP_CREATE, &create);
	ASSERT_LE(0, map);
	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);

	value = fd;
	element.map_fd = map;
	element.key = (__u64)(unsigned long)&key;
	element.value = (__u64)(unsigned long)&value;
	ASSERT_EQ(0, bpf_map(BPF_MAP_UPDATE_ELEM, &element));
	ASSERT_EQ(0, bpf_map(BPF_MAP_LOOKUP_ELEM, &element));
	ASSERT_EQ(listener_cookie(fd), value);
	ASSERT_EQ(CLIENTS / 2, clients_connect(self->scene.clients, CLIENTS / 2,
					       variant->server.address));

	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-1, bpf_map(BPF_MAP_LOOKUP_ELEM, &element));
	EXPECT_EQ(ENOENT, errno);
	EXPECT_EQ(1, orphans_count());
	ASSERT_LE(0, self->scene.clients[2] = client_connect(variant->server.address, 2));
	ASSERT_LE(0, self->scene.clients[3] = client_connect(variant->server.address, 3));

	fd = server_listen(&self->scene.server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, listener_serve_in_order(fd, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	EXPECT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS));
	expect_counters(_metadata, CLIENTS, 0);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
