// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a connection is seen in /proc/net/tcp_migrate, and by who
 * traces the events of the module: what a dying process hadn't read from.
 *
 *  1. One listener. Peers connect and send, and a worker accepts them all.
 *  2. It's killed. The test has the listener as well, which is as the outcome needs it.
 *  3. The counter of that outcome tells how many there are; no other does; the sums are
 *     those in /proc/net/netstat. There is one event for each connection.
 *  4. What isn't given back is reset, and nothing is left of it.
 */
#include <linux/bpf.h>

#include "lib/filters.h"
#include "lib/keys.h"
#include "lib/outcome_scene.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/slabs.h"
#include "lib/workers.h"

FIXTURE(tcp_migrate_unread_outcomes) {
	struct scene scene;
	pid_t process;
	long sockets;	/* that there were before the peers came */
};

FIXTURE_VARIANT(tcp_migrate_unread_outcomes) {
	struct path path;
	const char *peer;	/* for keys, in the listener's family */
	const char *slab;	/* what requests are in */
};

FIXTURE_VARIANT_ADD(tcp_migrate_unread_outcomes, ipv4) {
	.path = { "unread", &ipv4 },
	.peer = PEER_IPV4,
	.slab = "request_sock_TCP",
};

FIXTURE_VARIANT_ADD(tcp_migrate_unread_outcomes, ipv6) {
	.path = { "unread", &ipv6 },
	.peer = PEER_IPV6,
	.slab = "request_sock_TCPv6",
};

FIXTURE_VARIANT_ADD(tcp_migrate_unread_outcomes, mapped) {
	.path = { "unread", &mapped },
	.peer = "::ffff:" PEER_IPV4,
	.slab = "request_sock_TCPv6",
};

FIXTURE_SETUP(tcp_migrate_unread_outcomes)
{
	struct scene *scene = &self->scene;
	struct worker worker = { .accepts = PEERS };

	begin(_metadata, scene, variant->path.addresses);
	ASSERT_EQ(0, unread_allow("1"));
	self->sockets = sockets_used();
	ASSERT_LT(0, self->sockets);
	scene->to_cookie = scene->from_cookie;
	begin_path(_metadata, scene, &variant->path);
	ASSERT_EQ(PEERS, peers_number(scene->peers, PEERS));
	worker.listener = scene->from;
	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
}

FIXTURE_TEARDOWN(tcp_migrate_unread_outcomes)
{
	if (slabs_can_fail()) {
		slab_exhaust(variant->slab, false);
		slab_exhaust(PACKETS_SLAB, false);
	}
	events_close(&self->scene.events);
}

TEST_F(tcp_migrate_unread_outcomes, migrated)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(PEERS, listener_serve_all(scene->from));
	expect_success(_metadata, scene, &variant->path, "migrated");
}

/* All of them, of which nothing is left then, nor of the listener when that is closed. */
static void expect_closed(struct __test_metadata *_metadata, struct scene *scene,
			  const struct path *path, const char *outcome,
			  long sockets)
{
	expect_failure(_metadata, scene, path, outcome);
	EXPECT_TRUE(listener_idle(scene->from));
	EXPECT_TRUE(wait_until(sockets_used() == sockets));
	ASSERT_EQ(0, close(scene->from));
	EXPECT_TRUE(wait_until(sockets_used() == sockets - 1));
}

TEST_F(tcp_migrate_unread_outcomes, cancelled)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, group_migrate(scene->from, SK_DROP, 0));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	expect_closed(_metadata, scene, &variant->path, "cancelled",
		      self->sockets);
}

/* The listener has a key for the peers by now, but they don't sign anything. */
TEST_F(tcp_migrate_unread_outcomes, incompatible)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, md5_set(scene->from, variant->peer, "correct horse"));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	expect_closed(_metadata, scene, &variant->path, "incompatible",
		      self->sockets);
}

/* What it takes to give one back: a request, and a packet to show to a program. */
static void kill_without_memory(struct __test_metadata *_metadata, pid_t process,
				const char *slab)
{
	ASSERT_EQ(0, slab_exhaust(slab, true));
	ASSERT_EQ(0, process_kill(process));
	ASSERT_EQ(0, slab_exhaust(slab, false));
}

TEST_F(tcp_migrate_unread_outcomes, no_memory_for_a_request)
{
	struct scene *scene = &self->scene;

	if (!slabs_can_fail())
		SKIP(return, "no failslab");

	kill_without_memory(_metadata, self->process, variant->slab);
	EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	expect_closed(_metadata, scene, &variant->path, "no_memory",
		      self->sockets);
}

/* There's none for a RST, either. Who sends something more has one then. */
TEST_F(tcp_migrate_unread_outcomes, no_memory_for_a_packet)
{
	struct scene *scene = &self->scene;

	if (!slabs_can_fail())
		SKIP(return, "no failslab");

	ASSERT_EQ(0, group_migrate(scene->from, SK_PASS, 0));
	kill_without_memory(_metadata, self->process, PACKETS_SLAB);
	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	expect_closed(_metadata, scene, &variant->path, "no_memory",
		      self->sockets);
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_UNREAD, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_UNREAD "\n");

	if (!events_supported())
		ksft_exit_skip("no tracefs\n");

	return test_harness_run(argc, argv);
}
