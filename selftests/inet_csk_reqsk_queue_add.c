// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_reqsk_queue_add(): a listener with a deep accept queue stops, and
 * one, a few or many others share what was in it.
 *
 *  1. One listener; clients connect to it, one after the other, and nobody
 *     accepts.
 *  2. More listeners join the group, the first one stops.
 *  3. Each client is served once. Each listener accepts its share in the order
 *     in which the clients had connected.
 */
#include <sys/resource.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"

#define DEEP		1200
#define SHALLOW		300	/* with sanitizers */
#define MOST_OTHERS	70

FIXTURE(inet_csk_reqsk_queue_add) {
	int clients[DEEP];
	bool served[DEEP];
	int depth;
	int from;
};

FIXTURE_VARIANT(inet_csk_reqsk_queue_add) {
	int others;
};

FIXTURE_VARIANT_ADD(inet_csk_reqsk_queue_add, one) {
	.others = 1,
};

FIXTURE_VARIANT_ADD(inet_csk_reqsk_queue_add, four) {
	.others = 4,
};

FIXTURE_VARIANT_ADD(inet_csk_reqsk_queue_add, seventy) {
	.others = MOST_OTHERS,
};

FIXTURE_SETUP(inet_csk_reqsk_queue_add)
{
	const struct rlimit files = { 4 * DEEP, 4 * DEEP };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/core/somaxconn", "4096"));
	self->from = listener_open("127.0.0.1");
	ASSERT_LE(0, self->from);

	self->depth = has_sanitizers() ? SHALLOW : DEEP;
	ASSERT_EQ(self->depth, clients_connect(self->clients, self->depth,
					       "127.0.0.1"));
}

FIXTURE_TEARDOWN(inet_csk_reqsk_queue_add)
{
}

TEST_F(inet_csk_reqsk_queue_add, keeps_order)
{
	int to[MOST_OTHERS], i, accepted = 0;
	long number, last;

	for (i = 0; i < variant->others; i++) {
		to[i] = listener_open("127.0.0.1");
		ASSERT_LE(0, to[i]);
	}

	ASSERT_EQ(0, close(self->from));
	expect_counters(_metadata, self->depth, 0);

	for (i = 0; i < variant->others; i++) {
		/* A few listeners can't miss out on hundreds of clients. */
		if (variant->others < 10)
			EXPECT_FALSE(listener_idle(to[i]));

		for (last = -1; !listener_idle(to[i]); last = number) {
			number = listener_serve(to[i]);
			ASSERT_LT(last, number);
			ASSERT_FALSE(self->served[number]);
			self->served[number] = true;
			accepted++;
		}
	}

	EXPECT_EQ(self->depth, accepted);
	EXPECT_EQ(self->depth, clients_served(self->clients, self->depth));
}

/* One after the other stops, and the last one is left with everything. */
TEST_F(inet_csk_reqsk_queue_add, ends_at_the_last)
{
	int to[MOST_OTHERS], i;
	long number;

	for (i = 0; i < variant->others; i++) {
		to[i] = listener_open("127.0.0.1");
		ASSERT_LE(0, to[i]);
	}

	ASSERT_EQ(0, close(self->from));
	for (i = 0; i < variant->others - 1; i++)
		EXPECT_EQ(0, close(to[i]));

	for (i = 0; i < self->depth; i++) {
		number = listener_serve(to[variant->others - 1]);
		ASSERT_LE(0, number);
		ASSERT_FALSE(self->served[number]);
		self->served[number] = true;
	}

	EXPECT_TRUE(listener_idle(to[variant->others - 1]));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
	EXPECT_EQ(self->depth, clients_served(self->clients, self->depth));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
