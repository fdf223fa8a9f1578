// SPDX-License-Identifier: GPL-2.0
/*
 * inet_csk_accept(): a process that has been stopped goes on just when what waits for its
 * listener is moved to a sibling.
 *
 *  1. Clients connect to two listeners, of which nobody accepts from one.
 *  2. About when that is taken for stalled, threads begin to accept from it, too.
 *  3. Each client is served once.
 */
#include <liburing.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/stalls.h"

#define CLIENTS		64
#define THREADS		4
#define ROUNDS		15

#define STALL_MS	100

enum wait {
	WAIT_SPIN,
	WAIT_EPOLL,
	WAIT_IO_URING,
};

FIXTURE(inet_csk_accept) {
	int clients[CLIENTS];
	int from, to;
};

FIXTURE_VARIANT(inet_csk_accept) {
	enum wait wait;
	__u32 epoll;
};

FIXTURE_VARIANT_ADD(inet_csk_accept, threads) {
	.wait = WAIT_SPIN,
};

FIXTURE_VARIANT_ADD(inet_csk_accept, epoll) {
	.wait = WAIT_EPOLL,
};

FIXTURE_VARIANT_ADD(inet_csk_accept, epoll_edge) {
	.wait = WAIT_EPOLL,
	.epoll = EPOLLET,
};

FIXTURE_VARIANT_ADD(inet_csk_accept, epoll_exclusive) {
	.wait = WAIT_EPOLL,
	.epoll = EPOLLEXCLUSIVE,
};

FIXTURE_VARIANT_ADD(inet_csk_accept, epoll_oneshot) {
	.wait = WAIT_EPOLL,
	.epoll = EPOLLONESHOT,
};

FIXTURE_VARIANT_ADD(inet_csk_accept, io_uring) {
	.wait = WAIT_IO_URING,
};

/* A thread that accepts from a listener after a while, until it's told to end. */
struct server {
	pthread_t thread;
	enum wait wait;
	__u32 epoll;
	int listener;
	int after_us;
	int *served;	/* by all */
	bool *end;
};

static void serve(struct server *server, int connection)
{
	if (connection < 0)
		return;

	if (connection_serve(connection) >= 0)
		__atomic_add_fetch(server->served, 1, __ATOMIC_RELAXED);
	close(connection);
}

static bool serve_next(struct server *server)
{
	int connection = accept(server->listener, NULL, NULL);

	serve(server, connection);
	return connection >= 0;
}

static bool at_end(const struct server *server)
{
	return __atomic_load_n(server->end, __ATOMIC_RELAXED);
}

static void run_spin(struct server *server)
{
	while (!at_end(server)) {
		if (!serve_next(server))
			usleep(1000);
	}
}

static void run_epoll(struct server *server)
{
	struct epoll_event armed = { .events = EPOLLIN | server->epoll };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event;

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, server->listener, &armed))
		return;

	while (!at_end(server)) {
		if (epoll_wait(epoll, &event, 1, 10) == 1) {
			while (serve_next(server))
				;

			if (server->epoll & EPOLLONESHOT)
				epoll_ctl(epoll, EPOLL_CTL_MOD, server->listener,
					  &armed);
		}
	}

	close(epoll);
}

static void run_io_uring(struct server *server)
{
	struct __kernel_timespec while_ms = { .tv_nsec = 10000000 };
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (io_uring_queue_init(2 * CLIENTS, &ring, 0))
		return;

	io_uring_prep_multishot_accept(io_uring_get_sqe(&ring), server->listener,
				       NULL, NULL, 0);
	io_uring_submit(&ring);
	while (!at_end(server)) {
		if (io_uring_wait_cqe_timeout(&ring, &cqe, &while_ms))
			continue;

		serve(server, cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}

	io_uring_queue_exit(&ring);
}

static void *run(void *data)
{
	struct server *server = data;

	usleep(server->after_us);
	switch (server->wait) {
	case WAIT_SPIN:
		run_spin(server);
		break;
	case WAIT_EPOLL:
		run_epoll(server);
		break;
	case WAIT_IO_URING:
		run_io_uring(server);
		break;
	}

	return NULL;
}

FIXTURE_SETUP(inet_csk_accept)
{
	char stall[16];

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	snprintf(stall, sizeof(stall), "%d", STALL_MS);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, stall));
}

FIXTURE_TEARDOWN(inet_csk_accept)
{
}

static void one_round(struct __test_metadata *_metadata,
		      FIXTURE_DATA(inet_csk_accept) * self,
		      const FIXTURE_VARIANT(inet_csk_accept) * variant)
{
	int after_us = 1000 * (STALL_MS + rand() % STALL_MS);
	struct server servers[THREADS + 1] = {};
	int i, served = 0;
	bool end = false;

	self->from = listener_open_unblocked("127.0.0.1");
	self->to = listener_open_unblocked("127.0.0.1");
	ASSERT_LE(0, self->from);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, "127.0.0.1"));
	for (i = 0; i <= THREADS; i++) {
		servers[i].wait = i ? variant->wait : WAIT_SPIN;
		servers[i].epoll = variant->epoll;
		servers[i].listener = i ? self->from : self->to;
		servers[i].after_us = i ? after_us : 0;
		servers[i].served = &served;
		servers[i].end = &end;
		ASSERT_EQ(0, pthread_create(&servers[i].thread, NULL, run, &servers[i]));
	}

	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	__atomic_store_n(&end, true, __ATOMIC_RELAXED);
	for (i = 0; i <= THREADS; i++)
		ASSERT_EQ(0, pthread_join(servers[i].thread, NULL));

	EXPECT_EQ(CLIENTS, served);
	EXPECT_EQ(0, listener_queued(self->from));
	EXPECT_EQ(0, listener_queued(self->to));
	clients_close(self->clients, CLIENTS);
	close(self->from);
	close(self->to);
}

TEST_F(inet_csk_accept, storm)
{
	int i;

	for (i = 1; i < ROUNDS; i++)
		one_round(_metadata, self, variant);

	/* Or else it's no test. */
	ASSERT_TRUE(wait_until((one_round(_metadata, self, variant),
				outcome_read("stall", "migrated") > 0)));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
