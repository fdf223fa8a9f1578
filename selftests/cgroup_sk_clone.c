// SPDX-License-Identifier: GPL-2.0
/*
 * cgroup_sk_clone(): a connection belongs to the cgroup of the listener that serves it,
 * and not of the one that has stopped: what's said about a service's traffic holds.
 *
 *  1. A listener of a process in a cgroup of its own. Peers are in its accept queue, or
 *     have their SYN+ACK.
 *  2. A program is attached to that cgroup, which lets nothing in any more. A listener
 *     of another cgroup joins the group.
 *  3. The process is killed.
 *  4. The other listener serves each peer: its connection is in the other cgroup. The
 *     first one is removed, and goes away while the connections are there.
 */
#include "lib/cgroup.h"
#include "lib/diag.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"

#define PEERS	4

enum when {
	IN_QUEUE,
	BEFORE_ACK,
	BEFORE_TIMER,
};

FIXTURE(cgroup_sk_clone) {
	struct cgroup former, other;
	struct peer peers[PEERS];
	struct tun tun;
	long dying;
	pid_t process;
	int to;
};

FIXTURE_VARIANT(cgroup_sk_clone) {
	const char *address;
	enum when when;
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(cgroup_sk_clone, name ## _in_queue) {	\
		.when = IN_QUEUE,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(cgroup_sk_clone, name ## _before_ack) {	\
		.when = BEFORE_ACK,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(cgroup_sk_clone, name ## _before_timer) {	\
		.when = BEFORE_TIMER,					\
		__VA_ARGS__						\
	}

VARIANTS(ipv4, .address = TUN_IPV4);
VARIANTS(ipv6, .address = TUN_IPV6);

struct service {
	const struct cgroup *cgroup;
	const char *address;
};

static int serve(void *data)
{
	const struct service *service = data;

	return cgroup_enter(service->cgroup) ||
	       listener_open(service->address) < 0 ? -1 : 0;
}

FIXTURE_SETUP(cgroup_sk_clone)
{
	struct service service = {
		.cgroup = &self->former,
		.address = variant->address,
	};

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, cgroups_mount());
	self->dying = cgroups_dying();
	ASSERT_LE(0, self->dying);
	ASSERT_EQ(0, cgroup_make(&self->former, "former"));
	ASSERT_EQ(0, cgroup_make(&self->other, "other"));

	self->process = process_start(serve, &service);
	ASSERT_LE(0, self->process);
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	if (variant->when == IN_QUEUE)
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	ASSERT_EQ(0, cgroup_deny(&self->former));
	ASSERT_EQ(0, cgroup_enter(&self->other));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, process_kill(self->process));
	if (variant->when == BEFORE_TIMER)
		ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
}

FIXTURE_TEARDOWN(cgroup_sk_clone)
{
	EXPECT_EQ(0, cgroup_leave());
	cgroup_remove(&self->former);
	EXPECT_EQ(0, cgroup_remove(&self->other));
}

TEST_F(cgroup_sk_clone, follows_the_listener)
{
	__u64 other = cgroup_id(&self->other);
	int i;

	ASSERT_NE(0ULL, other);
	if (variant->when != IN_QUEUE)
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	for (i = 0; i < PEERS; i++)
		EXPECT_EQ(other, diag_cgroup(&self->peers[i]));

	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, self->to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(cgroup_sk_clone, lets_the_former_go)
{
	int connections[PEERS], i;

	if (variant->when != IN_QUEUE)
		ASSERT_EQ(PEERS, peers_ack(self->peers, PEERS));

	for (i = 0; i < PEERS; i++) {
		connections[i] = listener_accept(self->to);
		ASSERT_LE(0, connections[i]);
	}

	ASSERT_EQ(0, cgroup_remove(&self->former));
	EXPECT_TRUE(wait_until(cgroups_dying() <= self->dying));
	ASSERT_EQ(PEERS, peers_number(self->peers, PEERS));
	for (i = 0; i < PEERS; i++) {
		EXPECT_EQ(self->peers[i].port, connection_serve(connections[i]));
		EXPECT_TRUE(peer_served(&self->peers[i]));
	}
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
