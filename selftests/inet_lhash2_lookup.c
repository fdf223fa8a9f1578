// SPDX-License-Identifier: GPL-2.0
/*
 * inet_lhash2_lookup(), inet6_lhash2_lookup(): which SYNs find an orphaned listener: those
 * that had found it before, and find no other.
 *
 *  1. A listener has connections that nobody has accepted. It's closed.
 *  2. It's an orphan if no other listener has the SYNs to its address. What comes to that
 *     address finds it, and waits; what comes to another one doesn't.
 *  3. Its successor is a listener that such SYNs find, and has all that waits.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/in6.h>
#include <net/if.h>
#include <sys/syscall.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define CLIENTS	4
#define HALF	(CLIENTS / 2)

#define LINK_LOCAL	"fe80::1"

FIXTURE(wildcard) {
	struct server one, any;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(wildcard) {
	struct server server;	/* at one address */
	const char *any;
	const char *another;	/* that the wildcard alone is for */
};

SERVER_VARIANTS(wildcard, ipv4, .server.address = "127.0.0.1",
		.any = "0.0.0.0", .another = "127.0.0.2");
SERVER_VARIANTS(wildcard, ipv6, .server.address = "::1", .any = "::",
		.another = "127.0.0.1");
SERVER_VARIANTS(wildcard, mapped, .server.address = "::ffff:127.0.0.1",
		.any = "::", .another = "::1");

FIXTURE_SETUP(wildcard)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->one = variant->server;
	self->any = variant->server;
	self->any.address = variant->any;
}

FIXTURE_TEARDOWN(wildcard)
{
}

/* What has connected to the address of one listener, and then to that of another. */
static void connect_half(struct __test_metadata *_metadata, int *clients,
			 int first, const char *address)
{
	int i;

	for (i = first; i < first + HALF; i++) {
		clients[i] = client_connect(address, i);
		ASSERT_LE(0, clients[i]);
	}
}

static void expect_refused(struct __test_metadata *_metadata,
			   const char *address)
{
	EXPECT_EQ(-1, client_connect(address, CLIENTS));
	EXPECT_EQ(ECONNREFUSED, errno);
}

static void expect_all_served(struct __test_metadata *_metadata,
			      const int *clients, int listener)
{
	EXPECT_EQ(CLIENTS, listener_serve_in_order(listener, CLIENTS));
	EXPECT_TRUE(listener_idle(listener));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

/* A wildcard has what came to the one, and what comes. */
TEST_F(wildcard, lives)
{
	int one, any;

	if (self->one.option != SO_REUSEPORT)
		SKIP(return, "only with SO_REUSEPORT can both listen");

	any = server_listen(&self->any);
	ASSERT_LE(0, any);
	one = server_listen(&self->one);
	ASSERT_LE(0, one);
	connect_half(_metadata, self->clients, 0, self->one.address);
	ASSERT_TRUE(listener_idle(any));

	ASSERT_EQ(0, close(one));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(HALF, listener_queued(any));
	connect_half(_metadata, self->clients, HALF, self->one.address);
	expect_all_served(_metadata, self->clients, any);
	expect_counters(_metadata, HALF, 0);
}

TEST_F(wildcard, comes)
{
	int one, any;

	one = server_listen(&self->one);
	ASSERT_LE(0, one);
	connect_half(_metadata, self->clients, 0, self->one.address);
	ASSERT_EQ(0, close(one));
	ASSERT_EQ(1, orphans_count());
	connect_half(_metadata, self->clients, HALF, self->one.address);
	expect_refused(_metadata, variant->another);

	any = server_listen(&self->any);
	ASSERT_LE(0, any);
	expect_all_served(_metadata, self->clients, any);
	EXPECT_TRUE(orphans_become(0));
}

/* One listener has the SYNs to its address, but isn't the wildcard's successor. */
TEST_F(wildcard, stops)
{
	int one, any, client;

	any = server_listen(&self->any);
	ASSERT_LE(0, any);
	connect_half(_metadata, self->clients, 0, self->one.address);
	ASSERT_EQ(0, close(any));
	ASSERT_EQ(1, orphans_count());

	one = server_listen(&self->one);
	ASSERT_LE(0, one);
	connect_half(_metadata, self->clients, HALF, variant->another);
	client = client_connect(self->one.address, CLIENTS);
	ASSERT_LE(0, client);
	EXPECT_EQ(CLIENTS, listener_serve(one));
	EXPECT_TRUE(client_served(client, CLIENTS));
	EXPECT_TRUE(listener_idle(one));
	EXPECT_EQ(1, orphans_count());

	ASSERT_EQ(0, orphans_allow("0"));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
}

/* Of several orphans, the one is found that would have had the SYN before. */
FIXTURE(compute_score) {
	struct server general, special;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(compute_score) {
	const char *general;
	const char *special;
	const char *remote;
	int (*prepare)(int fd);	/* the special one */
};

static int bind_to_device(int fd, const char *name)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name,
			  strlen(name) + 1);
}

static int bind_to_lo(int fd)
{
	return bind_to_device(fd, "lo");
}

#define VARIANT(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(compute_score, name) {			\
		__VA_ARGS__						\
	}

VARIANT(ipv4_address, .general = "0.0.0.0", .special = "127.0.0.1",
	.remote = "127.0.0.1");
VARIANT(ipv4_device, .general = "127.0.0.1", .special = "127.0.0.1",
	.remote = "127.0.0.1", .prepare = bind_to_lo);
VARIANT(ipv4_family, .general = "::", .special = "0.0.0.0",
	.remote = "127.0.0.1");
VARIANT(ipv6_address, .general = "::", .special = "::1", .remote = "::1");
VARIANT(ipv6_device, .general = "::1", .special = "::1", .remote = "::1",
	.prepare = bind_to_lo);

FIXTURE_SETUP(compute_score)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->general.address = variant->general;
	self->general.option = SO_REUSEPORT;
	self->special.address = variant->special;
	self->special.option = SO_REUSEPORT;
	self->special.prepare = variant->prepare;
}

FIXTURE_TEARDOWN(compute_score)
{
}

TEST_F(compute_score, special_is_found)
{
	int general, special;

	general = server_listen(&self->general);
	ASSERT_LE(0, general);
	special = server_listen(&self->special);
	ASSERT_LE(0, special);
	ASSERT_EQ(0, close(general));
	ASSERT_EQ(0, close(special));
	ASSERT_EQ(2, orphans_count());

	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->remote));
	special = server_listen(&self->special);
	ASSERT_LE(0, special);
	expect_all_served(_metadata, self->clients, special);
}

/* An IPv4 client, and a listener of an IPv6 socket. */
FIXTURE(mapped) {
	struct server server;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(mapped) {
	struct server server;
};

SERVER_VARIANTS(mapped, address, .server.address = "::ffff:127.0.0.1");
SERVER_VARIANTS(mapped, any, .server.address = "::");

FIXTURE_SETUP(mapped)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server = variant->server;
}

FIXTURE_TEARDOWN(mapped)
{
}

TEST_F(mapped, is_found)
{
	int fd;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	connect_half(_metadata, self->clients, 0, "127.0.0.1");
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	connect_half(_metadata, self->clients, HALF, "127.0.0.1");

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	expect_all_served(_metadata, self->clients, fd);
	EXPECT_TRUE(orphans_become(0));
}

static int only_ipv6(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
}

TEST_F(mapped, is_not_found_by_ipv4)
{
	int fd;

	if (strcmp(variant->server.address, "::"))
		SKIP(return, "it's of IPv4 only");

	self->server.prepare = only_ipv6;
	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	expect_refused(_metadata, "127.0.0.1");
	EXPECT_LE(0, client_connect("::1", 0));
}

/* It has the SYNs from then on, but not what has come to an IPv6 socket. */
TEST_F(mapped, ipv4_comes)
{
	struct server ipv4 = variant->server;
	long start = now_ms();
	int fd;

	if (!strcmp(variant->server.address, "::"))
		SKIP(return, "it has IPv6 connections as well");

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   "127.0.0.1"));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());

	ipv4.address = "127.0.0.1";
	fd = server_listen(&ipv4);
	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(orphans_become(0));
	EXPECT_GT(atoi(LONG_GRACE_MS), now_ms() - start);
	EXPECT_TRUE(listener_idle(fd));
}

TEST(ipv4_is_not_found_by_ipv6)
{
	const struct server server = {
		.address = "0.0.0.0",
		.option = SO_REUSEADDR,
	};
	int fd;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	fd = server_listen(&server);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	expect_refused(_metadata, "::1");
}

/* Another device may have the same address of the link. */
FIXTURE(link_local) {
	struct server here, there;
	int clients[CLIENTS];
};

FIXTURE_VARIANT(link_local) {
	struct server server;
};

SERVER_VARIANTS(link_local, ipv6, .server.address = LINK_LOCAL);

#define HERE		"dummy0"
#define THERE		"dummy1"

static int bind_here(int fd)
{
	return bind_to_device(fd, HERE);
}

static int bind_there(int fd)
{
	return bind_to_device(fd, THERE);
}

static int link_add(const char *name)
{
	char command[160];

	snprintf(command, sizeof(command),
		 "ip link add %s type dummy && ip link set %s up && ip addr add "
		 LINK_LOCAL "/64 dev %s nodad", name, name, name);
	return system(command);
}

FIXTURE_SETUP(link_local)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, link_add(HERE));
	ASSERT_EQ(0, link_add(THERE));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->here = variant->server;
	self->there = variant->server;
	self->here.prepare = bind_here;
	self->there.prepare = bind_there;
}

FIXTURE_TEARDOWN(link_local)
{
}

static int link_connect(const char *device, int number)
{
	union address to;
	socklen_t len;
	int fd;

	len = address_parse(&to, LINK_LOCAL);
	to.in6.sin6_scope_id = if_nametoindex(device);
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, &to.any, len) ||
	    send(fd, &number, sizeof(number), 0) != sizeof(number))
		return -1;

	return fd;
}

TEST_F(link_local, is_found_on_its_device)
{
	int fd, there, i;

	fd = server_listen(&self->here);
	ASSERT_LE(0, fd);
	for (i = 0; i < HALF; i++)
		ASSERT_LE(0, self->clients[i] = link_connect(HERE, i));

	ASSERT_TRUE(wait_until(listener_queued(fd) == HALF));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	for (; i < CLIENTS; i++)
		ASSERT_LE(0, self->clients[i] = link_connect(HERE, i));

	EXPECT_EQ(-1, link_connect(THERE, CLIENTS));
	EXPECT_EQ(ECONNREFUSED, errno);
	there = server_listen(&self->there);
	ASSERT_LE(0, there);
	EXPECT_LE(0, link_connect(THERE, CLIENTS));
	EXPECT_EQ(CLIENTS, listener_serve(there));
	EXPECT_EQ(1, orphans_count());

	fd = server_listen(&self->here);
	ASSERT_LE(0, fd);
	expect_all_served(_metadata, self->clients, fd);
	EXPECT_TRUE(listener_idle(there));
}

/*
 * A wildcard in a VRF, or outside, where net.ipv4.tcp_l3mdev_accept says whether it's for
 * SYNs from a VRF. The peers are in one.
 */
FIXTURE(vrf) {
	struct server server;
	struct peer peers[CLIENTS];
	struct tun tun;
};

FIXTURE_VARIANT(vrf) {
	const char *any;
	const char *remote;
	const char *l3mdev_accept;
	int (*prepare)(int fd);
	bool found;
};

#define VRF	"vrf0"

static int bind_to_vrf(int fd)
{
	return bind_to_device(fd, VRF);
}

#define VRF_VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(vrf, ipv4_ ## name) {			\
		.any = "0.0.0.0",					\
		.remote = TUN_IPV4,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(vrf, ipv6_ ## name) {			\
		.any = "::",						\
		.remote = TUN_IPV6,					\
		__VA_ARGS__						\
	}

VRF_VARIANTS(inside, .l3mdev_accept = "0", .prepare = bind_to_vrf,
	     .found = true);
VRF_VARIANTS(inside_accept, .l3mdev_accept = "1", .prepare = bind_to_vrf,
	     .found = true);
VRF_VARIANTS(outside, .l3mdev_accept = "0");
VRF_VARIANTS(outside_accept, .l3mdev_accept = "1", .found = true);

static int vrf_enter(void)
{
	int fd, ret;

	if (sysctl_write("net/ipv6/conf/all/keep_addr_on_down", "1") ||
	    system("ip link set " VRF " up && ip link set tun0 master " VRF))
		return -1;

	fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ret = fd < 0 || bind_to_vrf(fd) || tun_await_ipv6(fd);
	close(fd);
	return ret ? -1 : 0;
}

FIXTURE_SETUP(vrf)
{
	ASSERT_EQ(0, netns_enter());
	if (system("ip link add " VRF " type vrf table 10 2>/dev/null"))
		SKIP(return, "no VRFs");

	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, vrf_enter());
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_l3mdev_accept",
				  variant->l3mdev_accept));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server.address = variant->any;
	self->server.option = SO_REUSEPORT;
	self->server.prepare = variant->prepare;
}

FIXTURE_TEARDOWN(vrf)
{
}

TEST_F(vrf, is_found_if_it_was)
{
	int fd;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(variant->found ? CLIENTS : 0,
		  peers_begin(self->peers, CLIENTS, &self->tun,
			      variant->remote));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	if (!variant->found) {
		EXPECT_FALSE(peer_begin(&self->peers[0], &self->tun,
					variant->remote, FIRST_PORT + CLIENTS));
		return;
	}

	EXPECT_EQ(HALF, peers_ack(self->peers, HALF));
	EXPECT_EQ(HALF, peers_number(self->peers, HALF));
	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, fd));
	EXPECT_EQ(HALF, peers_complete(self->peers + HALF, HALF, fd));
}

/* What comes for another port is given to it by a rule. */
FIXTURE(tproxy) {
	struct server server;
	struct peer peers[CLIENTS];
	struct tun tun;
};

FIXTURE_VARIANT(tproxy) {
	const char *any;
	const char *remote;
	const char *family;
};

FIXTURE_VARIANT_ADD(tproxy, ipv4) {
	.any = "0.0.0.0",
	.remote = TUN_IPV4,
	.family = "ip",
};

FIXTURE_VARIANT_ADD(tproxy, ipv6) {
	.any = "::",
	.remote = TUN_IPV6,
	.family = "ip6",
};

#define PROXIED_PORT	9090

static int tproxy_add(const char *family)
{
	char command[240];

	snprintf(command, sizeof(command),
		 "nft 'add table %s t; add chain %s t c { type filter hook prerouting priority mangle; }; add rule %s t c tcp dport %d tproxy to :%d' 2>/dev/null",
		 family, family, family, PROXIED_PORT, SERVER_PORT);
	return system(command);
}

static int transparent(int fd)
{
	int one = 1;

	return setsockopt(fd, SOL_IP, IP_TRANSPARENT, &one, sizeof(one));
}

FIXTURE_SETUP(tproxy)
{
	ASSERT_EQ(0, netns_enter());
	if (tproxy_add(variant->family))
		SKIP(return, "no rules for transparent proxies");

	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server.address = variant->any;
	self->server.option = SO_REUSEADDR;
	self->server.prepare = transparent;
}

FIXTURE_TEARDOWN(tproxy)
{
}

static int proxied_begin(struct peer *peer, struct tun *tun,
			 const char *address, __u16 port)
{
	peer_init(peer, tun, address, port);
	peer->server = PROXIED_PORT;
	return !peer_syn(peer) && peer_synack(peer);
}

TEST_F(tproxy, is_found)
{
	int fd, i;

	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	for (i = 0; i < CLIENTS; i++) {
		if (i == HALF) {
			ASSERT_EQ(0, close(fd));
			ASSERT_EQ(1, orphans_count());
		}
		ASSERT_TRUE(proxied_begin(&self->peers[i], &self->tun,
					  variant->remote, FIRST_PORT + i));
	}

	ASSERT_EQ(CLIENTS, peers_ack(self->peers, CLIENTS));
	ASSERT_EQ(CLIENTS, peers_number(self->peers, CLIENTS));
	fd = server_listen(&self->server);
	ASSERT_LE(0, fd);
	EXPECT_EQ(CLIENTS, peers_serve(self->peers, CLIENTS, fd));
}

FIXTURE(orphan) {
	struct server server;
	int listener;
};

FIXTURE_VARIANT(orphan) {
	const char *address;
};

ADDRESS_VARIANTS(orphan, "127.0.0.1", "::1");

FIXTURE_SETUP(orphan)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->server.address = variant->address;
	self->server.option = SO_REUSEADDR;
	self->listener = server_listen(&self->server);
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(orphan)
{
}

static int connect_from(const char *address, int port)
{
	union address from, to;
	socklen_t len;
	int one = 1;
	int fd;

	len = address_parse(&to, address);
	address_parse(&from, address);
	from.in.sin_port = htons(port);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &from.any, len) || connect(fd, &to.any, len))
		return -1;

	return fd;
}

/* Such a SYN has a lookup of its own. */
TEST_F(orphan, is_found_by_who_was_in_time_wait)
{
	int client, connection, number = 1;
	char none;

	client = connect_from(variant->address, FIRST_PORT);
	ASSERT_LE(0, client);
	connection = listener_accept(self->listener);
	ASSERT_LE(0, connection);
	ASSERT_EQ(0, close(connection));
	ASSERT_EQ(0, recv(client, &none, sizeof(none), 0));
	ASSERT_EQ(0, close(client));
	ASSERT_TRUE(wait_until(time_wait_sockets() == 1));

	ASSERT_EQ(0, close(self->listener));
	ASSERT_EQ(1, orphans_count());
	client = connect_from(variant->address, FIRST_PORT);
	ASSERT_LE(0, client);
	EXPECT_EQ(0, time_wait_sockets());
	ASSERT_LT(0, send(client, &number, sizeof(number), 0));

	self->listener = server_listen(&self->server);
	ASSERT_LE(0, self->listener);
	EXPECT_EQ(number, listener_serve(self->listener));
	EXPECT_TRUE(client_served(client, number));
}

/* Has a program look up listeners in the caller's namespace, which returns @verdict. */
static int sk_lookup_attach(int verdict)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = verdict },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SK_LOOKUP,
		.expected_attach_type = BPF_SK_LOOKUP,
		.insns = (__u64)(unsigned long)code,
		.insn_cnt = ARRAY_SIZE(code),
		.license = (__u64)(unsigned long)"GPL",
	};
	union bpf_attr attach = {
		.link_create.attach_type = BPF_SK_LOOKUP,
		.link_create.target_fd = netns_open(),
	};

	attach.link_create.prog_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load,
					     sizeof(load));
	return syscall(SYS_bpf, BPF_LINK_CREATE, &attach, sizeof(attach));
}

/* It has decided that there is nobody. */
TEST_F(orphan, is_not_found_past_a_program)
{
	int link, client;

	ASSERT_EQ(0, close(self->listener));
	ASSERT_EQ(1, orphans_count());
	link = sk_lookup_attach(SK_DROP);
	ASSERT_LE(0, link);
	expect_refused(_metadata, variant->address);
	ASSERT_EQ(0, close(link));

	link = sk_lookup_attach(SK_PASS);
	ASSERT_LE(0, link);
	client = client_connect(variant->address, 0);
	ASSERT_LE(0, client);
	self->listener = server_listen(&self->server);
	ASSERT_LE(0, self->listener);
	EXPECT_EQ(0, listener_serve(self->listener));
	EXPECT_TRUE(client_served(client, 0));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
