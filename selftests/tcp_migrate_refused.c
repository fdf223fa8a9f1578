// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_migrate_refused(): a listener that was chosen at the final ACK has no room for a
 * child. That's no failure when the timer of the SYN+ACK has migrated the request
 * meanwhile, on another CPU.
 *
 *  1. One listener; a peer sends a SYN, and has its SYN+ACK, on the first CPU.
 *  2. Another listener, which is full, joins the group; the first one stops.
 *  3. The peer sends the final ACK on the second CPU. A filter of the other listener
 *     has it wait, until the timer has run on the first CPU.
 *  4. The request has been migrated, once, and nothing has failed.
 */
#include <pthread.h>

#include "lib/filters.h"
#include "lib/harness.h"
#include "lib/held_acks.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

struct scene {
	struct held_acks *held;
	struct peer peer;
	struct tun tun;
	int from, to;
};

FIXTURE(tcp_migrate_refused) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_migrate_refused) {
	const char *address;
};

ADDRESS_VARIANTS(tcp_migrate_refused, TUN_IPV4, TUN_IPV6);

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address)
{
	ASSERT_EQ(0, run_on_cpu(0));
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->held = held_acks__open_and_load();
	ASSERT_NE(NULL, scene->held);

	scene->from = listener_open(address);
	ASSERT_LE(0, scene->from);
	scene->to = listener_open_backlog(address, 0);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, group_steer(scene->to, 1));
	ASSERT_LE(0, client_connect(address, 0));
	ASSERT_EQ(0, group_steer(scene->to, 0));
	ASSERT_EQ(0, held_acks_attach(scene->held, scene->to));

	ASSERT_TRUE(peer_begin(&scene->peer, &scene->tun, address, FIRST_PORT));
	ASSERT_EQ(0, close(scene->from));
}

FIXTURE_SETUP(tcp_migrate_refused)
{
	begin(_metadata, &self->scene, variant->address);
}

FIXTURE_TEARDOWN(tcp_migrate_refused)
{
	held_acks__destroy(self->scene.held);
}

static void *send_ack(void *peer)
{
	run_on_cpu(1);
	peer_ack(peer);
	return NULL;
}

/* Whether the ACK was there before the timer, and after it. */
static bool meet(struct __test_metadata *_metadata, struct scene *scene)
{
	pthread_t sender;
	bool before;

	ASSERT_EQ(0, pthread_create(&sender, NULL, send_ack, &scene->peer));
	ASSERT_TRUE(held_acks_wait(scene->held));
	before = !counter_read(MIGRATE_SUCCESS);
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, 1));
	held_acks_release(scene->held);
	ASSERT_EQ(0, pthread_join(sender, NULL));
	return before;
}

TEST_F(tcp_migrate_refused, timer_has_been_faster)
{
	struct scene *scene = &self->scene;

	while (!meet(_metadata, scene)) {
		held_acks__destroy(scene->held);
		begin(_metadata, scene, variant->address);
	}

	EXPECT_EQ(1, counter_read("ListenOverflows"));
	expect_counters(_metadata, 1, 0);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	if (!held_acks_supported())
		ksft_exit_skip("needs two CPUs, and a BPF JIT\n");

	return test_harness_run(argc, argv);
}
