// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a connection is seen in /proc/net/tcp_migrate, and by who
 * traces the events of the module: what any connection may meet with.
 *
 *  1. One listener. Peers are in its accept queue, or have their SYN+ACK.
 *  2. It stops, when others are as the outcome needs it.
 *  3. For those who are half-open, the final ACK comes, or the timer runs.
 *  4. The counter of that path and outcome tells how many there are; no other
 *     does; the sums are those in /proc/net/netstat. There is one event for each
 *     connection, with its addresses and the cookies of the listeners.
 */
#include <linux/bpf.h>
#include <sched.h>

#include "lib/filters.h"
#include "lib/outcome_scene.h"
#include "lib/slabs.h"

#define NOBODY		65534

FIXTURE(tcp_migrate_outcomes) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_migrate_outcomes) {
	struct path path;
	const char *slab;	/* what memory is needed for */
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, close_ipv4) {
	.path = { "close", &ipv4 },
	.slab = PACKETS_SLAB,
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, close_ipv6) {
	.path = { "close", &ipv6 },
	.slab = PACKETS_SLAB,
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, close_mapped) {
	.path = { "close", &mapped },
	.slab = PACKETS_SLAB,
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, ack_ipv4) {
	.path = { "ack", &ipv4 },
	.slab = "TCP",
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, ack_ipv6) {
	.path = { "ack", &ipv6 },
	.slab = "TCPv6",
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, timer_ipv4) {
	.path = { "timer", &ipv4 },
	.slab = "request_sock_TCP",
};

FIXTURE_VARIANT_ADD(tcp_migrate_outcomes, timer_mapped) {
	.path = { "timer", &mapped },
	.slab = "request_sock_TCP",
};

FIXTURE_SETUP(tcp_migrate_outcomes)
{
	begin(_metadata, &self->scene, variant->path.addresses);
	begin_path(_metadata, &self->scene, &variant->path);
}

FIXTURE_TEARDOWN(tcp_migrate_outcomes)
{
	peers_release();
	slab_exhaust(variant->slab, false);
	events_close(&self->scene.events);
}

TEST_F(tcp_migrate_outcomes, migrated)
{
	migrate(_metadata, &self->scene, &variant->path, another, NULL);
	expect_success(_metadata, &self->scene, &variant->path, "migrated");
}

TEST_F(tcp_migrate_outcomes, no_listener)
{
	migrate(_metadata, &self->scene, &variant->path, NULL, NULL);
	expect_failure(_metadata, &self->scene, &variant->path, "no_listener");
}

static void another_users(struct __test_metadata *_metadata,
			  struct scene *scene, const struct path *path)
{
	another(_metadata, scene, path);
	ASSERT_EQ(0, fchown(scene->to, NOBODY, -1));
}

TEST_F(tcp_migrate_outcomes, incompatible)
{
	migrate(_metadata, &self->scene, &variant->path, another_users, NULL);
	expect_failure(_metadata, &self->scene, &variant->path, "incompatible");
}

static void one_that_cancels(struct __test_metadata *_metadata,
			     struct scene *scene, const struct path *path)
{
	another(_metadata, scene, path);
	ASSERT_EQ(0, group_migrate(scene->to, SK_DROP, 0));
}

TEST_F(tcp_migrate_outcomes, cancelled)
{
	migrate(_metadata, &self->scene, &variant->path, one_that_cancels,
		NULL);
	expect_failure(_metadata, &self->scene, &variant->path, "cancelled");
}

static void disable(struct __test_metadata *_metadata,
		    __maybe_unused struct scene *scene,
		    __maybe_unused const struct path *path)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
}

/* For that at close see tcp_migrate_late_outcomes. */
TEST_F(tcp_migrate_outcomes, disabled)
{
	if (!strcmp(variant->path.name, "close"))
		SKIP(return, "there is another test");

	migrate(_metadata, &self->scene, &variant->path, another, disable);
	expect_failure(_metadata, &self->scene, &variant->path, "disabled");
}

/*
 * What it takes to migrate: a packet to show to a program, a child, another request in
 * place of one that somebody holds.
 */
static void another_without_memory(struct __test_metadata *_metadata,
				   struct scene *scene, const struct path *path)
{
	another(_metadata, scene, path);
	if (!strcmp(path->name, "close"))
		ASSERT_EQ(0, group_migrate(scene->to, SK_PASS, 0));
	if (!strcmp(path->name, "timer"))
		ASSERT_EQ(PEERS, peers_hold(scene->peers, PEERS));

	/* Or else the handshake goes on when there's memory again. */
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_abort_on_overflow", "1"));
	ASSERT_EQ(0, slab_exhaust(scene->slab, true));
}

TEST_F(tcp_migrate_outcomes, no_memory)
{
	if (!slabs_can_fail())
		SKIP(return, "no failslab");

	self->scene.slab = variant->slab;
	migrate(_metadata, &self->scene, &variant->path, another_without_memory,
		NULL);
	EXPECT_TRUE(outcome_reaches(variant->path.name, "no_memory", PEERS));
	ASSERT_EQ(0, slab_exhaust(variant->slab, false));
	if (!strcmp(variant->path.name, "close"))
		expect_failure(_metadata, &self->scene, &variant->path,
			       "no_memory");
	else
		expect_late_failure(_metadata, &self->scene, &variant->path,
				    "no_memory");
}

/* Nothing is said of connections that nobody meant to migrate. */
TEST_F(tcp_migrate_outcomes, never_enabled)
{
	struct event event;

	open_other(_metadata, &self->scene, variant->path.addresses);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	stop(_metadata, &self->scene);
	EXPECT_EQ(PEERS, strcmp(variant->path.name, "close") ?
		  peers_refused(self->scene.peers, PEERS) :
		  peers_reset(self->scene.peers, PEERS));
	EXPECT_EQ(0, outcomes_sum(true));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(0, events_read(&self->scene.events, &event, 1));
}

static void leave(struct __test_metadata *_metadata, struct scene *scene,
		  const struct path *path)
{
	another(_metadata, scene, path);
	scene->netns = netns_open();
	ASSERT_LE(0, scene->netns);
	ASSERT_EQ(0, setns(scene->elsewhere, CLONE_NEWNET));
}

/* That of the listener, and not of the process. */
TEST_F(tcp_migrate_outcomes, counts_in_its_own_namespace)
{
	struct event event;
	int here;

	here = netns_open();
	ASSERT_LE(0, here);
	ASSERT_EQ(0, netns_enter());
	self->scene.elsewhere = netns_open();
	ASSERT_LE(0, self->scene.elsewhere);
	ASSERT_EQ(0, setns(here, CLONE_NEWNET));

	migrate(_metadata, &self->scene, &variant->path, leave, NULL);
	EXPECT_EQ(0, outcomes_sum(true));

	ASSERT_EQ(0, setns(self->scene.netns, CLONE_NEWNET));
	expect_success(_metadata, &self->scene, &variant->path, "migrated");
	EXPECT_EQ(1, events_read(&self->scene.events, &event, 1));
	EXPECT_NE(0ULL, event.net_cookie);
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access(OUTCOMES, F_OK))
		ksft_exit_skip(OUTCOMES " isn't there\n");

	if (!events_supported())
		ksft_exit_skip("no tracefs\n");

	return test_harness_run(argc, argv);
}
