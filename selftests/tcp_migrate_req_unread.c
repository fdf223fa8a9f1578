// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req_unread: a worker dies, and the connections that it has accepted
 * and not read from are another one's.
 *
 *  1. Clients connect and send. A worker accepts them all, and hangs.
 *  2. It dies. Another process has the same listener, or one of the group; or listens
 *     later, within the grace of the worker's listener.
 *  3. The clients go on sending.
 *  4. The other process accepts and serves each of them once. It sees all that they have
 *     sent, and nothing of what the worker has set.
 *  5. Or there's nobody else, or they aren't to be given back: they are reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/cgroup.h"
#include "lib/file.h"
#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/segments.h"
#include "lib/workers.h"

#define CLIENTS		8

/* In one process; a kernel with sanitizers takes seconds for fewer. */
#define MANY		10000
#define SOME		500

/* Whose the connections are when the worker has died. */
enum heir {
	SAME_LISTENER,
	SIBLING,
	SUCCESSOR,
	NOBODY,
};

struct scene {
	const char *address;
	enum heir heir;
	struct worker worker;
	int clients[CLIENTS];
	int to;
	pid_t process;
};

FIXTURE(tcp_migrate_req_unread) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_migrate_req_unread) {
	const char *local;
	const char *remote;	/* what the clients connect to */
	enum heir heir;

	/* Either is closed before the connections, and the other one after them. */
	bool listener_is_highest;
};

#define HEIR_VARIANTS(name, ...)					\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(tcp_migrate_req_unread, name ## _same) {	\
		.heir = SAME_LISTENER,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_migrate_req_unread, name ## _sibling) {	\
		.heir = SIBLING,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_migrate_req_unread, name ## _sibling_highest) { \
		.heir = SIBLING,					\
		.listener_is_highest = true,				\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_migrate_req_unread, name ## _successor) { \
		.heir = SUCCESSOR,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_migrate_req_unread, name ## _successor_highest) { \
		.heir = SUCCESSOR,					\
		.listener_is_highest = true,				\
		__VA_ARGS__						\
	}

HEIR_VARIANTS(ipv4, .local = "127.0.0.1", .remote = "127.0.0.1");
HEIR_VARIANTS(ipv6, .local = "::1", .remote = "::1");

/* IPv4 clients of an IPv6 listener. */
HEIR_VARIANTS(dual, .local = "::", .remote = "127.0.0.1");

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *remote)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("1"));
	if (scene->heir == SUCCESSOR)
		ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	scene->worker.accepts = CLIENTS;
	scene->worker.listener = listener_open(scene->address);
	ASSERT_LE(0, scene->worker.listener);
	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS, remote));
}

FIXTURE_SETUP(tcp_migrate_req_unread)
{
	self->scene = (struct scene){
		.address = variant->local,
		.heir = variant->heir,
		.worker.listener_is_highest = variant->listener_is_highest,
	};
	begin(_metadata, &self->scene, variant->remote);
}

FIXTURE_TEARDOWN(tcp_migrate_req_unread)
{
}

/* A worker, whose listener is nobody else's unless that's the heir. */
static void work(struct __test_metadata *_metadata, struct scene *scene)
{
	scene->process = worker_start(&scene->worker);
	ASSERT_LT(0, scene->process);
	if (scene->heir == SAME_LISTENER)
		scene->to = scene->worker.listener;
	else
		ASSERT_EQ(0, close(scene->worker.listener));

	if (scene->heir == SIBLING) {
		scene->to = listener_open(scene->address);
		ASSERT_LE(0, scene->to);
	}
}

/* When the worker has died. */
static void succeed(struct __test_metadata *_metadata, struct scene *scene)
{
	if (scene->heir != SUCCESSOR)
		return;

	ASSERT_EQ(1, orphans_count());
	scene->to = listener_open(scene->address);
	ASSERT_LE(0, scene->to);
}

static void work_and_die(struct __test_metadata *_metadata, struct scene *scene)
{
	work(_metadata, scene);
	ASSERT_EQ(0, process_kill(scene->process));
	succeed(_metadata, scene);
}

/*
 * The next connection, whose client has sent its number so many times, and perhaps a FIN.
 * Each is accepted once.
 */
static void serve_next(struct __test_metadata *_metadata, int to, int times,
		       bool fin, bool *served)
{
	int connection, number, i;
	char byte;

	connection = listener_accept(to);
	ASSERT_LE(0, connection);
	number = connection_serve(connection);
	ASSERT_LE(0, number);
	ASSERT_GT(CLIENTS, number);
	EXPECT_FALSE(served[number]);
	served[number] = true;
	for (i = 1; i < times; i++)
		EXPECT_EQ(number, connection_serve(connection));

	EXPECT_EQ(fin ? 0 : -1,
		  recv(connection, &byte, 1, fin ? 0 : MSG_DONTWAIT));
	ASSERT_EQ(0, close(connection));
}

static void expect_served(struct __test_metadata *_metadata,
			  struct scene *scene, int times, bool fin)
{
	bool served[CLIENTS] = {};
	int i;

	for (i = 0; i < CLIENTS; i++)
		serve_next(_metadata, scene->to, times, fin, served);

	EXPECT_TRUE(listener_idle(scene->to));
	for (i = 0; i < times; i++)
		EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));

	EXPECT_EQ(CLIENTS, outcome_read("unread", "migrated"));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_TRUE(outcomes_agree());
}

static void expect_reset(struct __test_metadata *_metadata, struct scene *scene)
{
	ASSERT_EQ(0, outcome_read("unread", "migrated"));
	EXPECT_EQ(CLIENTS, clients_reset(scene->clients, CLIENTS));
}

/* All clients send their number again. */
static void send_again(struct __test_metadata *_metadata, const int *clients)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		ASSERT_EQ((ssize_t)sizeof(i),
			  send(clients[i], &i, sizeof(i), MSG_NOSIGNAL));
	}
}

TEST_F(tcp_migrate_req_unread, gives_back_what_came_before_and_after)
{
	struct scene *scene = &self->scene;

	send_again(_metadata, scene->clients);
	work(_metadata, scene);
	send_again(_metadata, scene->clients);
	ASSERT_EQ(0, process_kill(scene->process));
	send_again(_metadata, scene->clients);
	succeed(_metadata, scene);
	send_again(_metadata, scene->clients);
	expect_served(_metadata, scene, 5, false);
}

/* The FINs come before the worker accepts, before it dies, or after that. */
static void finish(struct __test_metadata *_metadata, const int *clients,
		   int first, int last)
{
	int i;

	for (i = first; i < last; i++)
		ASSERT_EQ(0, shutdown(clients[i], SHUT_WR));
}

TEST_F(tcp_migrate_req_unread, gives_back_after_a_fin)
{
	struct scene *scene = &self->scene;

	finish(_metadata, scene->clients, 0, 3);
	work(_metadata, scene);
	finish(_metadata, scene->clients, 3, 6);
	ASSERT_EQ(0, process_kill(scene->process));
	finish(_metadata, scene->clients, 6, CLIENTS);
	succeed(_metadata, scene);
	expect_served(_metadata, scene, 1, true);
}

/* Who has only had a look has read nothing. */
static int peek(int fd, __maybe_unused int number)
{
	int seen, offset = 0;

	return setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) ||
	       recv(fd, &seen, sizeof(seen), MSG_PEEK) != sizeof(seen) ? -1 : 0;
}

TEST_F(tcp_migrate_req_unread, gives_back_what_was_peeked_at)
{
	self->scene.worker.treat = peek;
	work_and_die(_metadata, &self->scene);
	expect_served(_metadata, &self->scene, 1, false);
}

/* The next worker dies, too, and so does the one after that. */
TEST_F(tcp_migrate_req_unread, gives_back_again_and_again)
{
	struct scene *scene = &self->scene;
	int i;

	work_and_die(_metadata, scene);
	for (i = 2; i <= 3; i++) {
		scene->worker.listener = scene->to;
		work_and_die(_metadata, scene);
		EXPECT_EQ(i * CLIENTS, outcome_read("unread", "migrated"));
	}

	for (i = 0; i < CLIENTS; i++)
		EXPECT_LE(0, listener_serve(scene->to));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_EQ(0, outcomes_sum(false));
}

TEST_F(tcp_migrate_req_unread, resets_at_0)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_UNREAD, "0"));
	work_and_die(_metadata, &self->scene);
	expect_reset(_metadata, &self->scene);
	EXPECT_TRUE(listener_idle(self->scene.to));
	expect_counters(_metadata, 0, 0);
}

/* A worker that dies in some way, and others that have its listener. */
FIXTURE(unread_worker) {
	struct scene scene;
};

FIXTURE_SETUP(unread_worker)
{
	self->scene = (struct scene){
		.address = "127.0.0.1",
		.heir = SAME_LISTENER,
	};
	begin(_metadata, &self->scene, "127.0.0.1");
}

FIXTURE_TEARDOWN(unread_worker)
{
}

/* How it dies, and what is to be if @unread was set. */
static void die(struct __test_metadata *_metadata, struct scene *scene,
		const char *unread, int signal, bool gives_back)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_UNREAD, unread));
	work(_metadata, scene);
	ASSERT_EQ(0, process_end(scene->process, signal));
	if (gives_back)
		expect_served(_metadata, scene, 1, false);
	else
		expect_reset(_metadata, scene);
}

TEST_F(unread_worker, is_terminated)
{
	die(_metadata, &self->scene, "1", SIGTERM, true);
}

TEST_F(unread_worker, crashes)
{
	die(_metadata, &self->scene, "1", SIGSEGV, true);
}

static int dump_core(void)
{
	const struct rlimit limit = { 1 << 20, 1 << 20 };

	return setrlimit(RLIMIT_CORE, &limit) || chdir("/tmp") ? -1 : 0;
}

TEST_F(unread_worker, dumps_core)
{
	if (access("/proc/sys/kernel/core_pattern", F_OK))
		SKIP(return, "no core dumps");

	self->scene.worker.prepare = dump_core;
	die(_metadata, &self->scene, "1", SIGABRT, true);
}

TEST_F(unread_worker, is_killed_at_2)
{
	die(_metadata, &self->scene, "2", SIGKILL, true);
}

TEST_F(unread_worker, exits_by_itself_at_1)
{
	die(_metadata, &self->scene, "1", SIGUSR1, false);
}

TEST_F(unread_worker, exits_by_itself_at_2)
{
	die(_metadata, &self->scene, "2", SIGUSR1, true);
}

TEST_F(unread_worker, is_killed_without_migration)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	die(_metadata, &self->scene, "2", SIGKILL, false);
}

/* Who is alive closes them as ever. */
static int close_it(int fd, __maybe_unused int number)
{
	return close(fd);
}

TEST_F(unread_worker, closes)
{
	self->scene.worker.treat = close_it;
	die(_metadata, &self->scene, "2", SIGKILL, false);
}

/*
 * What threads of a worker do when it's killed. They need not sleep already, but mostly do.
 */
static int start_thread(void *(*wait)(void *), long fd)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, wait, (void *)fd);
	return errno ? -1 : 0;
}

static void *wait_in_accept(void *listener)
{
	accept((long)listener, NULL, NULL);
	return NULL;
}

/* For what no client sends. */
static void *wait_in_recv(void *connection)
{
	char more[64];

	recv((long)connection, more, sizeof(more), MSG_PEEK | MSG_WAITALL);
	return NULL;
}

static int listener_of_all;

static int accept_more(__maybe_unused int fd, int number)
{
	return number == CLIENTS - 1 ?
	       start_thread(wait_in_accept, listener_of_all) : 0;
}

TEST_F(unread_worker, is_killed_in_accept)
{
	listener_of_all = self->scene.worker.listener;
	self->scene.worker.treat = accept_more;
	die(_metadata, &self->scene, "1", SIGKILL, true);
}

static int receive(int fd, __maybe_unused int number)
{
	return start_thread(wait_in_recv, fd);
}

TEST_F(unread_worker, is_killed_in_recv)
{
	self->scene.worker.treat = receive;
	die(_metadata, &self->scene, "1", SIGKILL, true);
}

/* It has accepted all there are, and goes on. */
static int accept_by_io_uring(void)
{
	static struct io_uring ring;
	struct io_uring_cqe *cqe;
	int i;

	errno = -io_uring_queue_init(2 * CLIENTS, &ring, 0);
	if (errno)
		return -1;

	io_uring_prep_multishot_accept(io_uring_get_sqe(&ring), listener_of_all,
				       NULL, NULL, 0);
	io_uring_submit(&ring);
	for (i = 0; i < CLIENTS; i++) {
		if (io_uring_wait_cqe(&ring, &cqe) || cqe->res < 0)
			return -1;
		io_uring_cqe_seen(&ring, cqe);
	}

	return 0;
}

static void die_in_multishot_accept(struct __test_metadata *_metadata,
				    struct scene *scene)
{
	listener_of_all = scene->worker.listener;
	scene->worker.accepts = 0;
	scene->worker.prepare = accept_by_io_uring;
	die(_metadata, scene, "1", SIGKILL, true);
}

TEST_F(unread_worker, is_killed_in_multishot_accept)
{
	die_in_multishot_accept(_metadata, &self->scene);
}

/* Its listener is closed when the ring is, which is later. */
TEST_F(unread_worker, is_killed_in_multishot_accept_of_its_own)
{
	self->scene.heir = SIBLING;
	die_in_multishot_accept(_metadata, &self->scene);
}

/*
 * The kernel adds a thread to the process, which exits by itself when that is killed. It
 * may be the last one.
 */
static int have_thread_of_io_uring(void)
{
	static struct io_uring ring;

	errno = -io_uring_queue_init(1, &ring, IORING_SETUP_SQPOLL);
	return errno ? -1 : 0;
}

TEST_F(unread_worker, is_killed_with_a_thread_of_io_uring)
{
	self->scene.worker.prepare = have_thread_of_io_uring;
	die(_metadata, &self->scene, "1", SIGKILL, true);
}

static int epoll;

static int poll_edges(int fd, __maybe_unused int number)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The others have the instance as well: it's told nothing of what is given back. */
TEST_F(unread_worker, is_killed_in_epoll_wait)
{
	struct scene *scene = &self->scene;
	struct epoll_event event;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, epoll);
	scene->worker.treat = poll_edges;
	work(_metadata, scene);
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, PATIENCE_MS));
	ASSERT_EQ(0, process_kill(scene->process));
	send_again(_metadata, scene->clients);
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	expect_served(_metadata, scene, 2, false);
}

static int do_nothing(__maybe_unused void *data)
{
	return 0;
}

TEST_F(unread_worker, dies_with_its_pid_namespace)
{
	struct scene *scene = &self->scene;
	pid_t init;

	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	init = process_start(do_nothing, NULL);
	ASSERT_LT(0, init);
	work(_metadata, scene);
	ASSERT_EQ(0, kill(init, SIGKILL));
	ASSERT_EQ(scene->process, waitpid(scene->process, NULL, 0));
	ASSERT_EQ(init, waitpid(init, NULL, 0));
	expect_served(_metadata, scene, 1, false);
}

static struct cgroup cgroup;

static int enter_cgroup(void)
{
	return cgroup_enter(&cgroup);
}

TEST_F(unread_worker, dies_with_its_cgroup)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, cgroups_mount());
	ASSERT_EQ(0, cgroup_make(&cgroup, "workers"));
	scene->worker.prepare = enter_cgroup;
	work(_metadata, scene);
	ASSERT_EQ(0, file_write(cgroup.dir, "cgroup.kill", "1"));
	ASSERT_EQ(scene->process, waitpid(scene->process, NULL, 0));
	EXPECT_EQ(0, cgroup_remove(&cgroup));
	expect_served(_metadata, scene, 1, false);
}

/* More than its cgroup may have. */
static void use_memory(__maybe_unused int signal)
{
	const size_t len = 1 << 20;
	void *bytes;

	do {
		bytes = mmap(NULL, len, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	} while (bytes != MAP_FAILED && memset(bytes, 1, len));
}

static int enter_small_cgroup(void)
{
	return signal(SIGUSR1, use_memory) == SIG_ERR ? -1 : enter_cgroup();
}

TEST_F(unread_worker, is_killed_for_want_of_memory)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, cgroups_mount());
	if (cgroups_count_memory())
		SKIP(return, "no memory cgroups");

	ASSERT_EQ(0, cgroup_make(&cgroup, "workers"));
	ASSERT_EQ(0, file_write(cgroup.dir, "memory.max", "16M"));
	scene->worker.prepare = enter_small_cgroup;
	die(_metadata, scene, "1", SIGUSR1, true);
	EXPECT_EQ(1, cgroup_oom_kills(&cgroup));
	EXPECT_EQ(0, cgroup_remove(&cgroup));
}

/* It's in a network namespace of its own, in which they aren't to be given back. */
TEST_F(unread_worker, is_in_another_namespace)
{
	self->scene.worker.prepare = netns_enter;
	die(_metadata, &self->scene, "1", SIGKILL, true);
}

/* Whoever waits for edges of the listener is told. */
TEST_F(unread_worker, wakes_up_others)
{
	struct scene *scene = &self->scene;
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	work(_metadata, scene);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, epoll);
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, scene->to, &event));
	ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	ASSERT_EQ(0, process_kill(scene->process));
	EXPECT_EQ(1, epoll_wait(epoll, &event, 1, PATIENCE_MS));
	expect_served(_metadata, scene, 1, false);
}

TEST_F(unread_worker, is_beyond_the_backlog)
{
	struct scene *scene = &self->scene;

	work(_metadata, scene);
	ASSERT_EQ(0, listen(scene->to, 2));
	ASSERT_EQ(0, process_kill(scene->process));
	EXPECT_EQ(CLIENTS, listener_queued(scene->to));
	EXPECT_EQ(3, outcome_read("unread", "migrated"));
	EXPECT_EQ(CLIENTS - 3, outcome_read("unread", "over_backlog"));
	EXPECT_TRUE(outcomes_agree());
	EXPECT_EQ(CLIENTS, listener_serve_all(scene->to));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
}

/* What a process sets for itself; the rest says how TCP sends, and stays. */
struct option {
	int level;
	int name;
	int value;
};

static const struct option options[] = {
	{ SOL_SOCKET, SO_RCVLOWAT, 1000 },
	{ SOL_SOCKET, SO_PEEK_OFF, 2 },
	{ IPPROTO_TCP, TCP_NODELAY, 1 },
	{ IPPROTO_TCP, TCP_CORK, 1 },
	{ IPPROTO_TCP, TCP_INQ, 1 },
};

static int option_read(int fd, const struct option *option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, option->level, option->name, &value, &len) ?
	       INT_MIN : value;
}

static int set_options(int fd, __maybe_unused int number)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 7 };
	const struct timeval timeout = { .tv_sec = 7 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (setsockopt(fd, options[i].level, options[i].name,
			       &options[i].value, sizeof(int)))
			return -1;
	}

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	       setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	       fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) ? -1 : 0;
}

static void expect_as_fresh(struct __test_metadata *_metadata, int fd, int fresh)
{
	struct timeval timeout;
	struct linger linger;
	socklen_t len;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(options); i++) {
		EXPECT_EQ(option_read(fresh, &options[i]),
			  option_read(fd, &options[i]))
			TH_LOG("option %d", options[i].name);
	}

	len = sizeof(linger);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len));
	EXPECT_EQ(0, linger.l_onoff);
	EXPECT_EQ(0, linger.l_linger);
	len = sizeof(timeout);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &len));
	EXPECT_EQ(0, timeout.tv_sec);
	len = sizeof(timeout);
	ASSERT_EQ(0, getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, &len));
	EXPECT_EQ(0, timeout.tv_sec);
	EXPECT_EQ(0, fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ASYNC));
}

/* What a process has set for itself is gone with it. */
TEST_F(unread_worker, has_set_options)
{
	struct scene *scene = &self->scene;
	int client, fresh, fd, i;

	client = client_connect(scene->address, CLIENTS);
	ASSERT_LE(0, client);
	scene->worker.treat = set_options;
	work_and_die(_metadata, scene);
	fresh = listener_accept(scene->to);
	ASSERT_LE(0, fresh);
	EXPECT_EQ(CLIENTS, connection_serve(fresh));
	for (i = 0; i < CLIENTS; i++) {
		fd = listener_accept(scene->to);
		ASSERT_LE(0, fd);
		expect_as_fresh(_metadata, fd, fresh);
		EXPECT_LE(0, connection_serve(fd));
	}
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
}

/* The others have what their listener has been set to. */
TEST_F(unread_worker, has_a_listener_with_options)
{
	struct scene *scene = &self->scene;
	int fd, i;
	size_t j;

	work(_metadata, scene);
	ASSERT_EQ(0, set_options(scene->to, 0));
	ASSERT_EQ(0, process_kill(scene->process));
	for (i = 0; i < CLIENTS; i++) {
		fd = listener_accept(scene->to);
		ASSERT_LE(0, fd);
		for (j = 0; j < ARRAY_SIZE(options); j++) {
			EXPECT_EQ(option_read(scene->to, &options[j]),
				  option_read(fd, &options[j]))
				TH_LOG("option %d", options[j].name);
		}
	}
}

/* Those in the queue come first. */
TEST_F(unread_worker, gives_back_behind_others)
{
	struct scene *scene = &self->scene;
	int client;

	work(_metadata, scene);
	client = client_connect(scene->address, 1000);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, process_kill(scene->process));
	EXPECT_EQ(1000, listener_serve(scene->to));
	EXPECT_TRUE(client_served(client, 1000));
	expect_served(_metadata, scene, 1, false);
}

/* Nobody else listens. */
FIXTURE(unread_nobody) {
	struct scene scene;
};

FIXTURE_VARIANT(unread_nobody) {
	bool listener_is_highest;
};

FIXTURE_VARIANT_ADD(unread_nobody, listener_lowest) {
	.listener_is_highest = false,
};

FIXTURE_VARIANT_ADD(unread_nobody, listener_highest) {
	.listener_is_highest = true,
};

FIXTURE_SETUP(unread_nobody)
{
	self->scene = (struct scene){
		.address = "127.0.0.1",
		.heir = NOBODY,
		.worker.listener_is_highest = variant->listener_is_highest,
	};
	begin(_metadata, &self->scene, "127.0.0.1");
}

FIXTURE_TEARDOWN(unread_nobody)
{
}

TEST_F(unread_nobody, resets)
{
	work_and_die(_metadata, &self->scene);
	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_TRUE(outcomes_agree());
}

TEST_F(unread_nobody, resets_when_its_time_is_up)
{
	ASSERT_EQ(0, orphans_allow("200"));
	work_and_die(_metadata, &self->scene);
	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_TRUE(orphans_become(0));
	EXPECT_EQ(CLIENTS, outcome_read("unread", "migrated"));
	EXPECT_EQ(CLIENTS, outcome_read("grace", "grace_over"));
	EXPECT_TRUE(outcomes_agree());
}

/* Who listens on another address has nothing to do with it. */
TEST_F(unread_nobody, leaves_others_alone)
{
	struct scene *scene = &self->scene;
	int other;

	work(_metadata, scene);
	other = listener_open("127.0.0.2");
	ASSERT_LE(0, other);
	ASSERT_EQ(0, process_kill(scene->process));
	EXPECT_EQ(CLIENTS, clients_reset(scene->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(other));
}

/* Peers whose segments the test writes. */
FIXTURE(unread_peers) {
	struct peer peers[CLIENTS];
	struct worker worker;
	struct tun tun;
	pid_t process;
};

FIXTURE_VARIANT(unread_peers) {
	const char *address;
};

ADDRESS_VARIANTS(unread_peers, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(unread_peers)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, unread_allow("1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", "1539"));
	self->worker = (struct worker){
		.listener = listener_open(variant->address),
		.accepts = CLIENTS,
	};
	ASSERT_LE(0, self->worker.listener);
}

FIXTURE_TEARDOWN(unread_peers)
{
}

/* When the worker dies, the second half of each number has come, but not the first. */
TEST_F(unread_peers, are_given_back_with_a_hole)
{
	struct peer *peers = self->peers;
	char half[2];
	int i;

	ASSERT_EQ(CLIENTS, peers_begin(peers, CLIENTS, &self->tun,
				       variant->address));
	ASSERT_EQ(CLIENTS, peers_ack(peers, CLIENTS));
	self->process = worker_start(&self->worker);
	ASSERT_LT(0, self->process);
	for (i = 0; i < CLIENTS; i++) {
		int number = peers[i].port;
		__u32 seq = peers[i].seq;

		peers[i].seq = seq + 2;
		memcpy(half, (char *)&number + 2, 2);
		ASSERT_EQ(0, peer_send(&peers[i], 0x10, half, 2));
		peers[i].seq = seq;
	}

	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, outcome_read("unread", "migrated"));
	ASSERT_EQ(CLIENTS, peers_number(peers, CLIENTS));
	for (i = CLIENTS - 1; i >= 0; i--)
		EXPECT_EQ(peers[i].port, listener_serve(self->worker.listener));
	for (i = 0; i < CLIENTS; i++)
		EXPECT_TRUE(peer_served(&peers[i]));
}

/* What came with a SYN of Fast Open. */
TEST_F(unread_peers, are_given_back_after_fast_open)
{
	struct peer *peers = self->peers;

	ASSERT_EQ(CLIENTS, peers_fastopen(peers, CLIENTS, &self->tun,
					  variant->address));
	ASSERT_EQ(CLIENTS, peers_ack(peers, CLIENTS));
	self->process = worker_start(&self->worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->worker.listener));
	EXPECT_EQ(CLIENTS, outcome_read("unread", "migrated"));
}

/* A connection that the peer has yet to acknowledge isn't. */
TEST_F(unread_peers, are_reset_before_their_first_ack)
{
	struct peer *peers = self->peers;

	ASSERT_EQ(CLIENTS, peers_fastopen(peers, CLIENTS, &self->tun,
					  variant->address));
	self->process = worker_start(&self->worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(0, outcome_read("unread", "migrated"));
	EXPECT_EQ(CLIENTS, peers_reset(peers, CLIENTS));
	EXPECT_TRUE(listener_idle(self->worker.listener));
}

TEST(ten_thousand)
{
	const int count = has_sanitizers() ? SOME : MANY;
	const struct rlimit limit = { 3 * MANY, 3 * MANY };
	struct worker worker = { .accepts = count };
	pid_t process;
	int *clients;
	int to;

	clients = calloc(count, sizeof(*clients));
	ASSERT_NE(NULL, clients);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("1"));
	ASSERT_EQ(0, sysctl_write("net/core/somaxconn", "20000"));
	worker.listener = listener_open_backlog("127.0.0.1", 20000);
	ASSERT_LE(0, worker.listener);
	ASSERT_EQ(count, clients_connect(clients, count, "127.0.0.1"));
	process = worker_start(&worker);
	ASSERT_LT(0, process);
	ASSERT_EQ(0, close(worker.listener));
	to = listener_open_backlog("127.0.0.1", 20000);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, process_kill(process));
	EXPECT_EQ(count, listener_queued(to));
	EXPECT_EQ(count, listener_serve_all(to));
	EXPECT_EQ(count, clients_served(clients, count));
	EXPECT_EQ(count, outcome_read("unread", "migrated"));
	EXPECT_EQ(0, outcomes_sum(false));
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_UNREAD, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_UNREAD "\n");

	return test_harness_run(argc, argv);
}
