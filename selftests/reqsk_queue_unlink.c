// SPDX-License-Identifier: GPL-2.0
/*
 * reqsk_queue_unlink(): the final ACK and the SYN+ACK timer take a request, of
 * which the listener has stopped, at the same moment. If somebody holds the request, the
 * timer clones it. Then only one of them may have it, and what the timer has made in
 * vain goes as it came (CVE-2024-50154, CVE-2024-53206, CVE-2026-99270; a sanitizer sees
 * more of it).
 *
 *  1. One listener; each peer sends a SYN and has its SYN+ACK, and perhaps another that
 *     never arrives, and holds the request.
 *  2. Another listener joins the group, the first one stops.
 *  3. The timers run on one CPU. To send a SYN+ACK takes long, since others watch.
 *     The first one who does has the final ACK sent meanwhile, on another CPU.
 *  4. The other listener serves each peer. Both listeners go on to answer SYNs:
 *     neither one is still charged for a request.
 */
#include <sys/socket.h>

#include "lib/harness.h"
#include "lib/hold.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/race.h"
#include "lib/segments.h"

#define PEERS	16
#define ROUNDS	2

FIXTURE(reqsk_queue_unlink) {
	struct peer peers[PEERS];
	struct tun tun;
};

FIXTURE_VARIANT(reqsk_queue_unlink) {
	const char *address;
};

ADDRESS_VARIANTS(reqsk_queue_unlink, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(reqsk_queue_unlink)
{
}

FIXTURE_TEARDOWN(reqsk_queue_unlink)
{
	peers_release();
}

/* With this backlog it would answer none if it were charged for another. */
static void expect_answer(struct __test_metadata *_metadata, int listener,
			  struct tun *tun, const char *address)
{
	struct peer peer;

	ASSERT_EQ(0, listen(listener, 0));
	peer_init(&peer, tun, address, 20000);
	ASSERT_EQ(0, peer_syn(&peer));
	ASSERT_EQ(0, counter_read("TCPReqQFullDrop"));
	ASSERT_TRUE(peer_synack(&peer));
	ASSERT_EQ(1, peers_give_up(&peer, 1));
}

static void final_acks_meet_timers(struct __test_metadata *_metadata,
				   struct tun *tun, struct peer *peers,
				   const char *local, bool held)
{
	int from, to, i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_syncookies", "0"));

	run_on_cpu(0);
	from = listener_open(local);
	ASSERT_LE(0, from);
	ASSERT_EQ(PEERS, peers_begin(peers, PEERS, tun, local));
	to = listener_open(local);
	ASSERT_LE(0, to);
	if (held)
		ASSERT_EQ(PEERS, peers_hold(peers, PEERS));
	ASSERT_EQ(0, shutdown(from, SHUT_RDWR));

	ASSERT_EQ(PEERS, peers_meet_timers(peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS));
	ASSERT_EQ(PEERS, listener_queued(to));
	ASSERT_EQ(PEERS, peers_number(peers, PEERS));
	for (i = 0; i < PEERS; i++)
		EXPECT_LT(0, listener_serve(to));

	for (i = 0; i < PEERS; i++)
		EXPECT_TRUE(peer_served(&peers[i]));

	expect_answer(_metadata, to, tun, local);
	ASSERT_EQ(0, close(to));
	expect_answer(_metadata, from, tun, local);
	ASSERT_EQ(0, close(from));
	ASSERT_EQ(0, close(tun->fd));
}

TEST_F(reqsk_queue_unlink, final_ack_meets_timer)
{
	int i;

	for (i = 0; i < ROUNDS; i++)
		final_acks_meet_timers(_metadata, &self->tun, self->peers,
				       variant->address, false);
}

TEST_F(reqsk_queue_unlink, final_ack_meets_timer_of_what_is_held)
{
	final_acks_meet_timers(_metadata, &self->tun, self->peers,
			       variant->address, true);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
