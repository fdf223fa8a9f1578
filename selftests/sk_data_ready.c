// SPDX-License-Identifier: GPL-2.0
/*
 * sk_data_ready(): whoever waits for connections on a listener is woken when
 * they come from another one (CVE-2026-46015).
 *
 *  1. One listener; clients connect to it, and nobody accepts.
 *  2. Another listener joins the group. Something waits on it, asleep.
 *  3. The first listener stops.
 *  4. Whoever waited wakes up and accepts.
 */
#include <fcntl.h>
#include <liburing.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"
#include "lib/segments.h"

#define CLIENTS	8
#define ROUNDS	100

/* How often a listener stops late, and by how much later each time. */
#define LATE_STOPS	40
#define LATER_US	50

struct waiter {
	pthread_t thread;
	pid_t tid;
	int listener;
	int epoll;
	int wanted;	/* connections to accept before it returns */
	int accepted;
};

struct scene {
	struct waiter waiters[CLIENTS];
	int clients[CLIENTS];
	int from, to;
};

FIXTURE(sk_data_ready) {
	struct scene scene;
};

FIXTURE_SETUP(sk_data_ready)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->scene.from = listener_open("127.0.0.1");
	ASSERT_LE(0, self->scene.from);
	ASSERT_EQ(CLIENTS, clients_connect(self->scene.clients, CLIENTS,
					   "127.0.0.1"));
	self->scene.to = listener_open("127.0.0.1");
	ASSERT_LE(0, self->scene.to);
}

FIXTURE_TEARDOWN(sk_data_ready)
{
}

static bool asleep(pid_t tid)
{
	char path[64], state = 0;
	FILE *file;

	if (!tid)
		return false;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = fopen(path, "re");
	if (!file)
		return false;

	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;

	fclose(file);
	return state == 'S';
}

/* Nothing that a waiter does after it has set its tid sleeps but the wait. */
static bool waiter_start(struct waiter *waiter, void *(*wait)(void *))
{
	return !pthread_create(&waiter->thread, NULL, wait, waiter) &&
	       wait_until(asleep(__atomic_load_n(&waiter->tid,
						 __ATOMIC_ACQUIRE)));
}

/* False if it still sleeps. */
static bool waiter_end(struct waiter *waiter)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += PATIENCE_MS / 1000;
	return !pthread_timedjoin_np(waiter->thread, NULL, &end);
}

static void *wait_in_accept(void *data)
{
	struct waiter *waiter = data;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	while (waiter->accepted < waiter->wanted &&
	       accept4(waiter->listener, NULL, NULL, SOCK_CLOEXEC) >= 0)
		waiter->accepted++;

	return NULL;
}

static void *wait_in_poll(void *data)
{
	struct pollfd readable = { .events = POLLIN };
	struct waiter *waiter = data;

	readable.fd = waiter->listener;
	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	if (poll(&readable, 1, -1) == 1 &&
	    accept4(waiter->listener, NULL, NULL, SOCK_CLOEXEC) >= 0)
		waiter->accepted++;

	return NULL;
}

/* Level-triggered: one connection for each event. */
static void *wait_in_epoll(void *data)
{
	struct waiter *waiter = data;
	struct epoll_event event;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	while (waiter->accepted < waiter->wanted) {
		if (epoll_wait(waiter->epoll, &event, 1, -1) != 1 ||
		    accept4(waiter->listener, NULL, NULL, SOCK_CLOEXEC) < 0)
			break;
		waiter->accepted++;
	}

	return NULL;
}

/* Edge-triggered: whatever there is, for each event. */
static void *wait_in_epoll_edge(void *data)
{
	struct waiter *waiter = data;
	struct epoll_event event;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	while (waiter->accepted < waiter->wanted) {
		if (epoll_wait(waiter->epoll, &event, 1, -1) != 1)
			break;
		while (!listener_idle(waiter->listener) &&
		       accept4(waiter->listener, NULL, NULL, SOCK_CLOEXEC) >= 0)
			waiter->accepted++;
	}

	return NULL;
}

static int epoll_open(int listener, __u32 events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) ? -1 : epoll;
}

/*
 * The first listener stops while so many threads wait on the other one. They share the
 * connections, and each returns. With @events, each has an instance of epoll.
 */
static void wait_in(struct __test_metadata *_metadata,
		    struct scene *scene, int threads,
		    void *(*wait)(void *), __u32 events)
{
	struct waiter *waiter;
	int i;

	for (i = 0; i < threads; i++) {
		waiter = &scene->waiters[i];
		waiter->listener = scene->to;
		waiter->wanted = CLIENTS / threads;
		if (events) {
			waiter->epoll = epoll_open(scene->to, events);
			ASSERT_LE(0, waiter->epoll);
		}
		ASSERT_TRUE(waiter_start(waiter, wait));
	}

	ASSERT_EQ(0, close(scene->from));
	for (i = 0; i < threads; i++) {
		ASSERT_TRUE(waiter_end(&scene->waiters[i]));
		EXPECT_EQ(CLIENTS / threads, scene->waiters[i].accepted);
	}
}

/* Eight threads in accept(), eight connections: eight threads return. */
TEST_F(sk_data_ready, accept_in_threads)
{
	wait_in(_metadata, &self->scene, CLIENTS, wait_in_accept, 0);
}

TEST_F(sk_data_ready, accept_in_one_thread)
{
	wait_in(_metadata, &self->scene, 1, wait_in_accept, 0);
}

TEST_F(sk_data_ready, poll_in_threads)
{
	wait_in(_metadata, &self->scene, CLIENTS, wait_in_poll, 0);
}

TEST_F(sk_data_ready, epoll_level)
{
	wait_in(_metadata, &self->scene, 1, wait_in_epoll, EPOLLIN);
}

TEST_F(sk_data_ready, epoll_edge)
{
	wait_in(_metadata, &self->scene, 1, wait_in_epoll_edge, EPOLLIN | EPOLLET);
}

/*
 * As nginx has it: an epoll instance for each worker, of which a connection
 * wakes only one. Each worker accepts one connection and is busy from then on.
 */
TEST_F(sk_data_ready, epoll_exclusive_level)
{
	wait_in(_metadata, &self->scene, CLIENTS, wait_in_epoll,
		EPOLLIN | EPOLLEXCLUSIVE);
}

TEST_F(sk_data_ready, epoll_exclusive_edge)
{
	wait_in(_metadata, &self->scene, CLIENTS, wait_in_epoll,
		EPOLLIN | EPOLLEXCLUSIVE | EPOLLET);
}

static int cqe_result(struct io_uring *ring)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	struct io_uring_cqe *cqe;
	int result;

	result = io_uring_wait_cqe_timeout(ring, &cqe, &patience);
	if (result)
		return result;

	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

/* Each of them waits on its own for an exclusive wake-up. */
TEST_F(sk_data_ready, io_uring_accept)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int i;

	ASSERT_EQ(0, io_uring_queue_init(2 * CLIENTS, &ring, 0));
	for (i = 0; i < CLIENTS; i++) {
		sqe = io_uring_get_sqe(&ring);
		io_uring_prep_accept(sqe, self->scene.to, NULL, NULL, SOCK_CLOEXEC);
	}

	ASSERT_EQ(CLIENTS, io_uring_submit(&ring));
	ASSERT_EQ(0U, io_uring_cq_ready(&ring));
	ASSERT_EQ(0, close(self->scene.from));
	for (i = 0; i < CLIENTS && cqe_result(&ring) >= 0; i++)
		;

	EXPECT_EQ(CLIENTS, i);
}

TEST_F(sk_data_ready, io_uring_multishot_accept)
{
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int i;

	ASSERT_EQ(0, io_uring_queue_init(2 * CLIENTS, &ring, 0));
	sqe = io_uring_get_sqe(&ring);
	io_uring_prep_multishot_accept(sqe, self->scene.to, NULL, NULL, SOCK_CLOEXEC);
	ASSERT_EQ(1, io_uring_submit(&ring));
	ASSERT_EQ(0U, io_uring_cq_ready(&ring));
	ASSERT_EQ(0, close(self->scene.from));
	for (i = 0; i < CLIENTS && cqe_result(&ring) >= 0; i++)
		;

	EXPECT_EQ(CLIENTS, i);
}

/* Real-time signals are queued: as many as there are connections. */
TEST_F(sk_data_ready, signals)
{
	struct timespec patience = { .tv_sec = PATIENCE_MS / 1000 };
	const struct timespec now = {};
	sigset_t signals;
	int i;

	sigemptyset(&signals);
	sigaddset(&signals, SIGRTMIN);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &signals, NULL));
	ASSERT_EQ(0, fcntl(self->scene.to, F_SETOWN, getpid()));
	ASSERT_EQ(0, fcntl(self->scene.to, F_SETSIG, SIGRTMIN));
	ASSERT_EQ(0, fcntl(self->scene.to, F_SETFL, O_ASYNC));
	ASSERT_EQ(0, close(self->scene.from));
	for (i = 0; i < CLIENTS; i++)
		ASSERT_EQ(SIGRTMIN, sigtimedwait(&signals, NULL, &patience));

	EXPECT_EQ(-1, sigtimedwait(&signals, NULL, &now));
}

static void *stop(void *listener)
{
	close(*(int *)listener);
	return NULL;
}

/*
 * The other listener stops as well, at the same moment: when it's to be woken,
 * it may have lost all that it was given and be gone.
 */
TEST_F(sk_data_ready, destination_stops)
{
	int last, round;
	pthread_t thread;

	for (round = 0; round < ROUNDS; round++) {
		last = listener_open("127.0.0.1");
		ASSERT_LE(0, last);
		ASSERT_EQ(0, pthread_create(&thread, NULL, stop, &self->scene.to));
		ASSERT_EQ(0, close(self->scene.from));
		ASSERT_EQ(0, pthread_join(thread, NULL));
		ASSERT_EQ(CLIENTS, listener_queued(last));

		self->scene.from = last;
		self->scene.to = listener_open("127.0.0.1");
		ASSERT_LE(0, self->scene.to);
	}
}

/* A connection that comes with the final ACK wakes as well. */
TEST_F(sk_data_ready, accept_after_final_ack)
{
	struct waiter *waiter = &self->scene.waiters[0];
	struct peer peer;
	struct tun tun;

	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_EQ(0, close(self->scene.to));
	ASSERT_EQ(0, tun_open(&tun));
	self->scene.from = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->scene.from);
	peer_init(&peer, &tun, TUN_IPV4, 10000);
	ASSERT_EQ(0, peer_syn(&peer));
	ASSERT_TRUE(peer_synack(&peer));

	self->scene.to = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->scene.to);
	waiter->listener = self->scene.to;
	waiter->wanted = 1;
	ASSERT_TRUE(waiter_start(waiter, wait_in_accept));
	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_EQ(0, peer_ack(&peer));
	ASSERT_TRUE(waiter_end(waiter));
	EXPECT_EQ(1, waiter->accepted);
}

struct late_ack {
	pthread_t thread;
	struct peer peer;
	bool begun;
};

static void *send_ack(void *data)
{
	struct late_ack *ack = data;

	__atomic_store_n(&ack->begun, true, __ATOMIC_RELEASE);
	peer_ack(&ack->peer);
	return NULL;
}

/*
 * The listener stops when the final ACK has found it, and before the child is
 * queued; or a little earlier or later. Another one has the child then, which
 * the kernel hasn't chosen and doesn't wake.
 */
TEST_F(sk_data_ready, late_stop)
{
	struct waiter *waiter = &self->scene.waiters[0];
	struct late_ack ack;
	struct tun tun;
	int i;

	ASSERT_EQ(0, tun_open(&tun));
	waiter->wanted = 1;
	for (i = 0; i < LATE_STOPS; i++) {
		self->scene.from = listener_open(TUN_IPV4);
		ASSERT_LE(0, self->scene.from);
		ASSERT_EQ(0, filter_slow_final_acks(self->scene.from));
		peer_init(&ack.peer, &tun, TUN_IPV4, 10000 + i);
		ASSERT_EQ(0, peer_syn(&ack.peer));
		ASSERT_TRUE(peer_synack(&ack.peer));

		self->scene.to = listener_open(TUN_IPV4);
		ASSERT_LE(0, self->scene.to);
		waiter->listener = self->scene.to;
		waiter->accepted = 0;
		waiter->tid = 0;
		ASSERT_TRUE(waiter_start(waiter, wait_in_accept));

		ack.begun = false;
		ASSERT_EQ(0, pthread_create(&ack.thread, NULL, send_ack, &ack));
		while (!__atomic_load_n(&ack.begun, __ATOMIC_ACQUIRE))
			sched_yield();

		usleep(i * LATER_US);
		ASSERT_EQ(0, shutdown(self->scene.from, SHUT_RDWR));
		ASSERT_EQ(0, pthread_join(ack.thread, NULL));
		ASSERT_TRUE(waiter_end(waiter));
		EXPECT_EQ(1, waiter->accepted);
		ASSERT_EQ(0, close(self->scene.from));
		ASSERT_EQ(0, close(self->scene.to));
	}
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
