// SPDX-License-Identifier: GPL-2.0
/*
 * sk_unaccept(): what a worker has begun with isn't given back to others when it's killed;
 * nor is what it shares with somebody, or what nobody else may have.
 *
 *  1. Clients connect and send. A worker accepts them all. It does something to the
 *     connections with odd numbers, and nothing to the others.
 *  2. It's killed. Others have its listener.
 *  3. They accept and serve the connections to which nothing was done. The clients of the
 *     others see them closed, as ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/net_tstamp.h>
#include <linux/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "lib/filters.h"
#include "lib/harness.h"
#include "lib/keys.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/process.h"
#include "lib/workers.h"

#define CLIENTS		8
#define HALF		(CLIENTS / 2)
#define SOMEBODY	65534
#define ANOTHER		65533

FIXTURE(sk_unaccept) {
	int clients[CLIENTS];
	pid_t process;
	int listener;
};

FIXTURE_VARIANT(sk_unaccept) {
	/* What it does to a connection; ENOPROTOOPT and ENOENT skip the test. */
	int (*touch)(int fd);

	/* The client sees nothing of how it ends. */
	bool ends_silently;
};

static int it_reads(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) == 1 ? 0 : -1;
}

static int it_reads_all(int fd)
{
	int number;

	return recv(fd, &number, sizeof(number), 0) == sizeof(number) ? 0 : -1;
}

static int it_truncates(int fd)
{
	return recv(fd, NULL, 1, MSG_TRUNC) == 1 ? 0 : -1;
}

static int it_reads_messages(int fd)
{
	char bytes[2];
	struct iovec parts[2] = { { bytes, 1 }, { bytes + 1, 1 } };
	struct mmsghdr messages[2] = {
		{ .msg_hdr = { .msg_iov = parts, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = parts + 1, .msg_iovlen = 1 } },
	};

	return recvmmsg(fd, messages, 2, 0, NULL) == 2 ? 0 : -1;
}

static int it_splices(int fd)
{
	int ends[2];

	return pipe(ends) || splice(fd, NULL, ends[1], NULL, 1, 0) != 1 ? -1 : 0;
}

static int it_reads_without_copies(int fd)
{
	char bytes[64];
	struct tcp_zerocopy_receive receive = {
		.copybuf_address = (__u64)(unsigned long)bytes,
		.copybuf_len = sizeof(bytes),
	};
	socklen_t len = sizeof(receive);

	return getsockopt(fd, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, &receive, &len);
}

/* What such a request has returned. */
static int submit(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int result;

	if (io_uring_submit_and_wait(ring, 1) < 0 ||
	    io_uring_wait_cqe(ring, &cqe))
		return -1;

	result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static int it_reads_by_io_uring(int fd)
{
	struct io_uring ring;
	char byte;

	errno = -io_uring_queue_init(1, &ring, 0);
	if (errno)
		return -1;

	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, &byte, 1, 0);
	return submit(&ring) == 1 ? 0 : -1;
}

static int it_sends(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

/* It's still in the socket. */
static int it_sends_more(int fd)
{
	return send(fd, "", 1, MSG_NOSIGNAL | MSG_MORE) == 1 ? 0 : -1;
}

static int it_sends_by_io_uring(int fd)
{
	struct io_uring ring;

	errno = -io_uring_queue_init(1, &ring, 0);
	if (errno)
		return -1;

	io_uring_prep_send(io_uring_get_sqe(&ring), fd, "", 1, MSG_NOSIGNAL);
	return submit(&ring) == 1 ? 0 : -1;
}

static int it_sends_a_file(int fd)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	return sendfile(fd, file, NULL, 1) == 1 ? 0 : -1;
}

static int it_sends_a_fin(int fd)
{
	return shutdown(fd, SHUT_WR);
}

static int it_stops_reading(int fd)
{
	return shutdown(fd, SHUT_RD);
}

/* The ring has it, too, and goes away later. */
static int it_registers_with_io_uring(int fd)
{
	struct io_uring ring;

	errno = -io_uring_queue_init(1, &ring, 0);
	if (!errno)
		errno = -io_uring_register_files(&ring, &fd, 1);
	return errno ? -1 : 0;
}

static int it_has_ulp(int fd)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls"));
}

static int it_is_to_be_reset(int fd)
{
	const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static int set_option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int it_repairs(int fd)
{
	return set_option(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON);
}

static int it_filters(int fd)
{
	const struct sock_filter all[] = { BPF_STMT(BPF_RET | BPF_K, -1) };

	return filter_attach(fd, all, ARRAY_SIZE(all));
}

static int it_has_timestamps(int fd)
{
	return set_option(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
}

static int it_has_software_timestamps(int fd)
{
	return set_option(fd, SOL_SOCKET, SO_TIMESTAMPING,
			  SOF_TIMESTAMPING_RX_SOFTWARE);
}

#define TOUCH(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(sk_unaccept, name) {			\
		.touch = it_ ## name,					\
		__VA_ARGS__						\
	}

TOUCH(reads);
TOUCH(reads_all);
TOUCH(truncates);
TOUCH(reads_messages);
TOUCH(splices);
TOUCH(reads_without_copies);
TOUCH(reads_by_io_uring);
TOUCH(sends);
TOUCH(sends_more);
TOUCH(sends_by_io_uring);
TOUCH(sends_a_file);
TOUCH(sends_a_fin);
TOUCH(stops_reading);
TOUCH(registers_with_io_uring);
TOUCH(has_ulp);
TOUCH(is_to_be_reset);
TOUCH(repairs, .ends_silently = true);
TOUCH(filters);
TOUCH(has_timestamps);
TOUCH(has_software_timestamps);

FIXTURE_SETUP(sk_unaccept)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	self->listener = listener_open("127.0.0.1");
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   "127.0.0.1"));
}

FIXTURE_TEARDOWN(sk_unaccept)
{
}

static int (*touch)(int fd);

static int touch_odd(int fd, int number)
{
	return number % 2 ? touch(fd) : 0;
}

/* A worker that does it to so many of the connections that it has accepted. */
static pid_t start(int listener, int (*treat)(int fd, int number))
{
	const struct worker worker = {
		.listener = listener,
		.accepts = CLIENTS,
		.treat = treat,
	};

	return worker_start(&worker);
}

/* Whether the connection ends; what the client may see before is nobody's number. */
static bool client_closed(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	char bytes[8];
	ssize_t len;

	do {
		if (poll(&readable, 1, PATIENCE_MS) != 1)
			return false;
		len = recv(fd, bytes, sizeof(bytes), 0);
	} while (len == 1);

	return len <= 0;
}

/* Those with even numbers, in any order, and nothing else. */
static void expect_even_served(struct __test_metadata *_metadata,
			       const int *clients, int listener)
{
	int number, i;

	ASSERT_EQ(HALF, listener_queued(listener));
	for (i = 0; i < HALF; i++) {
		number = listener_serve(listener);
		ASSERT_LE(0, number);
		EXPECT_EQ(0, number % 2);
		EXPECT_TRUE(client_served(clients[number], number));
	}

	EXPECT_TRUE(listener_idle(listener));
	expect_counters(_metadata, HALF, 0);
}

TEST_F(sk_unaccept, gives_back_the_others)
{
	int i;

	touch = variant->touch;
	self->process = start(self->listener, touch_odd);
	if (self->process < 0 && (errno == ENOPROTOOPT || errno == ENOENT))
		SKIP(return, "%s", strerror(errno));

	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	expect_even_served(_metadata, self->clients, self->listener);
	for (i = 1; i < CLIENTS && !variant->ends_silently; i += 2)
		EXPECT_TRUE(client_closed(self->clients[i]));
}

/* What the test does with odd ones while the worker hangs. */
static void clients_do(struct __test_metadata *_metadata, int *clients,
		       int (*act)(int fd))
{
	int i;

	for (i = 1; i < CLIENTS; i += 2)
		ASSERT_EQ(0, act(clients[i]));
}

static int reset(int fd)
{
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	return connect(fd, &none, sizeof(none));
}

FIXTURE(unread_client) {
	int clients[CLIENTS];
	pid_t process;
	int listener;
};

FIXTURE_SETUP(unread_client)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	self->listener = listener_open("127.0.0.1");
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   "127.0.0.1"));
}

FIXTURE_TEARDOWN(unread_client)
{
}

TEST_F(unread_client, resets)
{
	self->process = start(self->listener, NULL);
	ASSERT_LT(0, self->process);
	clients_do(_metadata, self->clients, reset);
	ASSERT_EQ(0, process_kill(self->process));
	expect_even_served(_metadata, self->clients, self->listener);
}

/* Returns when the server's kernel has it. */
static int send_urgent(int fd)
{
	if (send(fd, "", 1, MSG_OOB) != 1)
		return -1;

	return wait_until(client_sent_all(fd)) ? 0 : -1;
}

TEST_F(unread_client, sends_urgent_data)
{
	int i;

	self->process = start(self->listener, NULL);
	ASSERT_LT(0, self->process);
	clients_do(_metadata, self->clients, send_urgent);
	ASSERT_EQ(0, process_kill(self->process));
	expect_even_served(_metadata, self->clients, self->listener);
	for (i = 1; i < CLIENTS; i += 2)
		EXPECT_TRUE(client_closed(self->clients[i]));
}

/* Another process, which has the odd ones, too, and outlives the worker. */
static pid_t *holder;
static int even[HALF];

static int hold(__maybe_unused void *data)
{
	int i;

	for (i = 0; i < HALF; i++) {
		if (close(even[i]))
			return -1;
	}

	return prctl(PR_SET_PDEATHSIG, 0);
}

static int have_held(int fd, int number)
{
	if (number % 2 == 0)
		even[number / 2] = fd;
	if (number < CLIENTS - 1)
		return 0;

	*holder = process_start(hold, NULL);
	return *holder < 0 ? -1 : 0;
}

/* The last one that has them decides. */
TEST_F(unread_client, is_held_by_another_process)
{
	int i;

	holder = mmap(NULL, sizeof(*holder), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, holder);
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	self->process = start(self->listener, have_held);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	expect_even_served(_metadata, self->clients, self->listener);

	ASSERT_EQ(0, process_kill(*holder));
	for (i = 1; i < CLIENTS; i += 2)
		EXPECT_LE(0, listener_serve(self->listener));
	for (i = 1; i < CLIENTS; i += 2)
		EXPECT_TRUE(client_served(self->clients[i], i));
	EXPECT_TRUE(listener_idle(self->listener));
}

/* The owner of what it accepts is the worker's user. */
static int become_somebody(void)
{
	return setresuid(SOMEBODY, SOMEBODY, SOMEBODY);
}

TEST_F(unread_client, is_of_another_user)
{
	const struct worker worker = {
		.listener = self->listener,
		.accepts = CLIENTS,
		.prepare = become_somebody,
	};

	ASSERT_EQ(0, fchown(self->listener, ANOTHER, -1));
	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(0, outcomes_sum(true));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->listener));
}

TEST_F(unread_client, is_of_the_listeners_user)
{
	const struct worker worker = {
		.listener = self->listener,
		.accepts = CLIENTS,
		.prepare = become_somebody,
	};

	ASSERT_EQ(0, fchown(self->listener, SOMEBODY, -1));
	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->listener));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* Root opens listeners for those who are another user when they accept. */
TEST_F(unread_client, is_of_another_user_than_root)
{
	const struct worker worker = {
		.listener = self->listener,
		.accepts = CLIENTS,
		.prepare = become_somebody,
	};

	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->listener));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* Others have its listener's address, but couldn't have accepted the same connection. */
FIXTURE(unread_others) {
	int clients[CLIENTS];
	pid_t process;
	int to;
};

FIXTURE_VARIANT(unread_others) {
	int (*open)(void);
	bool listener_is_highest;
};

static int others_open_ipv6(void)
{
	return listener_open("::");
}

static int others_open_on_device(void)
{
	int fd = listener_bind("127.0.0.1");

	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo")) ||
	       listener_restart(fd) ? -1 : fd;
}

FIXTURE_VARIANT_ADD(unread_others, of_ipv6) {
	.open = others_open_ipv6,
};

FIXTURE_VARIANT_ADD(unread_others, of_ipv6_highest) {
	.open = others_open_ipv6,
	.listener_is_highest = true,
};

FIXTURE_VARIANT_ADD(unread_others, of_a_device) {
	.open = others_open_on_device,
};

FIXTURE_VARIANT_ADD(unread_others, of_a_device_highest) {
	.open = others_open_on_device,
	.listener_is_highest = true,
};

FIXTURE_SETUP(unread_others)
{
	struct worker worker = {
		.accepts = CLIENTS,
		.listener_is_highest = variant->listener_is_highest,
	};

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	worker.listener = listener_open("127.0.0.1");
	ASSERT_LE(0, worker.listener);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   "127.0.0.1"));
	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, close(worker.listener));
	self->to = variant->open();
	ASSERT_LE(0, self->to);
}

FIXTURE_TEARDOWN(unread_others)
{
}

TEST_F(unread_others, have_none)
{
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->to));
}

/*
 * Requests of io_uring, which the process doesn't cancel as it dies. Whoever ends its ring
 * does that later, and closes the connection if it was the last to have it.
 */
FIXTURE(unread_requests) {
	int clients[CLIENTS];
	pid_t process;
	int listener;
};

static int connect_silently(void)
{
	union address to;
	socklen_t len = address_parse(&to, "127.0.0.1");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, &to.any, len) ? -1 : fd;
}

FIXTURE_SETUP(unread_requests)
{
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	self->listener = listener_open("127.0.0.1");
	ASSERT_LE(0, self->listener);
	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = connect_silently();
		ASSERT_LE(0, self->clients[i]);
	}
}

FIXTURE_TEARDOWN(unread_requests)
{
}

static int receive_later(int fd, int number)
{
	static struct io_uring ring;
	static char bytes[CLIENTS];

	if (number == 0) {
		errno = -io_uring_queue_init(CLIENTS, &ring, 0);
		if (errno)
			return -1;
	}

	io_uring_prep_recv(io_uring_get_sqe(&ring), fd, bytes + number, 1, 0);
	return io_uring_submit(&ring) == 1 ? 0 : -1;
}

/* How many have been, as long as the server sends nothing. */
static int clients_closed(const int *clients)
{
	int closed = 0;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		struct pollfd readable = { .fd = clients[i], .events = POLLIN };

		closed += poll(&readable, 1, 0);
	}

	return closed;
}

TEST_F(unread_requests, wait_for_data)
{
	int closed, i;

	self->process = start(self->listener, receive_later);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_TRUE(wait_until(clients_closed(self->clients) +
			       listener_queued(self->listener) == CLIENTS));
	closed = clients_closed(self->clients);
	TH_LOG("%d of %d were closed", closed, CLIENTS);
	EXPECT_EQ(CLIENTS - closed, outcome_read("unread", "migrated"));
	EXPECT_EQ(0, outcomes_sum(false));
	for (i = 0; i < CLIENTS; i++)
		send(self->clients[i], &i, sizeof(i), MSG_NOSIGNAL);
	EXPECT_EQ(CLIENTS - closed, listener_serve_all(self->listener));
}

/* A filter is no obstacle if it's the listener's. */
TEST_F(unread_client, has_its_listeners_filter)
{
	int client;

	ASSERT_EQ(0, it_filters(self->listener));
	ASSERT_EQ(CLIENTS, listener_serve_all(self->listener));
	client = client_connect("127.0.0.1", CLIENTS);
	ASSERT_LE(0, client);
	self->process = worker_start(&(struct worker){
		.listener = self->listener,
		.accepts = 1,
	});
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve(self->listener));
	EXPECT_TRUE(client_served(client, CLIENTS));
}

static int socket_map;

static int create_socket_map(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_SOCKMAP,
		.key_size = sizeof(int),
		.value_size = sizeof(int),
		.max_entries = CLIENTS,
	};

	return syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
}

static int enter_socket_map(int fd, int number)
{
	union bpf_attr attr = {
		.map_fd = socket_map,
		.key = (__u64)(unsigned long)&number,
		.value = (__u64)(unsigned long)&fd,
	};

	return syscall(SYS_bpf, BPF_MAP_UPDATE_ELEM, &attr, sizeof(attr));
}

/*
 * A socket map lets it go when it's closed, and nothing is left of that. The map outlives
 * the worker: it may not have let go yet of what is closed while it ends.
 */
TEST_F(unread_client, was_in_a_socket_map)
{
	socket_map = create_socket_map();
	ASSERT_LE(0, socket_map);
	self->process = start(self->listener, enter_socket_map);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->listener));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* A worker's own connections, to a server, from a port on which somebody listens. */
FIXTURE(unread_connected) {
	int server, listener;
	pid_t process;
};

FIXTURE_VARIANT(unread_connected) {
	__u16 port;	/* that it has bound, or 0 for one that the kernel has chosen */
};

FIXTURE_VARIANT_ADD(unread_connected, from_its_port) {
	.port = 9090,
};

FIXTURE_VARIANT_ADD(unread_connected, from_some_port) {
	.port = 0,
};

FIXTURE_SETUP(unread_connected)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	self->server = listener_open("127.0.0.1");
	ASSERT_LE(0, self->server);
}

FIXTURE_TEARDOWN(unread_connected)
{
}

static int bind_port(__u16 port)
{
	union address at;
	socklen_t len = address_parse(&at, "127.0.0.1");
	int one = 1;
	int fd;

	at.in.sin_port = htons(port);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	       bind(fd, &at.any, len) ? -1 : fd;
}

static int connect_from(void *port)
{
	union address to;
	socklen_t len = address_parse(&to, "127.0.0.1");

	return connect(bind_port(*(__u16 *)port), &to.any, len);
}

TEST_F(unread_connected, is_closed)
{
	union address from;
	socklen_t len = sizeof(from);
	__u16 port = variant->port;
	int connection;
	char byte;

	self->process = process_start(connect_from, &port);
	ASSERT_LT(0, self->process);
	connection = listener_accept(self->server);
	ASSERT_LE(0, connection);
	ASSERT_EQ(0, getpeername(connection, &from.any, &len));
	self->listener = bind_port(ntohs(from.in.sin_port));
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, listen(self->listener, 1));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_TRUE(listener_idle(self->listener));
	EXPECT_EQ(0, recv(connection, &byte, 1, MSG_DONTWAIT));
}

/* A connection of which TCP hasn't sent a SYN, since another machine had made it. */
static int restore(void *port)
{
	union address to;
	socklen_t len = address_parse(&to, "127.0.0.1");
	int fd = bind_port(*(__u16 *)port);

	return set_option(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON) ||
	       connect(fd, &to.any, len) ||
	       set_option(fd, IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP) ?
	       -1 : 0;
}

TEST_F(unread_connected, is_closed_when_it_was_restored)
{
	__u16 port = 9090;

	self->process = process_start(restore, &port);
	ASSERT_LT(0, self->process);
	self->listener = bind_port(port);
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, listen(self->listener, 1));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_TRUE(listener_idle(self->listener));
}

/* The worker's listener and its clients sign their segments; the other may have the key. */
FIXTURE(unread_keys) {
	int clients[CLIENTS];
	pid_t process;
	int to;
};

FIXTURE_VARIANT(unread_keys) {
	int (*add)(int fd, const char *peer, const char *secret);
	bool listener_is_highest;
};

FIXTURE_VARIANT_ADD(unread_keys, md5) {
	.add = md5_set,
};

FIXTURE_VARIANT_ADD(unread_keys, md5_highest) {
	.add = md5_set,
	.listener_is_highest = true,
};

FIXTURE_VARIANT_ADD(unread_keys, ao) {
	.add = ao_add,
};

FIXTURE_VARIANT_ADD(unread_keys, ao_highest) {
	.add = ao_add,
	.listener_is_highest = true,
};

static int connect_signed(int number,
			  int (*add)(int fd, const char *peer, const char *secret))
{
	union address to;
	socklen_t len = address_parse(&to, "127.0.0.1");
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return add(fd, "127.0.0.1", "correct horse") ||
	       connect(fd, &to.any, len) ||
	       send(fd, &number, sizeof(number), 0) != sizeof(number) ? -1 : fd;
}

FIXTURE_SETUP(unread_keys)
{
	struct worker worker = {
		.accepts = CLIENTS,
		.listener_is_highest = variant->listener_is_highest,
	};
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	worker.listener = listener_open("127.0.0.1");
	ASSERT_LE(0, worker.listener);
	ASSERT_EQ(0, variant->add(worker.listener, "127.0.0.1", "correct horse"));
	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = connect_signed(i, variant->add);
		ASSERT_LE(0, self->clients[i]);
	}
	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, close(worker.listener));
	self->to = listener_open("127.0.0.1");
	ASSERT_LE(0, self->to);
}

FIXTURE_TEARDOWN(unread_keys)
{
}

TEST_F(unread_keys, are_the_same)
{
	ASSERT_EQ(0, variant->add(self->to, "127.0.0.1", "correct horse"));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->to));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

TEST_F(unread_keys, are_others)
{
	ASSERT_EQ(0, variant->add(self->to, "127.0.0.1", "battery staple"));
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_TRUE(listener_idle(self->to));
	EXPECT_EQ(CLIENTS, outcomes_sum(false));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
}

/* MPTCP has more than the part that is TCP's. */
FIXTURE(unread_mptcp) {
	int clients[CLIENTS];
	pid_t process;
	int listener;
};

FIXTURE_SETUP(unread_mptcp)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, unread_allow("2"));
	self->listener = listener_open_mptcp("127.0.0.1");
	ASSERT_LE(0, self->listener);
}

FIXTURE_TEARDOWN(unread_mptcp)
{
}

TEST_F(unread_mptcp, is_reset)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = client_connect_mptcp("127.0.0.1", i);
		ASSERT_LE(0, self->clients[i]);
	}

	self->process = start(self->listener, NULL);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(0, outcomes_sum(true));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->listener));
}

/* Clients of TCP, whom its listeners serve as well, are no exception. */
TEST_F(unread_mptcp, is_reset_for_clients_of_tcp)
{
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, "127.0.0.1"));
	self->process = start(self->listener, NULL);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, process_kill(self->process));
	ASSERT_EQ(0, outcomes_sum(true));
	EXPECT_EQ(0, outcomes_sum(false));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->listener));
}

/* But what a listener of TCP has made is one of TCP, whoever the client is. */
TEST_F(unread_mptcp, has_those_of_tcp)
{
	struct worker worker = {
		.accepts = CLIENTS,
		.listener_is_highest = true,
	};
	int i;

	ASSERT_EQ(0, close(self->listener));
	worker.listener = listener_open("127.0.0.1");
	ASSERT_LE(0, worker.listener);
	for (i = 0; i < CLIENTS; i++) {
		self->clients[i] = client_connect_mptcp("127.0.0.1", i);
		ASSERT_LE(0, self->clients[i]);
	}

	self->process = worker_start(&worker);
	ASSERT_LT(0, self->process);
	ASSERT_EQ(0, close(worker.listener));
	self->listener = listener_open_mptcp("127.0.0.1");
	ASSERT_LE(0, self->listener);
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_EQ(CLIENTS, listener_serve_all(self->listener));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

int main(int argc, char **argv)
{
	netns_require_module();
	if (access("/proc/sys/" MIGRATE_REQ_UNREAD, F_OK))
		ksft_exit_skip("no " MIGRATE_REQ_UNREAD "\n");

	return test_harness_run(argc, argv);
}
