// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_migrate_sock(): who may be given a connection. A listener that
 * isn't of the stopped one's group never is, nor one that has left its owner or
 * its device since the group was formed, nor one that can't serve it.
 *
 *  1. A listener of root, with connections in its accept queue, or in the
 *     middle of the handshake.
 *  2. Another listener on the same port: another user's, on another device, or
 *     in another network namespace; or both change, and the connections don't.
 *  3. The first listener stops. Each client is reset, and the other listener
 *     has nothing to accept.
 */
#include <fcntl.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

/* Whoever goes by hash alone gives each of three listeners some of them. */
#define CLIENTS	12
#define NOBODY	65534

FIXTURE(reuseport_migrate_sock) {
	struct peer peers[CLIENTS];
	int clients[CLIENTS];
	struct tun tun;
	int from;
};

FIXTURE_VARIANT(reuseport_migrate_sock) {
	const char *local;
	const char *elsewhere;
};

FIXTURE_VARIANT_ADD(reuseport_migrate_sock, ipv4) {
	.local = TUN_IPV4,
	.elsewhere = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(reuseport_migrate_sock, ipv6) {
	.local = TUN_IPV6,
	.elsewhere = "::1",
};

FIXTURE_SETUP(reuseport_migrate_sock)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = listener_open(variant->local);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->local));
	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
}

FIXTURE_TEARDOWN(reuseport_migrate_sock)
{
}

static int other_user_opens(const char *address)
{
	int fd;

	if (setresuid(-1, NOBODY, -1))
		return -1;

	fd = listener_open(address);
	return setresuid(-1, 0, -1) ? -1 : fd;
}

static int other_netns_opens(const char *address)
{
	int here, fd;
	struct tun tun;

	here = netns_open();
	if (here < 0 || netns_enter() || tun_open(&tun) ||
	    sysctl_write(MIGRATE_REQ, "1"))
		return -1;

	fd = listener_open(address);
	return setns(here, CLONE_NEWNET) ? -1 : fd;
}

/* Joins the group, and is another user's or another device's afterwards. */
static int changed_owner_opens(const char *address)
{
	int fd = listener_open(address);

	return fd < 0 || fchown(fd, NOBODY, -1) ? -1 : fd;
}

/* To none if that's "". */
static int bind_to_device(int fd, const char *device)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
			  strlen(device));
}

static int changed_device_opens(const char *address)
{
	int fd = listener_open(address);

	return fd < 0 || bind_to_device(fd, "tun0") ? -1 : fd;
}

static void expect_all_reset(struct __test_metadata *_metadata,
			     const int *clients, struct peer *peers, int to)
{
	ASSERT_EQ(0, listener_queued(to));
	EXPECT_EQ(CLIENTS, clients_reset(clients, CLIENTS));
	EXPECT_EQ(CLIENTS, peers_refused(peers, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, 2 * CLIENTS);
}

TEST_F(reuseport_migrate_sock, other_user_elsewhere)
{
	int to;

	to = other_user_opens(variant->elsewhere);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* Once the port is free another user may have it, but not its handshakes. */
TEST_F(reuseport_migrate_sock, other_user_afterwards)
{
	int to;

	ASSERT_EQ(-1, other_user_opens(variant->local));
	ASSERT_EQ(EADDRINUSE, errno);
	ASSERT_EQ(0, close(self->from));

	to = other_user_opens(variant->local);
	ASSERT_LE(0, to);
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* A listener that was shut down still has the port. */
TEST_F(reuseport_migrate_sock, other_user_after_shutdown)
{
	int to;

	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	ASSERT_EQ(-1, other_user_opens(variant->local));
	ASSERT_EQ(EADDRINUSE, errno);

	to = other_user_opens(variant->elsewhere);
	ASSERT_LE(0, to);
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F(reuseport_migrate_sock, other_netns)
{
	int to;

	to = other_netns_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F(reuseport_migrate_sock, changed_owner)
{
	int to;

	to = changed_owner_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F(reuseport_migrate_sock, changed_device)
{
	int to;

	to = changed_device_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* The connections have no device, or another one's. */
TEST_F(reuseport_migrate_sock, changed_devices)
{
	int to;

	to = changed_device_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, bind_to_device(self->from, "tun0"));
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F(reuseport_migrate_sock, changed_owner_before_timer)
{
	int to;

	to = changed_owner_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, 2 * CLIENTS));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* Nor is the group's own listener passed over for one of these. */
TEST_F(reuseport_migrate_sock, same_group)
{
	int to, others[4];

	others[0] = other_user_opens(variant->elsewhere);
	ASSERT_LE(0, others[0]);
	others[1] = other_netns_opens(variant->local);
	ASSERT_LE(0, others[1]);
	others[2] = changed_owner_opens(variant->local);
	ASSERT_LE(0, others[2]);
	others[3] = changed_device_opens(variant->local);
	ASSERT_LE(0, others[3]);
	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));

	ASSERT_EQ(CLIENTS, listener_queued(to));
	ASSERT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(CLIENTS, peers_complete(self->peers, CLIENTS, to));
	EXPECT_TRUE(listener_idle(others[0]));
	EXPECT_TRUE(listener_idle(others[1]));
	EXPECT_TRUE(listener_idle(others[2]));
	EXPECT_TRUE(listener_idle(others[3]));
	expect_counters(_metadata, 2 * CLIENTS, 0);
}

/*
 * A listener with a device: half of the peers' connections are in its accept
 * queue, half of them in the middle of the handshake.
 */
FIXTURE(device) {
	struct peer peers[CLIENTS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(device) {
	const char *local;
	bool timer;
};

FIXTURE_VARIANT_ADD(device, ipv4) {
	.local = TUN_IPV4,
};

FIXTURE_VARIANT_ADD(device, ipv4_timer) {
	.local = TUN_IPV4,
	.timer = true,
};

FIXTURE_VARIANT_ADD(device, ipv6) {
	.local = TUN_IPV6,
};

FIXTURE_VARIANT_ADD(device, ipv6_timer) {
	.local = TUN_IPV6,
	.timer = true,
};

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->from = changed_device_opens(variant->local);
	ASSERT_LE(0, self->from);
	self->to = changed_device_opens(variant->local);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, shutdown(self->to, SHUT_RDWR));
	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       variant->local));
	ASSERT_EQ(CLIENTS / 2, peers_ack(self->peers, CLIENTS / 2));
	ASSERT_EQ(CLIENTS / 2, peers_number(self->peers, CLIENTS / 2));
	ASSERT_EQ(CLIENTS / 2, listener_queued(self->from));
	ASSERT_EQ(0, listener_restart(self->to));
}

FIXTURE_TEARDOWN(device)
{
}

static void expect_taken(struct __test_metadata *_metadata,
			 struct peer *peers, int to, bool timer)
{
	struct peer *half_open = &peers[CLIENTS / 2];

	ASSERT_EQ(CLIENTS / 2, listener_queued(to));
	EXPECT_EQ(CLIENTS / 2, peers_serve(peers, CLIENTS / 2, to));
	if (timer)
		ASSERT_EQ(CLIENTS / 2, peers_synack(half_open, CLIENTS / 2));

	EXPECT_EQ(CLIENTS / 2, peers_complete(half_open, CLIENTS / 2, to));
	expect_counters(_metadata, CLIENTS, 0);
}

static void expect_refused(struct __test_metadata *_metadata,
			   struct peer *peers, int to, bool timer)
{
	EXPECT_EQ(CLIENTS / 2, peers_reset(peers, CLIENTS / 2));
	if (timer)
		ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, CLIENTS));

	EXPECT_EQ(CLIENTS / 2, peers_refused(&peers[CLIENTS / 2], CLIENTS / 2));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, CLIENTS);
}

TEST_F(device, same)
{
	ASSERT_EQ(0, close(self->from));
	expect_taken(_metadata, self->peers, self->to, variant->timer);
}

TEST_F(device, other)
{
	ASSERT_EQ(0, bind_to_device(self->to, "lo"));
	ASSERT_EQ(0, close(self->from));
	expect_refused(_metadata, self->peers, self->to, variant->timer);
}

TEST_F(device, other_of_both)
{
	ASSERT_EQ(0, bind_to_device(self->from, "lo"));
	ASSERT_EQ(0, bind_to_device(self->to, "lo"));
	ASSERT_EQ(0, close(self->from));
	expect_refused(_metadata, self->peers, self->to, variant->timer);
}

TEST_F(device, none)
{
	ASSERT_EQ(0, bind_to_device(self->to, ""));
	ASSERT_EQ(0, close(self->from));
	expect_refused(_metadata, self->peers, self->to, variant->timer);
}

/* Who has no device takes connections of any. */
TEST_F(device, none_of_both)
{
	ASSERT_EQ(0, bind_to_device(self->from, ""));
	ASSERT_EQ(0, bind_to_device(self->to, ""));
	ASSERT_EQ(0, close(self->from));
	expect_taken(_metadata, self->peers, self->to, variant->timer);
}

/*
 * A listener for IPv6 and IPv4, with handshakes of IPv4. What can't be changed of
 * a listener can be once it has stopped.
 */
FIXTURE(dual) {
	struct peer peers[CLIENTS];
	struct tun tun;
	int from, to;
};

FIXTURE_SETUP(dual)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
}

FIXTURE_TEARDOWN(dual)
{
}

static void expect_handshakes_refused(struct __test_metadata *_metadata,
				      struct peer *peers, int to)
{
	EXPECT_EQ(CLIENTS, peers_refused(peers, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, 0, CLIENTS);
}

TEST_F(dual, changed_family)
{
	const int ipv4 = AF_INET;
	union address server;
	socklen_t len;

	self->from = listener_open("::");
	ASSERT_LE(0, self->from);
	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun,
				       TUN_IPV4));
	self->to = listener_open("::");
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	/* To itself, since it has the same address and port. */
	len = address_parse(&server, "::ffff:127.0.0.1");
	ASSERT_EQ(0, connect(self->from, &server.any, len));
	ASSERT_EQ(0, setsockopt(self->from, IPPROTO_IPV6, IPV6_ADDRFORM, &ipv4,
				sizeof(ipv4)));
	expect_handshakes_refused(_metadata, self->peers, self->to);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
