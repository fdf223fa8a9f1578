// SPDX-License-Identifier: GPL-2.0
/*
 * sk_reuseport_prog_free(): a group's classic BPF program is replaced while it
 * chooses listeners, and while connections are migrated, which means a look at
 * it. It's freed when nobody can see it any more (CVE-2026-52910; without that
 * the kernel oopses, or its sanitizer reports).
 *
 *  1. One listener stays, and others take over from one another.
 *  2. A thread attaches programs to their group, and detaches them.
 *  3. Before a listener stops, a client connects to the group. It's served.
 */
#include <pthread.h>
#include <sys/socket.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"

#define ROUNDS	300

FIXTURE(sk_reuseport_prog_free) {
	pthread_t thread;
};

static bool enough;

FIXTURE_SETUP(sk_reuseport_prog_free)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	enough = false;
}

FIXTURE_TEARDOWN(sk_reuseport_prog_free)
{
}

/* Returns how often that failed. */
static void *exchange_programs(void *data)
{
	int listener = *(int *)data;
	long failed = 0;

	while (!__atomic_load_n(&enough, __ATOMIC_RELAXED))
		failed += group_steer(listener, 0) ||
			  group_steer(listener, 1) || group_detach(listener);

	return (void *)failed;
}

TEST_F(sk_reuseport_prog_free, programs_come_and_go)
{
	int stays, from, to, client, i;
	void *failed;

	stays = listener_open("127.0.0.1");
	ASSERT_LE(0, stays);
	to = listener_open("127.0.0.1");
	ASSERT_LE(0, to);
	ASSERT_EQ(0, pthread_create(&self->thread, NULL, exchange_programs,
				    &stays));

	for (i = 0; i < ROUNDS; i++) {
		client = client_connect("127.0.0.1", i);
		ASSERT_LE(0, client);
		from = to;
		to = listener_open("127.0.0.1");
		ASSERT_LE(0, to);
		ASSERT_EQ(0, close(from));
		ASSERT_EQ(i, listener_serve(listener_idle(to) ? stays : to));
		ASSERT_TRUE(client_served(client, i));
		close(client);
	}

	__atomic_store_n(&enough, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(self->thread, &failed));
	EXPECT_EQ(NULL, failed);
	EXPECT_LT(0, counter_read(MIGRATE_SUCCESS));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
