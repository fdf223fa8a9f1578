// SPDX-License-Identifier: GPL-2.0
/*
 * What becomes of a connection is seen in /proc/net/tcp_migrate, and by who
 * traces the events of the module: what is to be met on one path only.
 *
 *  1. One listener. Peers are in its accept queue, or have their SYN+ACK.
 *  2. It stops, and another one is selected for each of them.
 *  3. That has no room, or it's late for the handshake, or another CPU is faster.
 *     Or nobody is to be selected any more.
 *  4. The counter of that path and outcome tells, and so do the events.
 */
#include <linux/bpf.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/sysinfo.h>

#include "lib/filters.h"
#include "lib/held_acks.h"
#include "lib/outcome_scene.h"
#include "lib/race.h"
#include "lib/slabs.h"

#define CLIENTS	64

/* Until a race is met; most are in the first. */
#define ROUNDS	100

#define REQUESTS_SLAB	"request_sock_TCP"

/* What takes a program long enough to be met in the middle of it. */
#define LONG	100000

static bool can_hold_acks;

static const struct path at_close = { "close", &ipv4 };
static const struct path at_ack = { "ack", &ipv4 };
static const struct path at_timer = { "timer", &ipv4 };

FIXTURE(tcp_migrate_late_outcomes) {
	struct scene scene;
};

FIXTURE_SETUP(tcp_migrate_late_outcomes)
{
	begin(_metadata, &self->scene, &ipv4);
}

FIXTURE_TEARDOWN(tcp_migrate_late_outcomes)
{
	peers_release();
	slab_exhaust(REQUESTS_SLAB, false);
	events_close(&self->scene.events);
}

/* The other listener has what its backlog allows, and no more. */
static void open_full(struct __test_metadata *_metadata, struct scene *scene)
{
	open_other(_metadata, scene, &ipv4);
	ASSERT_EQ(0, listen(scene->to, 0));
	ASSERT_EQ(0, group_steer(scene->to, 1));
	ASSERT_LE(0, client_connect(TUN_IPV4, 0));
	ASSERT_EQ(0, group_steer(scene->to, 0));
}

TEST_F(tcp_migrate_late_outcomes, close_over_backlog)
{
	open_full(_metadata, &self->scene);
	begin_path(_metadata, &self->scene, &at_close);
	stop(_metadata, &self->scene);
	expect_success(_metadata, &self->scene, &at_close, "over_backlog");
}

static void full(struct __test_metadata *_metadata, struct scene *scene,
		 __maybe_unused const struct path *path)
{
	open_full(_metadata, scene);
	/* Or else the handshake goes on. */
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_abort_on_overflow", "1"));
}

TEST_F(tcp_migrate_late_outcomes, ack_queue_full)
{
	begin_path(_metadata, &self->scene, &at_ack);
	migrate(_metadata, &self->scene, &at_ack, full, NULL);
	expect_late_failure(_metadata, &self->scene, &at_ack, "queue_full");
}

/* The other listener has less patience, and none for what has run once. */
TEST_F(tcp_migrate_late_outcomes, timer_expired)
{
	int one = 1;

	begin_path(_metadata, &self->scene, &at_timer);
	ASSERT_EQ(PEERS, peers_synack(self->scene.peers, PEERS));
	open_other(_metadata, &self->scene, &ipv4);
	ASSERT_EQ(0, setsockopt(self->scene.to, IPPROTO_TCP, TCP_SYNCNT, &one,
				sizeof(one)));
	stop(_metadata, &self->scene);
	expect_late_failure(_metadata, &self->scene, &at_timer, "expired");
}

static void another_without_requests(struct __test_metadata *_metadata,
				     struct scene *scene,
				     const struct path *path)
{
	another(_metadata, scene, path);
	ASSERT_EQ(0, slab_exhaust(REQUESTS_SLAB, true));
}

/* A request that nobody holds goes on as it is. */
TEST_F(tcp_migrate_late_outcomes, timer_without_memory)
{
	if (!slabs_can_fail())
		SKIP(return, "no failslab");

	begin_path(_metadata, &self->scene, &at_timer);
	migrate(_metadata, &self->scene, &at_timer, another_without_requests,
		NULL);
	expect_success(_metadata, &self->scene, &at_timer, "migrated");
}

static void cut_off(struct __test_metadata *_metadata,
		    __maybe_unused struct scene *scene,
		    __maybe_unused const struct path *path)
{
	struct ifreq tun = { .ifr_name = "tun0" };
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, SIOCSIFFLAGS, &tun));
}

/* There's no way any more to those who wait for it. */
TEST_F(tcp_migrate_late_outcomes, timer_unanswered)
{
	begin_path(_metadata, &self->scene, &at_timer);
	migrate(_metadata, &self->scene, &at_timer, another, cut_off);
	expect_late_failure(_metadata, &self->scene, &at_timer, "unanswered");
}

/* Whether there is an event of this path and outcome. */
static bool event_seen(const struct events *events, const char *path,
		       const char *outcome)
{
	struct event list[2 * CLIENTS];
	int i, count;

	count = events_read(events, list, ARRAY_SIZE(list));
	for (i = 0; i < count; i++) {
		if (!strcmp(list[i].path, path) &&
		    !strcmp(list[i].outcome, outcome))
			return true;
	}

	return false;
}

/* Only those that are held are cloned, and may be replaced too late. */
static bool meet_timers(struct __test_metadata *_metadata, struct scene *scene)
{
	run_on_cpu(0);
	ASSERT_EQ(RACERS, peers_begin(scene->peers, RACERS, &scene->tun,
				      TUN_IPV4));
	open_other(_metadata, scene, &ipv4);
	ASSERT_EQ(RACERS, peers_hold(scene->peers, RACERS));
	stop(_metadata, scene);
	ASSERT_EQ(RACERS, peers_meet_timers(scene->peers, RACERS));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, RACERS));
	EXPECT_TRUE(outcomes_agree());
	return outcome_read("timer", "lost_race") > 0;
}

TEST_F(tcp_migrate_late_outcomes, timer_lost_race)
{
	int round = 0;

	if (get_nprocs() < 2)
		SKIP(return, "needs two CPUs");

	while (!meet_timers(_metadata, &self->scene)) {
		ASSERT_GT(ROUNDS, ++round);
		start_over(_metadata, &self->scene, &ipv4);
	}

	EXPECT_TRUE(event_seen(&self->scene.events, "timer", "lost_race"));
	EXPECT_LE(RACERS, outcomes_sum(true));
}

static void *send_ack(void *peer)
{
	run_on_cpu(1);
	peer_ack(peer);
	return NULL;
}

/*
 * The listener stops when a final ACK has found it, and before the child is queued. It
 * keeps its port, without which there would be no child.
 */
static bool stop_before_queued(struct __test_metadata *_metadata,
			       struct scene *scene)
{
	struct held_acks *held = held_acks__open_and_load();
	pthread_t sender;

	ASSERT_NE(NULL, held);
	ASSERT_EQ(0, run_on_cpu(0));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_abort_on_overflow", "1"));
	open_full(_metadata, scene);
	ASSERT_EQ(0, held_acks_attach(held, scene->from));
	ASSERT_EQ(1, peers_begin(scene->peers, 1, &scene->tun, TUN_IPV4));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_ack, scene->peers));
	ASSERT_TRUE(held_acks_wait(held));
	ASSERT_EQ(0, shutdown(scene->from, SHUT_RDWR));
	held_acks_release(held);
	ASSERT_EQ(0, pthread_join(sender, NULL));
	held_acks__destroy(held);
	EXPECT_TRUE(outcomes_agree());
	return outcome_read("ack", "over_backlog") > 0;
}

/* Once in a while, the timer of the SYN+ACK is faster. */
TEST_F(tcp_migrate_late_outcomes, ack_over_backlog)
{
	int round = 0;

	if (!can_hold_acks)
		SKIP(return, "needs two CPUs, and a BPF JIT");

	while (!stop_before_queued(_metadata, &self->scene)) {
		ASSERT_GT(ROUNDS, ++round);
		start_over(_metadata, &self->scene, &ipv4);
	}

	EXPECT_TRUE(event_seen(&self->scene.events, "ack", "over_backlog"));
}

static void *close_listener(void *listener)
{
	close(*(int *)listener);
	return NULL;
}

/* With the program, that connections are migrated goes, while they are. */
static bool detach_while_closing(struct __test_metadata *_metadata,
				 struct scene *scene)
{
	int clients[CLIENTS];
	pthread_t closer;

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, TUN_IPV4));
	open_other(_metadata, scene, &ipv4);
	ASSERT_EQ(0, group_migrate(scene->to, SK_PASS, LONG));
	ASSERT_EQ(0, pthread_create(&closer, NULL, close_listener,
				    &scene->from));
	while (!listener_queued(scene->to))
		sched_yield();

	ASSERT_EQ(0, group_detach(scene->to));
	ASSERT_EQ(0, pthread_join(closer, NULL));
	EXPECT_TRUE(outcomes_agree());
	EXPECT_EQ(CLIENTS, outcomes_sum(true) + outcomes_sum(false));
	EXPECT_EQ(outcomes_sum(false), outcome_read("close", "disabled"));
	EXPECT_EQ(outcomes_sum(true), listener_queued(scene->to));
	return outcomes_sum(false) > 0;
}

TEST_F(tcp_migrate_late_outcomes, close_disabled)
{
	int round = 0;

	while (!detach_while_closing(_metadata, &self->scene)) {
		ASSERT_GT(ROUNDS, ++round);
		start_over(_metadata, &self->scene, &ipv4);
	}

	EXPECT_TRUE(event_seen(&self->scene.events, "close", "disabled"));
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access(OUTCOMES, F_OK))
		ksft_exit_skip(OUTCOMES " isn't there\n");

	if (!events_supported())
		ksft_exit_skip("no tracefs\n");

	can_hold_acks = held_acks_supported();
	return test_harness_run(argc, argv);
}
