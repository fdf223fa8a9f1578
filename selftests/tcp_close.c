// SPDX-License-Identifier: GPL-2.0
/*
 * __tcp_close(): listeners take over from one another while clients connect.
 *
 * A segment may find a listener just before it stops, and its connection be
 * ready just after. Whatever the listener has gone through by then, the
 * connection goes to the next one.
 *
 *  1. Some clients connect, send and wait for the answer, over and over.
 *  2. A listener starts; the one before it stops, with what is in its queue.
 *  3. Every client of every round is served.
 */
#include "kselftest_harness.h"

#include <pthread.h>

#include "listeners.h"
#include "netns.h"

#define CLIENTS		4
#define ROUNDS		100

/* How many connections a listener serves before the next one starts. */
#define SERVED		3

FIXTURE(tcp_close) {
	pthread_t threads[CLIENTS];
};

FIXTURE_VARIANT(tcp_close) {
	const char *address;
	enum stop stop;
	const char *syncookies;
};

FIXTURE_VARIANT_ADD(tcp_close, ipv4_close) {
	.address = "127.0.0.1",
	.stop = STOP_CLOSE,
	.syncookies = "1",
};

FIXTURE_VARIANT_ADD(tcp_close, ipv6_close) {
	.address = "::1",
	.stop = STOP_CLOSE,
	.syncookies = "1",
};

FIXTURE_VARIANT_ADD(tcp_close, ipv4_shutdown) {
	.address = "127.0.0.1",
	.stop = STOP_SHUT_RDWR,
	.syncookies = "1",
};

FIXTURE_VARIANT_ADD(tcp_close, ipv4_syncookies) {
	.address = "127.0.0.1",
	.stop = STOP_CLOSE,
	.syncookies = "2",
};

static bool done;

FIXTURE_SETUP(tcp_close)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies",
				  variant->syncookies));
	done = false;
}

FIXTURE_TEARDOWN(tcp_close)
{
}

/* Returns how many connections were lost. */
static void *client(void *arg)
{
	const char *address = arg;
	long lost = 0;

	while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
		int fd = client_connect(address, 7);

		if (fd < 0) {
			lost++;
			continue;
		}
		if (!client_served(fd, 7))
			lost++;
		close(fd);
	}

	return (void *)lost;
}

TEST_F_TIMEOUT(tcp_close, loses_nothing, 300)
{
	struct listener from = { .fd = listener_open(variant->address) };
	struct listener to;
	int served = 0;
	long lost = 0;
	int i, round;

	ASSERT_LE(0, from.fd);
	for (i = 0; i < CLIENTS; i++) {
		ASSERT_EQ(0, pthread_create(&self->threads[i], NULL, client,
					    (void *)variant->address));
	}

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < SERVED; i++)
			served += listener_serve(from.fd) == 7;

		to = (struct listener){ .fd = listener_open(variant->address) };
		ASSERT_LE(0, to.fd);
		ASSERT_EQ(0, listener_stop(&from, variant->stop));
		if (variant->stop != STOP_CLOSE)
			close(from.fd);
		from = to;
	}

	__atomic_store_n(&done, true, __ATOMIC_RELEASE);
	for (i = 0; i < CLIENTS; i++) {
		void *result;

		while (pthread_tryjoin_np(self->threads[i], &result)) {
			while (!listener_idle(from.fd))
				listener_serve(from.fd);
			usleep(1000);
		}
		lost += (long)result;
	}

	EXPECT_EQ(ROUNDS * SERVED, served);
	EXPECT_EQ(0, lost);
	EXPECT_LT(0, counter_read(MIGRATE_SUCCESS));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
