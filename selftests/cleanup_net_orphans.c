// SPDX-License-Identifier: GPL-2.0
/*
 * cleanup_net(): a network namespace goes away that has orphaned listeners.
 *
 *  1. A namespace with listeners that share a port, and one that doesn't. Clients are
 *     in their queues, peers are in handshakes.
 *  2. Its only process is killed. All of its listeners are orphaned, and hold the
 *     namespace.
 *  3. When their time is up, or if there was none, nothing holds it any more.
 *
 * $ROUNDS says how often. The time is different from round to round.
 */
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/orphans.h"
#include "lib/process.h"
#include "lib/segments.h"

#define TIE		"below"
#define ROUNDS		6
#define CLIENTS		4
#define PEERS		2
#define LISTENERS	3
#define MOST_MS		40

FIXTURE(cleanup_net_orphans) {
};

FIXTURE_VARIANT(cleanup_net_orphans) {
	const char *address;
	const char *other;	/* of a listener that has it for itself */
};

FIXTURE_VARIANT_ADD(cleanup_net_orphans, ipv4) {
	.address = TUN_IPV4,
	.other = "127.0.0.2",
};

FIXTURE_VARIANT_ADD(cleanup_net_orphans, ipv6) {
	.address = TUN_IPV6,
	.other = "::1",
};

/* What the process does. */
struct scene {
	const char *address;
	const char *other;
	int grace_ms;
};

static int open_sockets(void *data)
{
	const struct scene *scene = data;
	const struct server group = {
		.address = scene->address,
		.option = SO_REUSEPORT,
	};
	const struct server alone = {
		.address = scene->other,
		.option = SO_REUSEADDR,
	};
	struct peer peers[PEERS];
	int clients[CLIENTS], i;
	char grace_ms[16];
	struct tun tun;

	snprintf(grace_ms, sizeof(grace_ms), "%d", scene->grace_ms);
	if (netns_enter() || tun_open(&tun) || orphans_allow(grace_ms) ||
	    /* The address of a client goes before its connection. */
	    sysctl_write("net/ipv4/tcp_orphan_retries", "1"))
		return -1;

	for (i = 0; i < LISTENERS; i++) {
		if (server_listen(&group) < 0)
			return -1;
	}

	return server_listen(&alone) < 0 ||
	       clients_connect(clients, CLIENTS, scene->address) != CLIENTS ||
	       clients_connect(clients, CLIENTS, scene->other) != CLIENTS ||
	       peers_begin(peers, PEERS, &tun, scene->address) != PEERS ? -1 : 0;
}

FIXTURE_SETUP(cleanup_net_orphans)
{
	ASSERT_EQ(0, netns_enter());
}

FIXTURE_TEARDOWN(cleanup_net_orphans)
{
}

TEST_F(cleanup_net_orphans, process_dies)
{
	int rounds = atoi(getenv("ROUNDS") ?: "") ?: ROUNDS;
	struct scene scene = {
		.address = variant->address,
		.other = variant->other,
	};
	pid_t pid;
	int i;

	for (i = 0; i < rounds; i++) {
		scene.grace_ms = i % MOST_MS;
		pid = process_start(open_sockets, &scene);
		ASSERT_LE(0, pid);
		ASSERT_EQ(0, netns_tie(TIE, pid));
		ASSERT_EQ(0, process_kill(pid));
		ASSERT_TRUE(netns_gone(TIE)) TH_LOG("round %d", i);
	}
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_GRACE_MS, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_GRACE_MS "\n");

	return test_harness_run(argc, argv);
}
