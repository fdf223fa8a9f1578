// SPDX-License-Identifier: GPL-2.0
/*
 * inet_bind_conflict(): who may bind to the port of an orphaned listener, and listen:
 * whoever might if it had been closed.
 *
 *  1. A listener, with or without connections.
 *  2. It's closed. Orphaned or not, no process has it any more.
 *  3. Two others bind to its port, one after the other, and listen. They are told the same
 *     in either case; so they are beside a listener that isn't closed, while another one
 *     is orphaned.
 *  4. Who asks for any port isn't given that of an orphan.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/patience.h"

#define ANY_PORT		"net/ipv4/ip_local_port_range"
#define AUTOBIND_REUSE		"net/ipv4/ip_autobind_reuse"
#define FIRST_SERVER		10000
#define AUTOMATIC		"40000"
#define SOMEBODY		1

/* What a socket has set. */
#define REUSEADDR		1
#define REUSEPORT		2
#define REUSES			4

/* What there is of the connection that the first listener has got. */
enum connection {
	NO_CONNECTION,
	QUEUED,
	ACCEPTED,
	FIN_WAIT,
	TIME_WAIT,
	CONNECTIONS,
};

/* What is told to the two that come: errnos. */
struct answers {
	int bind[2];
	int listen[2];
	bool too_late;	/* a connection has left TIME_WAIT meanwhile */
};

struct addresses {
	const char *from;	/* where the first listener is */
	const char *to;		/* where the others are */
	const char *remote;	/* what a client connects to */
};

struct question {
	int from_reuse, to_reuse;
	enum connection connection;
	uid_t owner;	/* of the two */
};

/* What is going on when they are asked. */
enum scene {
	CLOSED,
	ORPHANED,
	OPEN,
	OPEN_BESIDE_ORPHAN,
};

FIXTURE(inet_bind_conflict) {
	int next_port;
};

FIXTURE_VARIANT(inet_bind_conflict) {
	struct addresses addresses;
};

#define VARIANT(name, ...)						\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(inet_bind_conflict, name) {			\
		.addresses = { __VA_ARGS__ },				\
	}

VARIANT(ipv4, "127.0.0.1", "127.0.0.1", "127.0.0.1");
VARIANT(ipv4_to_any, "127.0.0.1", "0.0.0.0", "127.0.0.1");
VARIANT(ipv4_any_to_one, "0.0.0.0", "127.0.0.1", "127.0.0.1");
VARIANT(ipv4_to_another, "127.0.0.1", "127.0.0.2", "127.0.0.1");
VARIANT(ipv6, "::1", "::1", "::1");
VARIANT(ipv6_to_any, "::1", "::", "::1");
VARIANT(ipv6_any_to_one, "::", "::1", "::1");
VARIANT(ipv6_any_to_ipv4, "::", "127.0.0.1", "127.0.0.1");
VARIANT(ipv6_any_to_ipv4_any, "::", "0.0.0.0", "::1");
VARIANT(ipv4_to_ipv6_any, "127.0.0.1", "::", "127.0.0.1");
VARIANT(mapped_to_ipv4, "::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1");
VARIANT(ipv4_to_mapped, "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1");

FIXTURE_SETUP(inet_bind_conflict)
{
	ASSERT_EQ(0, netns_enter());
	/* More than that of TIME_WAIT: FIN_WAIT2 isn't left to that. */
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fin_timeout", "120"));
	self->next_port = FIRST_SERVER;
}

FIXTURE_TEARDOWN(inet_bind_conflict)
{
}

static socklen_t address_port(union address *to, const char *address, int port)
{
	socklen_t len = address_parse(to, address);

	/* For IPv6, it's at the same place. */
	to->in.sin_port = htons(port);
	return len;
}

static int socket_of(const char *address, int reuse, uid_t owner)
{
	int one = !!(reuse & REUSEPORT), two = !!(reuse & REUSEADDR);
	union address at;
	int fd;

	address_parse(&at, address);
	fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || fchown(fd, owner, -1) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &two, sizeof(two)))
		return -1;

	return fd;
}

static int bind_to(int fd, const char *address, int port)
{
	union address at;
	socklen_t len = address_port(&at, address, port);

	return bind(fd, &at.any, len) ? errno : 0;
}

static int connect_to(int fd, const char *address, int port)
{
	union address at;
	socklen_t len = address_port(&at, address, port);

	return connect(fd, &at.any, len) ? errno : 0;
}

static int listen_on(int fd)
{
	return listen(fd, 4) ? errno : 0;
}

/* Whether there's a connection in TIME_WAIT of a listener on @address and @port. */
static bool in_time_wait(const char *address, unsigned int port)
{
	unsigned int local, state;
	char line[256];
	bool found = false;
	FILE *file;

	file = fopen(strchr(address, ':') ? "/proc/self/net/tcp6" :
		     "/proc/self/net/tcp", "re");
	if (!file)
		return false;

	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x",
			       &local, &state) == 2 &&
			local == port && state == TCP_TIME_WAIT;

	fclose(file);
	return found;
}

/* Returns what is to be closed later. */
static int connection_bring(struct __test_metadata *_metadata, int listener,
			    int client, const char *address, int port,
			    enum connection connection)
{
	int fd = -1;

	ASSERT_TRUE(wait_until(!listener_idle(listener)));
	if (connection == QUEUED)
		return -1;

	fd = listener_accept(listener);
	ASSERT_LE(0, fd);
	if (connection == ACCEPTED)
		return fd;

	ASSERT_EQ(0, close(fd));
	if (connection == TIME_WAIT) {
		ASSERT_EQ(0, shutdown(client, SHUT_WR));
		ASSERT_TRUE(wait_until(in_time_wait(address, port)));
	}
	return -1;
}

/* Leaves an orphan on a port that no question is about. */
static void orphan_elsewhere(struct __test_metadata *_metadata)
{
	struct orphan orphan;
	int fd;

	fd = socket_of("127.0.0.1", REUSEADDR, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind_to(fd, "127.0.0.1", SERVER_PORT));
	ASSERT_EQ(0, listen_on(fd));
	ASSERT_EQ(0, close(fd));
	ASSERT_TRUE(orphan_read(&orphan, SERVER_PORT));
}

static void ask(struct __test_metadata *_metadata,
		const struct addresses *addresses,
		const struct question *question, enum scene scene, int port,
		struct answers *answers)
{
	int from, to[2], i, client = -1, accepted = -1;
	bool closed = scene == CLOSED || scene == ORPHANED;
	struct orphan orphan;

	from = socket_of(addresses->from, question->from_reuse, 0);
	ASSERT_LE(0, from);
	ASSERT_EQ(0, bind_to(from, addresses->from, port));
	ASSERT_EQ(0, listen_on(from));
	if (question->connection != NO_CONNECTION) {
		client = socket_of(addresses->remote, 0, 0);
		ASSERT_LE(0, client);
		ASSERT_EQ(0, connect_to(client, addresses->remote, port));
		accepted = connection_bring(_metadata, from, client,
					    addresses->from, port,
					    question->connection);
	}

	if (scene == ORPHANED || scene == OPEN_BESIDE_ORPHAN)
		ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	if (scene == OPEN_BESIDE_ORPHAN)
		orphan_elsewhere(_metadata);
	if (closed)
		ASSERT_EQ(0, close(from));

	ASSERT_EQ(scene == ORPHANED, orphan_read(&orphan, port));
	for (i = 0; i < 2; i++) {
		to[i] = socket_of(addresses->to, question->to_reuse,
				  question->owner);
		ASSERT_LE(0, to[i]);
		answers->bind[i] = bind_to(to[i], addresses->to, port);
		answers->listen[i] = answers->bind[i] ? -1 : listen_on(to[i]);
	}
	answers->too_late = question->connection == TIME_WAIT &&
			    !in_time_wait(addresses->from, port);

	ASSERT_EQ(0, orphans_allow("0"));
	for (i = 0; i < 2; i++)
		close(to[i]);
	if (!closed)
		close(from);

	close(accepted);
	close(client);
}

static void compare(struct __test_metadata *_metadata,
		    int *next_port,
		    const struct addresses *addresses,
		    const struct question *question, enum scene expected,
		    enum scene seen)
{
	struct answers a, b;
	int i;

	do {
		ask(_metadata, addresses, question, expected, (*next_port)++, &a);
		ask(_metadata, addresses, question, seen, (*next_port)++, &b);
	} while (a.too_late || b.too_late);
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(a.bind[i] == b.bind[i] &&
			    a.listen[i] == b.listen[i]) {
			TH_LOG("from_reuse=%d to_reuse=%d connection=%d owner=%d",
			       question->from_reuse, question->to_reuse,
			       question->connection, question->owner);
			TH_LOG("%d: bind %d, not %d; listen %d, not %d", i,
			       b.bind[i], a.bind[i], b.listen[i], a.listen[i]);
		}
	}
}

static void compare_all(struct __test_metadata *_metadata,
			int *next_port,
			const struct addresses *addresses,
			enum scene expected, enum scene seen)
{
	struct question question;
	int i;

	/* Nobody is orphaned who has set neither. */
	for (i = CONNECTIONS * REUSES * 2; i < CONNECTIONS * REUSES * REUSES * 2; i++) {
		question.owner = i % 2 ? SOMEBODY : 0;
		question.connection = i / 2 % CONNECTIONS;
		question.to_reuse = i / 2 / CONNECTIONS % REUSES;
		question.from_reuse = i / 2 / CONNECTIONS / REUSES;
		compare(_metadata, next_port, addresses, &question, expected, seen);
	}
}

TEST_F(inet_bind_conflict, orphaned)
{
	compare_all(_metadata, &self->next_port, &variant->addresses,
		    CLOSED, ORPHANED);
}

TEST_F(inet_bind_conflict, beside_an_orphan)
{
	compare_all(_metadata, &self->next_port, &variant->addresses,
		    OPEN, OPEN_BESIDE_ORPHAN);
}

FIXTURE(inet_csk_find_open_port) {
};

FIXTURE_VARIANT(inet_csk_find_open_port) {
	const char *address;
};

ADDRESS_VARIANTS(inet_csk_find_open_port, "127.0.0.1", "::1");

/* There's but one port to be given. */
FIXTURE_SETUP(inet_csk_find_open_port)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(ANY_PORT, AUTOMATIC " " AUTOMATIC));
	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
}

FIXTURE_TEARDOWN(inet_csk_find_open_port)
{
}

/* Returns its client. */
static int leave_orphan(struct __test_metadata *_metadata, const char *address,
			int reuse)
{
	int fd, client;

	fd = socket_of(address, reuse, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bind_to(fd, address, atoi(AUTOMATIC)));
	ASSERT_EQ(0, listen_on(fd));

	/* Its client must have another port. */
	client = socket_of(address, 0, 0);
	ASSERT_LE(0, client);
	ASSERT_EQ(0, bind_to(client, address, SERVER_PORT));
	ASSERT_EQ(0, connect_to(client, address, atoi(AUTOMATIC)));
	ASSERT_TRUE(wait_until(!listener_idle(fd)));
	ASSERT_EQ(0, close(fd));
	ASSERT_EQ(1, orphans_count());
	return client;
}

/* By bind(), by listen() alone, and by connect(). */
static void expect_port(struct __test_metadata *_metadata, const char *address,
			int reuse, bool given)
{
	int fds[3], i;

	for (i = 0; i < 3; i++) {
		fds[i] = socket_of(address, reuse, 0);
		ASSERT_LE(0, fds[i]);
	}

	EXPECT_EQ(given ? 0 : EADDRINUSE, bind_to(fds[0], address, 0));
	close(fds[0]);
	EXPECT_EQ(given ? 0 : EADDRINUSE, listen_on(fds[1]));
	close(fds[1]);

	/* Where nobody listens, it's refused. */
	EXPECT_EQ(given ? ECONNREFUSED : EADDRNOTAVAIL,
		  connect_to(fds[2], address, FIRST_SERVER));
	close(fds[2]);
}

TEST_F(inet_csk_find_open_port, avoids_orphans)
{
	int from, to, client;

	for (from = 1; from < REUSES; from++) {
		client = leave_orphan(_metadata, variant->address, from);
		for (to = 0; to < REUSES; to++) {
			ASSERT_EQ(0, sysctl_write(AUTOBIND_REUSE, "0"));
			expect_port(_metadata, variant->address, to, false);
			ASSERT_EQ(0, sysctl_write(AUTOBIND_REUSE, "1"));
			expect_port(_metadata, variant->address, to, false);
		}

		EXPECT_EQ(1, orphans_count());
		ASSERT_EQ(0, orphans_allow("0"));
		for (to = 0; to < REUSES; to++)
			expect_port(_metadata, variant->address, to, true);

		close(client);
		ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	}
}

int main(int argc, char **argv)
{
	netns_require_module();
	return test_harness_run(argc, argv);
}
