// SPDX-License-Identifier: GPL-2.0
/*
 * reuseport_update_incoming_cpu(): listeners that are meant for one CPU each,
 * by SO_INCOMING_CPU.
 *
 *  1. One listener; each peer sends its SYN on one of two CPUs.
 *  2. A listener for each of the two CPUs joins the group, the first one stops, or
 *     isn't accepted from.
 *  3. Each connection goes to the listener for its CPU: the one on which the
 *     last segment of a complete handshake came, or the final ACK comes, or the
 *     SYN+ACK's timer runs.
 */
#include <sys/sysinfo.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"
#include "lib/stalls.h"

#define CPUS	2
#define PEERS	8

struct scene {
	struct peer peers[PEERS];
	struct tun tun;
	int from;
	int to[CPUS];
};

FIXTURE(reuseport_update_incoming_cpu) {
	struct scene scene;
};

FIXTURE_VARIANT(reuseport_update_incoming_cpu) {
	const char *address;
};

ADDRESS_VARIANTS(reuseport_update_incoming_cpu, TUN_IPV4, TUN_IPV6);

static int set_cpu(int fd, int cpu)
{
	return setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, sizeof(cpu));
}

static int open_listener(const char *address, int cpu)
{
	int fd = listener_open(address);

	return fd < 0 || set_cpu(fd, cpu) ? -1 : fd;
}

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->from = listener_open(address);
	ASSERT_LE(0, scene->from);
}

FIXTURE_SETUP(reuseport_update_incoming_cpu)
{
	if (get_nprocs() < CPUS)
		SKIP(return, "needs two CPUs");

	begin(_metadata, &self->scene, variant->address);
}

FIXTURE_TEARDOWN(reuseport_update_incoming_cpu)
{
}

/* The peers' CPUs alternate. */
static void syn_on_their_cpus(struct __test_metadata *_metadata,
			      struct peer *peers, struct tun *tun,
			      const char *address)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, run_on_cpu(i % CPUS));
		ASSERT_TRUE(peer_begin(&peers[i], tun, address, FIRST_PORT + i));
	}
}

static void ack_on_cpus(struct __test_metadata *_metadata, struct peer *peers,
			int offset)
{
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_EQ(0, run_on_cpu((i + offset) % CPUS));
		ASSERT_EQ(0, peer_ack(&peers[i]));
	}
}

static void join(struct __test_metadata *_metadata, int *to, const char *address)
{
	int cpu;

	for (cpu = 0; cpu < CPUS; cpu++) {
		to[cpu] = open_listener(address, cpu);
		ASSERT_LE(0, to[cpu]);
	}
}

/* The others join, and the first one is closed on the first CPU. */
static void stop(struct __test_metadata *_metadata, int from, int *to,
		 const char *address)
{
	join(_metadata, to, address);
	ASSERT_EQ(0, run_on_cpu(0));
	ASSERT_EQ(0, close(from));
}

static void expect_served(struct __test_metadata *_metadata,
			  struct peer *peers, const int *to, int offset)
{
	int i, cpu, peer;

	ASSERT_EQ(PEERS, peers_number(peers, PEERS));
	for (cpu = 0; cpu < CPUS; cpu++) {
		for (i = 0; i < PEERS / CPUS; i++) {
			ASSERT_FALSE(listener_idle(to[cpu]));
			peer = listener_serve(to[cpu]) - FIRST_PORT;
			ASSERT_EQ(cpu, (peer + offset) % CPUS);
			EXPECT_TRUE(peer_served(&peers[peer]));
		}
	}

	expect_counters(_metadata, PEERS, 0);
}

/* Mainline gives all of them to the listener for the CPU that closes. */
TEST_F(reuseport_update_incoming_cpu, at_close)
{
	syn_on_their_cpus(_metadata, self->scene.peers, &self->scene.tun, variant->address);
	ack_on_cpus(_metadata, self->scene.peers, 1);
	stop(_metadata, self->scene.from, self->scene.to, variant->address);
	expect_served(_metadata, self->scene.peers, self->scene.to, 1);
}

/* Wherever they are moved. */
TEST_F(reuseport_update_incoming_cpu, at_stall)
{
	struct scene *scene = &self->scene;

	if (!netns_has_module())
		SKIP(return, "only the module looks for stalled listeners");

	syn_on_their_cpus(_metadata, scene->peers, &scene->tun, variant->address);
	ack_on_cpus(_metadata, scene->peers, 1);
	ASSERT_EQ(0, listener_unblock(scene->from));
	join(_metadata, scene->to, variant->address);
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "100"));
	ASSERT_TRUE(stalls_rescued(PEERS));
	expect_served(_metadata, scene->peers, scene->to, 1);
}

/* If no timer is faster. */
TEST_F(reuseport_update_incoming_cpu, at_final_ack)
{
	struct scene *scene = &self->scene;

	for (;;) {
		syn_on_their_cpus(_metadata, scene->peers, &scene->tun,
				  variant->address);
		stop(_metadata, scene->from, scene->to, variant->address);
		ack_on_cpus(_metadata, scene->peers, 1);
		if (peers_in_time(scene->peers, PEERS))
			break;
		begin(_metadata, scene, variant->address);
	}

	expect_served(_metadata, scene->peers, scene->to, 1);
}

/* The timer runs where the SYN came in; later, the ACK's CPU is all the same. */
TEST_F(reuseport_update_incoming_cpu, at_timer)
{
	syn_on_their_cpus(_metadata, self->scene.peers, &self->scene.tun, variant->address);
	stop(_metadata, self->scene.from, self->scene.to, variant->address);
	ASSERT_EQ(PEERS, peers_synack(self->scene.peers, PEERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS));
	ack_on_cpus(_metadata, self->scene.peers, 1);
	expect_served(_metadata, self->scene.peers, self->scene.to, 0);
}

/* Nobody is for their CPU: any listener will do. */
TEST_F(reuseport_update_incoming_cpu, no_listener_for_the_cpu)
{
	ASSERT_EQ(0, run_on_cpu(1));
	ASSERT_EQ(PEERS, peers_begin(self->scene.peers, PEERS, &self->scene.tun,
				     variant->address));
	ASSERT_EQ(PEERS / 2, peers_ack(self->scene.peers, PEERS / 2));
	self->scene.to[0] = open_listener(variant->address, 0);
	ASSERT_LE(0, self->scene.to[0]);
	ASSERT_EQ(0, close(self->scene.from));

	ASSERT_EQ(PEERS, peers_number(self->scene.peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->scene.peers, PEERS, self->scene.to[0]));
	expect_counters(_metadata, PEERS, 0);
}

/*
 * Only while the group counts it is a listener for a CPU preferred. The peers
 * on the ports from @port on are on the first CPU, as the caller is.
 */
static void expect_counted(struct __test_metadata *_metadata,
			   struct tun *tun, const char *address, __u16 port,
			   int from, int to)
{
	struct peer peer;
	int i;

	for (i = 0; i < PEERS; i++) {
		ASSERT_TRUE(peer_begin(&peer, tun, address, port + i));
		ASSERT_EQ(1, peers_complete(&peer, 1, to));
	}

	EXPECT_TRUE(listener_idle(from));
}

/* Whatever becomes of other listeners, the first CPU's is still counted. */
TEST_F(reuseport_update_incoming_cpu, count_survives_others)
{
	struct peer peer;
	int other;

	ASSERT_EQ(0, run_on_cpu(0));
	self->scene.to[0] = open_listener(variant->address, 0);
	ASSERT_LE(0, self->scene.to[0]);

	other = open_listener(variant->address, 1);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, close(other));
	expect_counted(_metadata, &self->scene.tun, variant->address, 21000,
		       self->scene.from, self->scene.to[0]);

	other = open_listener(variant->address, 1);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, shutdown(other, SHUT_RDWR));
	ASSERT_EQ(0, set_cpu(other, -1));
	ASSERT_EQ(0, set_cpu(other, 1));
	ASSERT_EQ(0, listener_restart(other));
	ASSERT_EQ(0, set_cpu(other, -1));
	ASSERT_EQ(0, close(other));
	expect_counted(_metadata, &self->scene.tun, variant->address, 22000,
		       self->scene.from, self->scene.to[0]);

	/* One that stays in the closed section for a handshake's sake. */
	other = open_listener(variant->address, 1);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, run_on_cpu(1));
	ASSERT_TRUE(peer_begin(&peer, &self->scene.tun, variant->address, 20000));
	ASSERT_EQ(0, close(other));
	ASSERT_EQ(0, run_on_cpu(0));
	EXPECT_EQ(1, peers_give_up(&peer, 1));
	expect_counted(_metadata, &self->scene.tun, variant->address, 23000,
		       self->scene.from, self->scene.to[0]);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
