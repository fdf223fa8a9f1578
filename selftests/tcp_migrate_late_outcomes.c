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

#include "lib/filters.h"
#include "lib/outcome_scene.h"

#define ROUNDS	40
#define CLIENTS	64

/* By how much later it is in the next round. */
#define LATER_US	300

/* What takes a program long enough to be met in the middle of it. */
#define LONG	100000

/* The next timer has run by then, most likely. */
#define LULL_MS	200

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

TEST_F(tcp_migrate_late_outcomes, ack_queue_full)
{
	/* Or else the handshake goes on. */
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_abort_on_overflow", "1"));
	open_full(_metadata, &self->scene);
	begin_path(_metadata, &self->scene, &at_ack);
	stop(_metadata, &self->scene);
	end_path(_metadata, &self->scene, &at_ack);
	expect_late_failure(_metadata, &self->scene, &at_ack, "queue_full");
}

TEST_F(tcp_migrate_late_outcomes, timer_expired)
{
	begin_path(_metadata, &self->scene, &at_timer);
	open_other(_metadata, &self->scene, &ipv4);
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_synack_retries", "0"));
	stop(_metadata, &self->scene);
	expect_late_failure(_metadata, &self->scene, &at_timer, "expired");
}

/* There's no way any more to those who wait for it. */
TEST_F(tcp_migrate_late_outcomes, timer_unanswered)
{
	struct ifreq tun = { .ifr_name = "tun0" };
	int fd;

	begin_path(_metadata, &self->scene, &at_timer);
	open_other(_metadata, &self->scene, &ipv4);
	stop(_metadata, &self->scene);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, SIOCSIFFLAGS, &tun));
	expect_late_failure(_metadata, &self->scene, &at_timer, "unanswered");
}

/* In another namespace. The first listener has stopped, but may be there. */
static void start_over(struct __test_metadata *_metadata, struct scene *scene)
{
	events_close(&scene->events);
	close(scene->from);
	ASSERT_EQ(0, close(scene->to));
	ASSERT_EQ(0, close(scene->tun.fd));
	begin(_metadata, scene, &ipv4);
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

/*
 * The timers run on one CPU, the last request's first. To send a SYN+ACK takes
 * long, since someone watches. When that of one has come, the final ACK for the
 * next one is sent on another CPU, so that its timer has worked in vain.
 */
static bool meet_timers(struct __test_metadata *_metadata, struct scene *scene)
{
	struct peer *peers = scene->peers;
	struct segment segment;
	int i;

	ASSERT_EQ(0, watch_slowly());
	run_on_cpu(0);
	ASSERT_EQ(RACERS, peers_begin(peers, RACERS, &scene->tun, TUN_IPV4));
	open_other(_metadata, scene, &ipv4);
	stop(_metadata, scene);

	run_on_cpu(1);
	ASSERT_TRUE(peer_synack(&peers[RACERS - 1]));
	for (i = RACERS - 2; i >= 0; i--) {
		ASSERT_EQ(0, peer_ack(&peers[i]));
		/* None comes if the timer has been stopped before it ran. */
		peer_receive(&peers[i], &segment, LULL_MS);
	}

	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, RACERS));
	EXPECT_TRUE(outcomes_agree());
	return outcome_read("timer", "lost_race") > 0;
}

TEST_F(tcp_migrate_late_outcomes, timer_lost_race)
{
	int round = 0;

	while (!meet_timers(_metadata, &self->scene)) {
		ASSERT_GT(ROUNDS, ++round);
		start_over(_metadata, &self->scene);
	}

	EXPECT_TRUE(event_seen(&self->scene.events, "timer", "lost_race"));
	EXPECT_LE(RACERS, outcomes_sum(true));
}

static void *send_acks(void *peers)
{
	peers_ack(peers, RACERS);
	return NULL;
}

/*
 * The listener stops when it has made a child, and before that is queued; later
 * in each round, as how long a final ACK takes isn't known. It keeps its port,
 * without which there would be no child.
 */
static bool stop_before_queued(struct __test_metadata *_metadata,
			       struct scene *scene, int round)
{
	pthread_t sender;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_abort_on_overflow", "1"));
	open_full(_metadata, scene);
	ASSERT_EQ(0, filter_slow_final_acks(scene->from));
	ASSERT_EQ(RACERS, peers_begin(scene->peers, RACERS, &scene->tun,
				      TUN_IPV4));
	ASSERT_EQ(0, pthread_create(&sender, NULL, send_acks, scene->peers));
	while (!listener_queued(scene->from))
		sched_yield();

	usleep(round * LATER_US);
	ASSERT_EQ(0, shutdown(scene->from, SHUT_RDWR));
	ASSERT_EQ(0, pthread_join(sender, NULL));
	EXPECT_TRUE(outcomes_agree());
	return outcome_read("ack", "over_backlog") > 0;
}

TEST_F(tcp_migrate_late_outcomes, ack_over_backlog)
{
	int round = 0;

	while (!stop_before_queued(_metadata, &self->scene, round)) {
		ASSERT_GT(ROUNDS, ++round);
		start_over(_metadata, &self->scene);
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
		start_over(_metadata, &self->scene);
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

	return test_harness_run(argc, argv);
}
