// SPDX-License-Identifier: GPL-2.0
/*
 * exit_files(): a process with many listeners is killed, and one after the
 * other is closed. What is migrated from one may come to another that has yet
 * to be closed.
 *
 *  1. A process with several listeners on each of several addresses; clients
 *     connect to them, and peers are in their handshakes.
 *  2. Another process has one listener on each address.
 *  3. The first process is killed. Each client and peer is served once, by the
 *     listener on the address that it had connected to. No connection has been
 *     given to a listener of the process that was dying.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/process.h"
#include "lib/segments.h"

#define CLIENTS		16
#define PEERS		4

static const char * const addresses[] = {
	"127.0.0.1", "127.0.0.2", "::1", TUN_IPV4, TUN_IPV6,
};

#define ADDRESSES	ARRAY_SIZE(addresses)

/* The peers are in handshakes with this one. */
#define PEERS_ADDRESS	(ADDRESSES - 1)

FIXTURE(exit_files) {
	int clients[ADDRESSES][CLIENTS];
	struct peer peers[PEERS];
	struct tun tun;
	int to[ADDRESSES];
	pid_t process;
};

FIXTURE_VARIANT(exit_files) {
	int listeners;	/* on each address */
};

FIXTURE_VARIANT_ADD(exit_files, one_listener) {
	.listeners = 1,
};

FIXTURE_VARIANT_ADD(exit_files, eight_listeners) {
	.listeners = 8,
};

FIXTURE_VARIANT_ADD(exit_files, many_listeners) {
	.listeners = 64,
};

static int open_listeners(void *count)
{
	size_t address;
	int i;

	for (i = 0; i < *(int *)count; i++) {
		for (address = 0; address < ADDRESSES; address++) {
			if (listener_open(addresses[address]) < 0)
				return -1;
		}
	}

	return 0;
}

FIXTURE_SETUP(exit_files)
{
	int listeners;
	size_t i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	listeners = variant->listeners;
	self->process = process_start(open_listeners, &listeners);
	ASSERT_LE(0, self->process);

	for (i = 0; i < ADDRESSES; i++) {
		ASSERT_EQ(CLIENTS, clients_connect(self->clients[i], CLIENTS,
						   addresses[i]));
	}
}

FIXTURE_TEARDOWN(exit_files)
{
}

/* The other process gets its listeners, and the first one is killed. */
static int take_over(int *to, pid_t process)
{
	size_t i;

	for (i = 0; i < ADDRESSES; i++) {
		to[i] = listener_open(addresses[i]);
		if (to[i] < 0)
			return -1;
	}

	return process_kill(process);
}

TEST_F(exit_files, loses_nothing)
{
	bool served[CLIENTS];
	int number;
	size_t i, j;

	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     addresses[PEERS_ADDRESS]));
	ASSERT_EQ(0, take_over(self->to, self->process));
	for (i = 0; i < ADDRESSES; i++) {
		memset(served, 0, sizeof(served));
		for (j = 0; j < CLIENTS; j++) {
			number = listener_serve(self->to[i]);
			ASSERT_LE(0, number);
			EXPECT_FALSE(served[number]);
			served[number] = true;
		}

		EXPECT_EQ(CLIENTS, clients_served(self->clients[i], CLIENTS));
	}

	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS,
					self->to[PEERS_ADDRESS]));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
}

/* Without handshakes, which their SYN+ACK timers may migrate as well by then. */
TEST_F(exit_files, migrates_each_once)
{
	long migrated;

	ASSERT_EQ(0, take_over(self->to, self->process));
	migrated = counter_read(MIGRATE_SUCCESS);
	TH_LOG("%d connections were migrated %ld times",
	       (int)ADDRESSES * CLIENTS, migrated);
	EXPECT_EQ((long)ADDRESSES * CLIENTS, migrated);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
