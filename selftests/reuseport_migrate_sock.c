// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_migrate_sock(): who may be given a connection. A listener that
 * isn't of the stopped one's group never is, nor one that has left its owner or
 * its device since the group was formed.
 *
 *  1. A listener of root, with connections in its accept queue, or in the
 *     middle of the handshake.
 *  2. Another listener on the same port: another user's, on another device, or
 *     in another network namespace.
 *  3. The first listener stops. Each client is reset, and the other listener
 *     has nothing to accept.
 */
#include <fcntl.h>
#include <sched.h>

#include "kselftest_harness.h"

#include "listeners.h"
#include "netns.h"
#include "segments.h"

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

	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
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

static int changed_device_opens(const char *address)
{
	int fd = listener_open(address);

	return fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 5) ?
	       -1 : fd;
}

static void expect_all_reset(struct __test_metadata *_metadata,
			     const int *clients, struct peer *peers, int to)
{
	ASSERT_EQ(0, listener_queued(to));
	EXPECT_EQ(CLIENTS, clients_reset(clients, CLIENTS));
	EXPECT_EQ(CLIENTS, peers_refused(peers, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(2 * CLIENTS, counter_read(MIGRATE_FAILURE));
}

TEST_F_TIMEOUT(reuseport_migrate_sock, other_user_elsewhere, 300)
{
	int to;

	to = other_user_opens(variant->elsewhere);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* Once the port is free another user may have it, but not its handshakes. */
TEST_F_TIMEOUT(reuseport_migrate_sock, other_user_afterwards, 300)
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
TEST_F_TIMEOUT(reuseport_migrate_sock, other_user_after_shutdown, 300)
{
	int to;

	ASSERT_EQ(0, shutdown(self->from, SHUT_RDWR));
	ASSERT_EQ(-1, other_user_opens(variant->local));
	ASSERT_EQ(EADDRINUSE, errno);

	to = other_user_opens(variant->elsewhere);
	ASSERT_LE(0, to);
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F_TIMEOUT(reuseport_migrate_sock, other_netns, 300)
{
	int to;

	to = other_netns_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F_TIMEOUT(reuseport_migrate_sock, changed_owner, 300)
{
	int to;

	to = changed_owner_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

TEST_F_TIMEOUT(reuseport_migrate_sock, changed_device, 300)
{
	int to;

	to = changed_device_opens(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(self->from));
	expect_all_reset(_metadata, self->clients, self->peers, to);
}

/* Nor is the group's own listener passed over for one of these. */
TEST_F_TIMEOUT(reuseport_migrate_sock, same_group, 300)
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
	EXPECT_EQ(2 * CLIENTS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
