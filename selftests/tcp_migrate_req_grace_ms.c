// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req_grace_ms: the only server of a port is killed, and for so
 * long its listener goes on without it, orphaned.
 *
 *  1. A server, and clients in its accept queue.
 *  2. It's killed. The clients go on sending, and others connect.
 *  3. Another one listens, and accepts them all, in the order in which they came, with
 *     all that they have sent.
 *  4. Or nobody comes, and they are reset when the time is up; or it's ended by a sysctl.
 */
#include <errno.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"

/* So many before the server is killed, and as many after. A few are moved one by one. */
#define CLIENTS		12

#define SHORT_GRACE_MS	"200"

FIXTURE(tcp_migrate_req_grace_ms) {
	const char *remote;
	pid_t process;
	int clients[2 * CLIENTS];
};

FIXTURE_VARIANT(tcp_migrate_req_grace_ms) {
	struct server server;
	const char *remote;	/* if it's not the server's address */
};

SERVER_VARIANTS(tcp_migrate_req_grace_ms, ipv4, .server.address = "127.0.0.1");
SERVER_VARIANTS(tcp_migrate_req_grace_ms, ipv6, .server.address = "::1");

/* IPv4 clients of an IPv6 listener. */
SERVER_VARIANTS(tcp_migrate_req_grace_ms, dual, .server.address = "::",
		.remote = "127.0.0.1");

FIXTURE_SETUP(tcp_migrate_req_grace_ms)
{
	self->remote = variant->remote ?: variant->server.address;
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->process = server_start(&variant->server);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   self->remote));
}

FIXTURE_TEARDOWN(tcp_migrate_req_grace_ms)
{
}

/* As many clients as there are, with the numbers that follow. */
static void connect_more(struct __test_metadata *_metadata, int *clients,
			 const char *remote)
{
	int i;

	for (i = CLIENTS; i < 2 * CLIENTS; i++) {
		clients[i] = client_connect(remote, i);
		ASSERT_LE(0, clients[i]);
	}
}

static int send_number(int fd, int number)
{
	return send(fd, &number, sizeof(number), MSG_NOSIGNAL) ==
	       sizeof(number) ? 0 : -1;
}

static void expect_refused(struct __test_metadata *_metadata,
			   const char *remote)
{
	EXPECT_EQ(-1, client_connect(remote, 0));
	EXPECT_EQ(ECONNREFUSED, errno);
}

/* What has become of queued connections when an orphan has ended. It's counted then. */
static void expect_outcome(struct __test_metadata *_metadata, int success,
			   int failure, const char *outcome)
{
	EXPECT_TRUE(outcome_reaches("grace", outcome, success + failure));
	EXPECT_TRUE(outcomes_agree());
	expect_counters(_metadata, success, failure);
}

/* The first clients have sent their number twice, and have it twice. */
static void expect_served(struct __test_metadata *_metadata, const int *clients,
			  int to)
{
	int connection, i;

	for (i = 0; i < CLIENTS; i++) {
		connection = listener_accept(to);
		ASSERT_LE(0, connection);
		EXPECT_EQ(i, connection_serve(connection));
		EXPECT_EQ(i, connection_serve(connection));
		ASSERT_EQ(0, close(connection));
		EXPECT_TRUE(client_served(clients[i], i));
		EXPECT_TRUE(client_served(clients[i], i));
	}

	for (; i < 2 * CLIENTS; i++) {
		EXPECT_EQ(i, listener_serve(to));
		EXPECT_TRUE(client_served(clients[i], i));
	}
}

static void succeed_after(struct __test_metadata *_metadata, pid_t process,
			  int *clients, const char *remote,
			  const struct server *server, int gap_ms)
{
	int to, i;

	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(1, orphans_count());
	connect_more(_metadata, clients, remote);
	for (i = 0; i < CLIENTS; i++)
		ASSERT_EQ(0, send_number(clients[i], i));

	usleep(gap_ms * 1000);
	to = server_listen(server);
	ASSERT_LE(0, to);
	expect_served(_metadata, clients, to);
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(0, orphans_count());
	expect_outcome(_metadata, 2 * CLIENTS, 0, "migrated");
}

TEST_F(tcp_migrate_req_grace_ms, loses_nothing_in_5_ms)
{
	succeed_after(_metadata, self->process, self->clients, self->remote,
		      &variant->server, 5);
}

TEST_F(tcp_migrate_req_grace_ms, loses_nothing_in_300_ms)
{
	succeed_after(_metadata, self->process, self->clients, self->remote,
		      &variant->server, 300);
}

TEST_F(tcp_migrate_req_grace_ms, loses_nothing_in_2500_ms)
{
	succeed_after(_metadata, self->process, self->clients, self->remote,
		      &variant->server, 2500);
}

/* The successor is killed, too, and so is the next one. */
TEST_F(tcp_migrate_req_grace_ms, loses_nothing_again_and_again)
{
	int to, i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, process_kill(self->process));
		ASSERT_EQ(1, orphans_count());
		self->process = server_start(&variant->server);
		ASSERT_LT(0, self->process);
		ASSERT_TRUE(outcome_reaches("grace", "migrated",
					    (i + 1) * CLIENTS));
		ASSERT_TRUE(orphans_become(0));
	}

	ASSERT_EQ(0, process_kill(self->process));
	to = server_listen(&variant->server);
	ASSERT_LE(0, to);
	ASSERT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	expect_outcome(_metadata, 4 * CLIENTS, 0, "migrated");
}

/* Nothing is left of it: even who doesn't share the port can have it. */
TEST_F(tcp_migrate_req_grace_ms, resets_when_the_time_is_up)
{
	const struct server other = { variant->server.address };

	ASSERT_EQ(0, orphans_allow(SHORT_GRACE_MS));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	ASSERT_TRUE(orphans_become(0));
	expect_refused(_metadata, self->remote);
	expect_outcome(_metadata, 0, CLIENTS, "grace_over");
	EXPECT_TRUE(wait_until(server_listen(&other) >= 0));
}

/* An orphan has the time that there was when it was orphaned. */
TEST_F(tcp_migrate_req_grace_ms, is_shown)
{
	struct orphan orphan;

	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(0, orphans_allow("1"));
	ASSERT_TRUE(orphan_read(&orphan, SERVER_PORT));
	EXPECT_STREQ(variant->server.address, orphan.address);
	EXPECT_EQ(0, orphan.uid);
	EXPECT_EQ(CLIENTS, orphan.queue);
	EXPECT_EQ(4096, orphan.backlog);
	EXPECT_LT(0, orphan.left_ms);
	EXPECT_GE(atol(LONG_GRACE_MS), orphan.left_ms);
}

TEST_F(tcp_migrate_req_grace_ms, is_off_at_0)
{
	ASSERT_EQ(0, orphans_allow("0"));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(0, orphans_count());
	expect_refused(_metadata, self->remote);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));

	/* Without a group, nobody expects a migration. */
	expect_counters(_metadata, 0, variant->server.option == SO_REUSEPORT ?
			CLIENTS : 0);
}

TEST_F(tcp_migrate_req_grace_ms, is_off_without_migration)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(0, orphans_count());
	expect_refused(_metadata, self->remote);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	expect_counters(_metadata, 0, 0);
}

/* All of them end before the write returns. */
TEST_F(tcp_migrate_req_grace_ms, ends_when_set_to_0)
{
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(1, orphans_count());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_GRACE_MS, "0"));
	EXPECT_EQ(0, orphans_count());
	expect_refused(_metadata, self->remote);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	expect_outcome(_metadata, 0, CLIENTS,
		       variant->server.option == SO_REUSEPORT ? "no_listener" :
		       "disabled");
}

TEST_F(tcp_migrate_req_grace_ms, ends_without_migration)
{
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(1, orphans_count());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	EXPECT_EQ(0, orphans_count());
	expect_refused(_metadata, self->remote);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	expect_outcome(_metadata, 0, CLIENTS, "disabled");
}

static int enter_and_listen(void *server)
{
	return netns_enter() || orphans_allow(SHORT_GRACE_MS) ||
	       server_listen(server) < 0 ? -1 : 0;
}

/* It's all that there is of its namespace. */
TEST(lets_go_of_the_namespace)
{
	struct server server = { "127.0.0.1", SO_REUSEADDR };
	pid_t process;

	ASSERT_EQ(0, netns_enter());
	process = process_start(enter_and_listen, &server);
	ASSERT_LT(0, process);
	ASSERT_EQ(0, netns_tie("below", process));
	ASSERT_EQ(0, process_kill(process));
	EXPECT_TRUE(netns_gone("below"));
}

TEST(takes_up_to_a_minute)
{
	ASSERT_EQ(0, netns_enter());
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ_GRACE_MS));
	EXPECT_EQ(0, sysctl_write(MIGRATE_REQ_GRACE_MS, "60000"));
	EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ_GRACE_MS, "60001"));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ_GRACE_MS, "-1"));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(60000, sysctl_read(MIGRATE_REQ_GRACE_MS));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
