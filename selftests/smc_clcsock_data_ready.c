// SPDX-License-Identifier: GPL-2.0
/*
 * smc_clcsock_data_ready(): listeners of SMC and of TCP share a port. Inside, one of
 * SMC is a listener of TCP, of which a worker takes what comes: that is woken by a
 * callback of the listener's, which its children inherit.
 *
 *  1. A listener of SMC or of TCP; each peer sends a SYN, with SMC's option or without,
 *     and has its SYN+ACK.
 *  2. Another listener joins the group. Where connections are to be queued, each peer
 *     completes its handshake. No worker comes to it: a real-time thread has its CPU.
 *  3. The first listener stops.
 *  4. The other one serves each peer; but one of TCP isn't given what a listener of SMC
 *     has made. Where peers have offered SMC, a handshake goes on with what the first
 *     listener has answered, and so with no listener of the other kind.
 *
 * Peers who have agreed on SMC decline it in their first message, and go on with TCP.
 */
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/segments.h"

#define PEERS	4

/* "SMCR" in EBCDIC, which begins and ends all that SMC says. */
#define EYECATCHER	{ 0xe2, 0xd4, 0xc3, 0xd9 }
#define DECLINE		4
#define VERSION_1	0x10

struct decline {
	__u8 eyecatcher[4];
	__u8 type;
	__u8 length[2];
	__u8 version;
	__u8 peer[8];
	__be32 diagnosis;
	__u8 reserved[4];
	__u8 trailer[4];
};

/* An experimental option: kind, length, and who it's of. */
static const struct options smc_option = {
	.len = 8,
	.data = { 254, 6, 0xe2, 0xd4, 0xc3, 0xd9, TCPOPT_NOP, TCPOPT_NOP },
};

struct scene {
	struct peer peers[PEERS];
	struct tun tun;
	int from, to;
};

FIXTURE(smc) {
	struct scene scene;
	bool agreed;	/* on SMC, in the handshake */
};

FIXTURE_VARIANT(smc) {
	const char *address;
	int (*from)(const char *address);
	int (*to)(const char *address);
	bool offered;	/* by the peers */
};

#define VARIANTS(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(smc, ipv4_ ## name) {			\
		.address = TUN_IPV4,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(smc, ipv4_ ## name ## _offered) {		\
		.address = TUN_IPV4,					\
		.offered = true,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(smc, ipv6_ ## name) {			\
		.address = TUN_IPV6,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(smc, ipv6_ ## name ## _offered) {		\
		.address = TUN_IPV6,					\
		.offered = true,					\
		__VA_ARGS__						\
	}

VARIANTS(smc_to_tcp, .from = listener_open_smc, .to = listener_open);
VARIANTS(tcp_to_smc, .from = listener_open, .to = listener_open_smc);
VARIANTS(smc_to_smc, .from = listener_open_smc, .to = listener_open_smc);

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address, int (*from)(const char *address),
		  int (*to)(const char *address), bool offer)
{
	struct peer *peer;
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = from(address);
	ASSERT_LE(0, scene->from);
	for (i = 0; i < PEERS; i++) {
		peer = &scene->peers[i];
		peer_init(peer, &scene->tun, address, FIRST_PORT + i);
		if (offer)
			peer->tcp = smc_option;
		ASSERT_EQ(0, peer_syn(peer));
		ASSERT_TRUE(peer_synack(peer));
		peer->tcp.len = 0;
	}

	scene->to = to(address);
	ASSERT_LE(0, scene->to);
}

FIXTURE_SETUP(smc)
{
	begin(_metadata, &self->scene, variant->address, variant->from,
	      variant->to, variant->offered);
	self->agreed = variant->offered && variant->from == listener_open_smc;
}

FIXTURE_TEARDOWN(smc)
{
}

static int be_real_time(bool on)
{
	const struct sched_param param = { .sched_priority = on };

	return sched_setscheduler(0, on ? SCHED_FIFO : SCHED_OTHER, &param);
}

/* Whether they were queued when their listener was closed, and not with a worker. */
static bool queue_and_stop(struct __test_metadata *_metadata,
			   struct scene *scene)
{
	int queued;

	ASSERT_EQ(0, run_on_cpu(0));
	ASSERT_EQ(0, be_real_time(true));
	ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
	queued = listener_queued(scene->from);
	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(0, be_real_time(false));
	return queued == PEERS;
}

static int peers_decline(struct peer *peers, int count)
{
	const struct decline decline = {
		.eyecatcher = EYECATCHER,
		.type = DECLINE,
		.length = { 0, sizeof(decline) },
		.version = VERSION_1,
		.trailer = EYECATCHER,
	};
	int i;

	for (i = 0; i < count; i++) {
		if (peer_send(&peers[i], TH_PUSH | TH_ACK, &decline,
			      sizeof(decline)))
			break;
	}

	return i;
}

/* In whatever order they're accepted: workers may take them. */
static void expect_served(struct __test_metadata *_metadata,
			  struct scene *scene, bool agreed)
{
	int i;

	if (agreed)
		ASSERT_EQ(PEERS, peers_decline(scene->peers, PEERS));

	ASSERT_EQ(PEERS, peers_number(scene->peers, PEERS));
	for (i = 0; i < PEERS; i++)
		EXPECT_LE(0, listener_serve(scene->to));

	for (i = 0; i < PEERS; i++)
		EXPECT_TRUE(peer_served(&scene->peers[i]));

	EXPECT_TRUE(listener_idle(scene->to));
	expect_counters(_metadata, PEERS, 0);
}

static void expect_incompatible(struct __test_metadata *_metadata,
				struct scene *scene, const char *path)
{
	ASSERT_EQ(0, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(PEERS, counter_read(MIGRATE_FAILURE));
	EXPECT_TRUE(listener_idle(scene->to));
	if (netns_has_module())
		EXPECT_EQ(PEERS, outcome_read(path, "incompatible"));
}

TEST_F(smc, queued)
{
	struct scene *scene = &self->scene;

	while (!queue_and_stop(_metadata, scene))
		begin(_metadata, scene, variant->address, variant->from,
		      variant->to, variant->offered);

	if (variant->from == variant->to || variant->from == listener_open) {
		expect_served(_metadata, scene, self->agreed);
	} else {
		expect_incompatible(_metadata, scene, "close");
		EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	}
}

TEST_F(smc, final_ack)
{
	struct scene *scene = &self->scene;

	for (;;) {
		ASSERT_EQ(0, close(scene->from));
		ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
		if (peers_in_time(scene->peers, PEERS))
			break;
		begin(_metadata, scene, variant->address, variant->from,
		      variant->to, variant->offered);
	}

	if (variant->offered && variant->from != variant->to) {
		expect_incompatible(_metadata, scene, "ack");
		EXPECT_EQ(PEERS, peers_reset(scene->peers, PEERS));
	} else {
		expect_served(_metadata, scene, self->agreed);
	}
}

TEST_F(smc, timer)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, close(scene->from));
	if (variant->offered && variant->from != variant->to) {
		ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
		expect_incompatible(_metadata, scene, "timer");
		EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	} else {
		ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
		ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
		expect_served(_metadata, scene, self->agreed);
	}
}

/* Of two listeners, the choice falls on the one of SMC. */
TEST_F(smc, one_of_many)
{
	struct scene *scene = &self->scene;
	int tcp;

	if (!self->agreed)
		SKIP(return, "either may have it");

	if (variant->to == listener_open) {
		tcp = scene->to;
		scene->to = listener_open_smc(variant->address);
		ASSERT_LE(0, scene->to);
	} else {
		tcp = listener_open(variant->address);
		ASSERT_LE(0, tcp);
	}

	ASSERT_EQ(0, close(scene->from));
	ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
	expect_served(_metadata, scene, true);
	EXPECT_TRUE(listener_idle(tcp));
}

int main(int argc, char **argv)
{
	int fd;

	netns_require_migration();
	fd = listener_open_smc("127.0.0.1");
	if (fd < 0)
		ksft_exit_skip("no SMC\n");

	close(fd);
	return test_harness_run(argc, argv);
}
