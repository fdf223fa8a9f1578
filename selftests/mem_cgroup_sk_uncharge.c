// SPDX-License-Identifier: GPL-2.0
/*
 * mem_cgroup_sk_uncharge(): what a connection needs is charged to the memory cgroup of the
 * process that has accepted it. It's not charged to that of a worker that has died, and
 * it's in the cgroup of the listener that has it.
 *
 *  1. A worker in a cgroup accepts connections with much data, and is killed.
 *  2. Its cgroup isn't charged for sockets any more. Others listen, in another cgroup,
 *     which isn't charged yet.
 *  3. They accept: their cgroup is charged. They close: nothing is.
 */
#include <string.h>
#include <sys/socket.h>

#include "lib/cgroup.h"
#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"
#include "lib/workers.h"

#define CLIENTS	16
#define MUCH	(64 * 1024)

/* Newer than the headers of some systems. */
#ifndef SO_RESERVE_MEM
#define SO_RESERVE_MEM	73
#endif

static struct cgroup workers;

FIXTURE(mem_cgroup_sk_uncharge) {
	struct cgroup others;
	struct peer peers[CLIENTS];
	struct tun tun;
};

FIXTURE_SETUP(mem_cgroup_sk_uncharge)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("1"));
	ASSERT_EQ(0, cgroups_mount());
	if (cgroups_count_memory())
		SKIP(return, "no memory cgroups");

	ASSERT_EQ(0, cgroup_make(&workers, "workers"));
	ASSERT_EQ(0, cgroup_make(&self->others, "others"));
}

FIXTURE_TEARDOWN(mem_cgroup_sk_uncharge)
{
	EXPECT_EQ(0, cgroup_leave());
	cgroup_remove(&workers);
	cgroup_remove(&self->others);
}

static int enter(void)
{
	return cgroup_enter(&workers);
}

/* Accepts all and hangs, with a listener of its own. */
static pid_t start(int listener, int (*treat)(int fd, int number))
{
	const struct worker worker = {
		.listener = listener,
		.accepts = CLIENTS,
		.prepare = enter,
		.treat = treat,
	};

	return worker_start(&worker);
}

static bool charged(const struct cgroup *cgroup)
{
	return wait_until(cgroup_socket_memory(cgroup) > 0);
}

static bool not_charged(const struct cgroup *cgroup)
{
	return wait_until(cgroup_socket_memory(cgroup) == 0);
}

/* As much as fits; it needn't be all. */
static void send_much(struct __test_metadata *_metadata, const int *clients)
{
	static char bytes[MUCH];
	int i;

	for (i = 0; i < CLIENTS; i++)
		ASSERT_LT(0, send(clients[i], bytes, sizeof(bytes), MSG_DONTWAIT));
}

TEST_F(mem_cgroup_sk_uncharge, follows_who_accepts)
{
	int clients[CLIENTS], connections[CLIENTS];
	int from, to, i;
	pid_t process;

	from = listener_open("127.0.0.1");
	ASSERT_LE(0, from);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, "127.0.0.1"));
	send_much(_metadata, clients);
	process = start(from, NULL);
	ASSERT_LT(0, process);
	ASSERT_EQ(0, close(from));
	ASSERT_TRUE(charged(&workers));
	ASSERT_EQ(0, cgroup_enter(&self->others));
	to = listener_open("127.0.0.1");
	ASSERT_LE(0, to);

	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(CLIENTS, listener_queued(to));
	EXPECT_TRUE(not_charged(&workers));
	EXPECT_EQ(0, cgroup_socket_memory(&self->others));
	for (i = 0; i < CLIENTS; i++) {
		connections[i] = listener_accept(to);
		ASSERT_LE(0, connections[i]);
	}
	EXPECT_TRUE(charged(&self->others));
	EXPECT_EQ(0, cgroup_socket_memory(&workers));

	for (i = 0; i < CLIENTS; i++)
		ASSERT_EQ(0, close(connections[i]));
	EXPECT_TRUE(not_charged(&self->others));
}

/* They aren't the worker's any more when that's known; nor twice those of the others. */
TEST_F(mem_cgroup_sk_uncharge, is_as_it_was_again_and_again)
{
	int clients[CLIENTS];
	int listener, i;
	pid_t process;

	listener = listener_open("127.0.0.1");
	ASSERT_LE(0, listener);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, "127.0.0.1"));
	for (i = 0; i < 5; i++) {
		send_much(_metadata, clients);
		process = start(listener, NULL);
		ASSERT_LT(0, process);
		ASSERT_TRUE(charged(&workers));
		ASSERT_EQ(0, process_kill(process));
		ASSERT_EQ(CLIENTS, listener_queued(listener));
		EXPECT_TRUE(not_charged(&workers));
	}
	ASSERT_EQ(0, cgroup_remove(&workers));
}

/* What has memory of its own in the worker's cgroup isn't given back. */
static int reserve(int fd, __maybe_unused int number)
{
	const int bytes = MUCH;

	return setsockopt(fd, SOL_SOCKET, SO_RESERVE_MEM, &bytes, sizeof(bytes));
}

TEST_F(mem_cgroup_sk_uncharge, leaves_what_is_reserved)
{
	int clients[CLIENTS];
	pid_t process;
	int listener;

	listener = listener_open("127.0.0.1");
	ASSERT_LE(0, listener);
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, "127.0.0.1"));
	process = start(listener, reserve);
	ASSERT_LT(0, process);
	ASSERT_EQ(0, process_kill(process));
	ASSERT_TRUE(listener_idle(listener));
	EXPECT_EQ(CLIENTS, clients_reset(clients, CLIENTS));
	EXPECT_TRUE(not_charged(&workers));
}

TEST_F(mem_cgroup_sk_uncharge, follows_the_listener)
{
	int from, to, i;
	pid_t process;
	__u64 others;

	ASSERT_EQ(0, tun_open(&self->tun));
	others = cgroup_id(&self->others);
	ASSERT_NE(0ULL, others);
	from = listener_open(TUN_IPV4);
	ASSERT_LE(0, from);
	ASSERT_EQ(CLIENTS, peers_begin(self->peers, CLIENTS, &self->tun, TUN_IPV4));
	ASSERT_EQ(CLIENTS, peers_ack(self->peers, CLIENTS));
	process = start(from, NULL);
	ASSERT_LT(0, process);
	ASSERT_EQ(0, close(from));
	ASSERT_EQ(0, cgroup_enter(&self->others));
	to = listener_open(TUN_IPV4);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(CLIENTS, listener_queued(to));
	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(others, diag_cgroup(&self->peers[i]));
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_UNREAD, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_UNREAD "\n");

	return test_harness_run(argc, argv);
}
