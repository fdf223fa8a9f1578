// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_alloc(): the group of an orphaned listener's successor is another one. The
 * program of the old group, which may be about listeners that aren't there any more, is
 * asked nothing; that of the new one is.
 *
 *  1. A listener; clients connect to it. Its group has a program.
 *  2. It's closed. More clients connect.
 *  3. Another one listens, whose group has a program or none.
 */
#include <linux/bpf.h>

#include "lib/filters.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"

#define CLIENTS	4
#define HALF	(CLIENTS / 2)

struct scene {
	struct server server;
	int clients[CLIENTS];
	int from;
};

FIXTURE(reuseport_alloc) {
	struct scene scene;
};

FIXTURE_VARIANT(reuseport_alloc) {
	const char *address;
};

ADDRESS_VARIANTS(reuseport_alloc, "127.0.0.1", "::1");

FIXTURE_SETUP(reuseport_alloc)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	self->scene.server.address = variant->address;
	self->scene.server.option = SO_REUSEPORT;
	self->scene.from = server_listen(&self->scene.server);
	ASSERT_LE(0, self->scene.from);
	ASSERT_EQ(HALF, clients_connect(self->scene.clients, HALF, variant->address));
}

FIXTURE_TEARDOWN(reuseport_alloc)
{
}

/* With the rest of the clients. */
static void stop(struct __test_metadata *_metadata,
		 struct scene *scene)
{
	int i;

	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(1, orphans_count());
	for (i = HALF; i < CLIENTS; i++) {
		scene->clients[i] = client_connect(scene->server.address, i);
		ASSERT_LE(0, scene->clients[i]);
	}
}

/* It would have every SYN dropped, and every migration cancelled. */
TEST_F(reuseport_alloc, old_program)
{
	int to;

	ASSERT_EQ(0, group_migrate(self->scene.from, SK_DROP, 0));
	stop(_metadata, &self->scene);
	to = server_listen(&self->scene.server);
	ASSERT_LE(0, to);
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	EXPECT_TRUE(outcome_reaches("grace", "migrated", CLIENTS));

	/* It has no program. */
	EXPECT_EQ(-1, group_detach(to));
}

/* With listeners that are taken for those of before, it would choose the third. */
TEST_F(reuseport_alloc, old_filter)
{
	int to;

	ASSERT_EQ(0, group_steer(self->scene.from, 2));
	stop(_metadata, &self->scene);
	to = server_listen(&self->scene.server);
	ASSERT_LE(0, to);
	EXPECT_EQ(CLIENTS, listener_serve_in_order(to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->scene.clients, CLIENTS));
	EXPECT_EQ(-1, group_detach(to));
}

TEST_F(reuseport_alloc, new_program)
{
	int to;

	stop(_metadata, &self->scene);
	to = server_bind(&self->scene.server);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, group_migrate(to, SK_DROP, 0));
	ASSERT_EQ(0, listener_restart(to));
	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_TRUE(outcome_reaches("grace", "cancelled", CLIENTS));
	EXPECT_TRUE(listener_idle(to));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
