// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_listen_start(): a listener comes where one has been orphaned, and has its
 * connections from then on.
 *
 *  1. A server, with connections in its accept queue or in their handshakes.
 *  2. It's killed, and another one listens.
 *  3. All connections are in its queue, or come there with their final ACK, or when their
 *     SYN+ACK is sent again.
 *  4. Or it may not have them: then they are reset, and it has only what is new.
 */
#include <time.h>
#include <unistd.h>

#include "lib/adoption.h"
#include "lib/harness.h"
#include "lib/keys.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS		8
#define HALF		(PEERS / 2)

#define CLIENTS		6

#define NOBODY		65534
#define SECRET		"correct horse"

FIXTURE(inet_csk_listen_start) {
	struct peer peers[PEERS];
	struct tun tun;
	pid_t process;
};

FIXTURE_VARIANT(inet_csk_listen_start) {
	struct server server;
};

SERVER_VARIANTS(inet_csk_listen_start, ipv4, .server.address = TUN_IPV4);
SERVER_VARIANTS(inet_csk_listen_start, ipv6, .server.address = TUN_IPV6);

FIXTURE_SETUP(inet_csk_listen_start)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->process = server_start(&variant->server);
	ASSERT_LT(0, self->process);
}

FIXTURE_TEARDOWN(inet_csk_listen_start)
{
}

/* Another server, for which the orphan has ended. */
static int succeed(struct __test_metadata *_metadata,
		   const struct server *server)
{
	int to = server_listen(server);

	ASSERT_LE(0, to);
	ASSERT_TRUE(orphans_become(0));
	return to;
}

TEST_F(inet_csk_listen_start, migrates_at_the_final_ack)
{
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	to = succeed(_metadata, &variant->server);
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	expect_adopted(_metadata, PEERS);
}

TEST_F(inet_csk_listen_start, migrates_at_the_timer)
{
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	to = succeed(_metadata, &variant->server);
	ASSERT_EQ(PEERS, peers_synack(self->peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, to));
	expect_adopted(_metadata, PEERS);
}

/* The successor is killed as well: handshakes find its orphan, and what comes then. */
TEST_F(inet_csk_listen_start, migrates_from_one_to_the_next)
{
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	to = succeed(_metadata, &variant->server);
	ASSERT_EQ(0, close(to));
	ASSERT_EQ(1, orphans_count());
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	to = succeed(_metadata, &variant->server);
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, to));
	EXPECT_EQ(HALF, peers_complete(&self->peers[HALF], HALF, to));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* How the two share their port doesn't matter. */
TEST_F(inet_csk_listen_start, migrates_to_the_other_option)
{
	struct server server = variant->server;
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     server.address));
	ASSERT_EQ(HALF, peers_ack(self->peers, HALF));
	ASSERT_EQ(HALF, peers_number(self->peers, HALF));
	ASSERT_EQ(0, process_kill(self->process));
	server.option = server.option == SO_REUSEPORT ? SO_REUSEADDR :
			SO_REUSEPORT;
	to = succeed(_metadata, &server);
	EXPECT_EQ(HALF, peers_serve(self->peers, HALF, to));
	EXPECT_EQ(HALF, peers_complete(&self->peers[HALF], HALF, to));
	expect_adopted(_metadata, PEERS);
}

/* A listener only accepts cookies when some have been sent, which is told to this one. */
TEST_F(inet_csk_listen_start, accepts_cookies)
{
	int to;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	ASSERT_EQ(HALF, peers_begin(self->peers, HALF, &self->tun,
				    variant->server.address));
	ASSERT_EQ(0, process_kill(self->process));
	to = succeed(_metadata, &variant->server);
	EXPECT_EQ(HALF, peers_complete(self->peers, HALF, to));
	EXPECT_EQ(HALF, counter_read("SyncookiesRecv"));
	expect_counters(_metadata, 0, 0);
}

/*
 * Who has never sent a cookie, for the kernel has sent one when jiffies were 0, which is
 * five minutes after the boot. For two minutes, that's recent, and cookies are accepted.
 */
static void wait_for_zero_to_be_past(void)
{
	struct timespec now;

	for (;;) {
		clock_gettime(CLOCK_BOOTTIME, &now);
		if (now.tv_sec < 240 || now.tv_sec > 425)
			break;

		sleep(1);
	}
}

/* Another user's server isn't told, and what they would make isn't for it. */
TEST_F(inet_csk_listen_start, keeps_cookies_from_another_user)
{
	struct server server = variant->server;

	wait_for_zero_to_be_past();
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "2"));
	ASSERT_EQ(HALF, peers_begin(self->peers, HALF, &self->tun,
				    server.address));
	ASSERT_EQ(0, process_kill(self->process));
	server.owner = NOBODY;
	succeed(_metadata, &server);
	EXPECT_EQ(HALF, peers_refused(self->peers, HALF));
	EXPECT_EQ(0, counter_read("SyncookiesRecv"));
}

/* Nor does such a server have what is in its handshake. */
TEST_F(inet_csk_listen_start, keeps_handshakes_from_another_user)
{
	struct server server = variant->server;
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     server.address));
	ASSERT_EQ(0, process_kill(self->process));
	server.owner = NOBODY;
	to = succeed(_metadata, &server);
	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));
	EXPECT_LE(PEERS, counter_read(MIGRATE_FAILURE));
}

/* What the successor has no room for doesn't get lost. */
TEST_F(inet_csk_listen_start, exceeds_a_smaller_backlog)
{
	struct server server = variant->server;
	int to;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     server.address));
	ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	ASSERT_EQ(0, process_kill(self->process));
	server.backlog = HALF - 1;
	to = succeed(_metadata, &server);
	ASSERT_TRUE(outcome_reaches("grace", "over_backlog", PEERS - HALF));
	EXPECT_EQ(HALF, outcome_read("grace", "migrated"));
	EXPECT_EQ(PEERS - HALF, outcome_read("grace", "over_backlog"));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, to));
	expect_adopted(_metadata, PEERS);
}

/* A server that may not have what another one has left. */
FIXTURE(others) {
	struct server other;
	int clients[CLIENTS];
	pid_t process;
};

FIXTURE_VARIANT(others) {
	struct server server;
	struct server other;	/* with the same option */
	const char *remote;
	const char *match;
};

#define OTHERS(...)	SERVER_VARIANTS(others, __VA_ARGS__)
#define ON_IPV4		.server.address = "127.0.0.1",			\
			.other.address = "127.0.0.1", .remote = "127.0.0.1"
#define ON_IPV6		.server.address = "::1", .other.address = "::1",	\
			.remote = "::1"
#define ON_BOTH		.server.address = "::", .other.address = "::",	\
			.remote = "::1"
#define ON_EITHER	.server.address = "0.0.0.0",			\
			.other.address = "::", .remote = "127.0.0.1"

static const char *loopback(int fd)
{
	socklen_t len = sizeof(int);
	int family = AF_INET;

	getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
	return family == AF_INET ? "127.0.0.1" : "::1";
}

static int add_md5_key(int fd)
{
	return md5_set(fd, loopback(fd), SECRET);
}

static int add_ao_key(int fd)
{
	return ao_add(fd, loopback(fd), SECRET);
}

static int bind_to_device(int fd)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", strlen("lo"));
}

static int have_only_ipv6(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
}

static int keep_alive(int fd)
{
	int one = 1;

	return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

OTHERS(ipv4_user, ON_IPV4, .other.owner = NOBODY);
OTHERS(ipv6_user, ON_IPV6, .other.owner = NOBODY);
OTHERS(ipv4_device, ON_IPV4, .server.prepare = bind_to_device);
OTHERS(ipv6_device, ON_IPV6, .server.prepare = bind_to_device);
OTHERS(family, ON_EITHER);
OTHERS(v6only, ON_BOTH, .other.prepare = have_only_ipv6);
OTHERS(not_v6only, ON_BOTH, .server.prepare = have_only_ipv6);
OTHERS(ipv4_md5, ON_IPV4, .server.prepare = add_md5_key);
OTHERS(ipv6_md5, ON_IPV6, .server.prepare = add_md5_key);
OTHERS(ipv4_new_md5, ON_IPV4, .other.prepare = add_md5_key);
OTHERS(ipv6_new_md5, ON_IPV6, .other.prepare = add_md5_key);
OTHERS(ipv4_ao, ON_IPV4, .server.prepare = add_ao_key);
OTHERS(ipv6_ao, ON_IPV6, .server.prepare = add_ao_key);
OTHERS(ipv4_new_ao, ON_IPV4, .other.prepare = add_ao_key);
OTHERS(ipv6_new_ao, ON_IPV6, .other.prepare = add_ao_key);
OTHERS(ipv4_match, ON_IPV4, .other.prepare = keep_alive, .match = "2");
OTHERS(ipv6_match, ON_IPV6, .other.prepare = keep_alive, .match = "2");

/* The client has the keys that the server expects of it. */
static int client_begin(const char *remote, const struct server *server,
			int number)
{
	union address to;
	socklen_t len;
	int fd;

	len = address_parse(&to, remote);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    (server->prepare && server->prepare(fd)) ||
	    connect(fd, &to.any, len) ||
	    send(fd, &number, sizeof(number), MSG_NOSIGNAL) != sizeof(number))
		return -1;

	return fd;
}

FIXTURE_SETUP(others)
{
	int i;

	self->other = variant->other;
	self->other.option = variant->server.option;
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	if (variant->match)
		ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_MATCH, variant->match));
	self->process = server_start(&variant->server);
	ASSERT_LT(0, self->process);
	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = client_begin(variant->remote,
						&variant->server, i);
		ASSERT_LE(0, self->clients[i]);
	}
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_TRUE(orphan_queues(CLIENTS));
}

FIXTURE_TEARDOWN(others)
{
}

/* It can bind to the port, and has at once what is new. */
TEST_F(others, get_only_what_is_new)
{
	int client, to;

	to = server_listen(&self->other);
	ASSERT_LE(0, to);
	client = client_begin(variant->remote, &self->other, CLIENTS);
	ASSERT_LE(0, client);
	EXPECT_EQ(CLIENTS, listener_serve(to));
	EXPECT_TRUE(client_served(client, CLIENTS));

	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(orphans_become(0));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(CLIENTS, outcome_read("grace", "incompatible"));
	expect_counters(_metadata, 0, CLIENTS);
}

/* It has new connections from its device only, so the orphan waits for another one. */
TEST(one_device_is_not_all)
{
	struct server server = { "127.0.0.1", SO_REUSEPORT };
	struct server other = server;
	int client, to, on_device;
	pid_t process;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	process = server_start(&server);
	ASSERT_LT(0, process);
	client = client_connect("127.0.0.1", 1);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, process_kill(process));

	other.prepare = bind_to_device;
	on_device = server_listen(&other);
	ASSERT_LE(0, on_device);
	ASSERT_LE(0, client_connect("127.0.0.1", 2));
	EXPECT_EQ(2, listener_serve(on_device));
	to = server_listen(&server);
	ASSERT_LE(0, to);
	EXPECT_EQ(1, listener_serve(to));
	EXPECT_TRUE(client_served(client, 1));
	EXPECT_TRUE(listener_idle(on_device));
	expect_adopted(_metadata, 1);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
