// SPDX-License-Identifier: GPL-2.0
/*
 * syn_ack_recalc(): the SYN+ACK timer of a request runs for the last time, and
 * its listener has stopped. It's expired, and nobody's.
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK.
 *  2. Another listener joins the group, the first one stops.
 *  3. The requests' timers run, and by the settings of the other listener no
 *     SYN+ACK may be sent again.
 *  4. Each request is dropped, and counted as a failure.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

#define RETRIES		"net/ipv4/tcp_synack_retries"
#define PEERS		4

struct scene {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE(syn_ack_recalc) {
	struct scene scene;
};

FIXTURE_VARIANT(syn_ack_recalc) {
	const char *address;
};

ADDRESS_VARIANTS(syn_ack_recalc, TUN_IPV4, TUN_IPV6);

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = listener_open(address);
	ASSERT_LE(0, scene->from);
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun, address));
}

FIXTURE_SETUP(syn_ack_recalc)
{
	begin(_metadata, &self->scene, variant->address);
}

FIXTURE_TEARDOWN(syn_ack_recalc)
{
}

static void stop_without_retries(struct __test_metadata *_metadata,
				 struct scene *scene, const char *address)
{
	scene->to = listener_open(address);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, sysctl_write(RETRIES, "0"));
	ASSERT_EQ(0, close(scene->from));
}

static void expect_dropped(struct __test_metadata *_metadata,
			   struct scene *scene)
{
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
	expect_counters(_metadata, 0, PEERS);
	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	EXPECT_TRUE(listener_idle(scene->to));
}

/* They'd expire for the first listener as well, if their timers ran before it stops. */
TEST_F(syn_ack_recalc, expired_for_all)
{
	struct scene *scene = &self->scene;
	struct segment segment;
	int i;

	stop_without_retries(_metadata, scene, variant->address);
	while (!peers_in_time(scene->peers, PEERS)) {
		begin(_metadata, scene, variant->address);
		stop_without_retries(_metadata, scene, variant->address);
	}

	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
	for (i = 0; i < PEERS; i++)
		EXPECT_FALSE(peer_receive(&scene->peers[i], &segment, 0));

	expect_dropped(_metadata, scene);
}

/* The first listener would have sent more of them. */
TEST_F(syn_ack_recalc, expired_for_the_other_listener)
{
	struct scene *scene = &self->scene;
	int one = 1;

	ASSERT_EQ(PEERS, peers_synack(scene->peers, PEERS));
	scene->to = listener_open(variant->address);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, setsockopt(scene->to, IPPROTO_TCP, TCP_SYNCNT, &one,
				sizeof(one)));
	ASSERT_EQ(0, close(scene->from));
	expect_dropped(_metadata, scene);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
