// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_listen_poll(): a process looks for connections just when what waits for its
 * listener is moved to a sibling, and has some left.
 *
 *  1. Clients connect to a listener, whose process looks again and again, and accepts
 *     none of them.
 *  2. Another listener joins the group, which has room for half of them. A program makes
 *     it take a while to move them.
 *  3. However late the process looks, it's told of the other half.
 */
#include <linux/bpf.h>
#include <poll.h>
#include <sys/epoll.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/stalls.h"

#define CLIENTS	64
#define HALF	(CLIENTS / 2)
#define ROUNDS	3

#define STALL_MS	"100"

FIXTURE(inet_csk_listen_poll) {
	int clients[CLIENTS];
	int from, to;
	int epoll;
};

FIXTURE_VARIANT(inet_csk_listen_poll) {
	/* Whether there's something to accept. Waits for it. */
	bool (*look)(int listener, int epoll);
	__u32 events;
};

static bool look_poll(int listener, int epoll)
{
	struct pollfd poll_fd = { .fd = listener, .events = POLLIN };

	(void)epoll;
	return poll(&poll_fd, 1, PATIENCE_MS) == 1;
}

static bool look_epoll(int listener, int epoll)
{
	struct epoll_event event;

	(void)listener;
	return epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1;
}

static bool look_oneshot(int listener, int epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };

	return !epoll_ctl(epoll, EPOLL_CTL_MOD, listener, &event) &&
	       look_epoll(listener, epoll);
}

FIXTURE_VARIANT_ADD(inet_csk_listen_poll, poll) {
	.look = look_poll,
	.events = EPOLLIN,
};

FIXTURE_VARIANT_ADD(inet_csk_listen_poll, epoll) {
	.look = look_epoll,
	.events = EPOLLIN,
};

FIXTURE_VARIANT_ADD(inet_csk_listen_poll, epoll_oneshot) {
	.look = look_oneshot,
	.events = EPOLLIN | EPOLLONESHOT,
};

FIXTURE_SETUP(inet_csk_listen_poll)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, STALL_MS));
	self->epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->epoll);
}

FIXTURE_TEARDOWN(inet_csk_listen_poll)
{
}

static void one_round(struct __test_metadata *_metadata,
		      FIXTURE_DATA(inet_csk_listen_poll) * self,
		      const FIXTURE_VARIANT(inet_csk_listen_poll) * variant)
{
	struct epoll_event event = { .events = variant->events };

	self->from = listener_open_unblocked("127.0.0.1");
	ASSERT_LE(0, self->from);
	ASSERT_EQ(0, epoll_ctl(self->epoll, EPOLL_CTL_ADD, self->from, &event));
	ASSERT_EQ(0, group_migrate(self->from, SK_PASS, SLOW_MOVE));
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, "127.0.0.1"));
	self->to = listener_open_backlog("127.0.0.1", HALF - 1);
	ASSERT_LE(0, self->to);
	do {
		ASSERT_TRUE(variant->look(self->from, self->epoll));
	} while (listener_queued(self->from) == CLIENTS);

	EXPECT_EQ(HALF, listener_serve_in_order(self->to, HALF));
	clients_close(self->clients, CLIENTS);
	close(self->from);
	close(self->to);
}

TEST_F(inet_csk_listen_poll, told_of_the_rest)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		one_round(_metadata, self, variant);
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
