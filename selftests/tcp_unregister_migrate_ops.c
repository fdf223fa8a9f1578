// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_unregister_migrate_ops(): the module is unloaded while there are orphaned
 * listeners, or while listeners become that.
 *
 *  1. A server is killed, with clients in its queue and peers in handshakes, or a
 *     server ends and begins again all the time.
 *  2. The module is unloaded. The orphaned listeners end with it: the clients and the
 *     peers are reset, and nothing keeps the port.
 *  3. Who comes later finds no listener, until there's another.
 */
#include <pthread.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/load.h"
#include "lib/module.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/process.h"
#include "lib/segments.h"

#define CLIENTS		8
#define PEERS		4
#define ROUNDS		4
#define TURN_US		50000	/* enough to adopt what has come in a gap, as long as that */

/* That of the caller's namespace, and of all others. */
#define WITH_GRACE	"migrate_req=1 grace_ms=" LONG_GRACE_MS

FIXTURE(tcp_unregister_migrate_ops) {
	int clients[CLIENTS];
	struct peer peers[PEERS];
	struct server server;
	struct tun tun;
};

FIXTURE_VARIANT(tcp_unregister_migrate_ops) {
	const char *address;
	int option;
};

FIXTURE_VARIANT_ADD(tcp_unregister_migrate_ops, ipv4_reuseport) {
	.address = TUN_IPV4,
	.option = SO_REUSEPORT,
};

FIXTURE_VARIANT_ADD(tcp_unregister_migrate_ops, ipv4_reuseaddr) {
	.address = TUN_IPV4,
	.option = SO_REUSEADDR,
};

FIXTURE_VARIANT_ADD(tcp_unregister_migrate_ops, ipv6_reuseport) {
	.address = TUN_IPV6,
	.option = SO_REUSEPORT,
};

FIXTURE_VARIANT_ADD(tcp_unregister_migrate_ops, ipv6_reuseaddr) {
	.address = TUN_IPV6,
	.option = SO_REUSEADDR,
};

FIXTURE_SETUP(tcp_unregister_migrate_ops)
{
	if (module_loaded())
		ASSERT_EQ(0, module_unload());

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	self->server.address = variant->address;
	self->server.option = variant->option;
}

/* The next test may want it, and without parameters. */
FIXTURE_TEARDOWN(tcp_unregister_migrate_ops)
{
	if (module_loaded())
		ASSERT_EQ(0, module_unload());

	ASSERT_EQ(0, module_load(""));
}

TEST_F(tcp_unregister_migrate_ops, ends_orphans)
{
	struct server several = self->server;
	int listener, client;
	pid_t pid;

	ASSERT_EQ(0, module_load(WITH_GRACE));
	several.listeners = variant->option == SO_REUSEPORT ? 3 : 1;
	pid = server_start(&several);
	ASSERT_LE(0, pid);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	ASSERT_EQ(0, process_kill(pid));
	ASSERT_EQ(several.listeners, orphans_count());

	ASSERT_EQ(0, module_unload());
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
	EXPECT_EQ(-1, client_connect(variant->address, 0));
	EXPECT_EQ(ECONNREFUSED, errno);
	EXPECT_EQ(-1, orphans_count());

	listener = server_listen(&self->server);
	ASSERT_LE(0, listener);
	client = client_connect(variant->address, 1);
	EXPECT_EQ(1, listener_serve(listener));
	EXPECT_TRUE(client_served(client, 1));

	/* Nothing is found again. */
	ASSERT_EQ(0, module_load(WITH_GRACE));
	EXPECT_EQ(0, orphans_count());
}

struct restarts {
	const struct server *server;
	int listener;
	bool over;
};

/* It ends, with what has come meanwhile, and begins again. */
static void *serve_with_gaps(void *data)
{
	struct restarts *restarts = data;

	while (!__atomic_load_n(&restarts->over, __ATOMIC_RELAXED)) {
		usleep(TURN_US);
		listener_serve_all(restarts->listener);
		close(restarts->listener);
		usleep(TURN_US);
		restarts->listener = server_listen(restarts->server);
		if (restarts->listener < 0)
			break;
	}

	return NULL;
}

/* Each client is served or reset; none waits for ever. */
TEST_F(tcp_unregister_migrate_ops, ends_orphans_under_load)
{
	struct restarts restarts = { .server = &self->server };
	struct load load = { .address = variant->address };
	pthread_t server;
	int round;

	ASSERT_EQ(0, module_load(WITH_GRACE));
	restarts.listener = server_listen(&self->server);
	ASSERT_LE(0, restarts.listener);
	ASSERT_EQ(0, pthread_create(&server, NULL, serve_with_gaps, &restarts));
	ASSERT_EQ(0, load_begin(&load));
	for (round = 0; round < ROUNDS; round++) {
		ASSERT_TRUE(outcome_reaches("grace", "migrated", 1));
		ASSERT_EQ(0, module_unload());
		ASSERT_EQ(0, module_load(WITH_GRACE));
	}

	EXPECT_EQ(0, load_end(&load))
		TH_LOG("errno %d", errno);
	__atomic_store_n(&restarts.over, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(server, NULL));
	EXPECT_LE(0, restarts.listener);
}

int main(int argc, char **argv)
{
	if (!getenv("TCP_MIGRATE_KO"))
		ksft_exit_skip("TCP_MIGRATE_KO isn't set\n");

	netns_require_module();
	return test_harness_run(argc, argv);
}
