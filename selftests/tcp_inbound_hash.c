// SPDX-License-Identifier: GPL-2.0
/*
 * tcp_inbound_hash(): listeners that have segments signed, with TCP-MD5 or
 * TCP-AO. A connection only goes to a listener with the same keys for its peer
 * as the one that it was made for, or with none if that had none.
 *
 *  1. One listener and clients, with a key or without. Either the connections
 *     are in the accept queue, or a filter on the listener has swallowed the
 *     final ACKs.
 *  2. Other listeners join the group, with keys of their own.
 *  3. The first listener stops. If a connection is half-open, its client sends,
 *     or its SYN+ACK timer runs.
 *  4. The listener with the same keys serves the clients. Another one never
 *     has anything to accept, and the refusal is counted.
 */
#include <linux/tcp.h>

#include "lib/harness.h"
#include "lib/filters.h"
#include "lib/keys.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/patience.h"

/* Whoever goes by hash alone gives each of three listeners some of them. */
#define CLIENTS		24

#define SECRET		"correct horse"
#define OTHER_SECRET	"battery staple"

#define FLAG_SYN	0x02

enum scheme {
	MD5,
	AO,
};

/* When a connection is migrated. */
enum path {
	QUEUED,
	FINAL_ACK,
	TIMER,
};

/* The first listener, and what it leaves behind. */
struct scene {
	enum scheme scheme;
	enum path path;
	const char *remote;
	const char *peer;
	int clients[CLIENTS];
	int from;
};

FIXTURE(tcp_inbound_hash) {
	struct scene scene;
};

FIXTURE_VARIANT(tcp_inbound_hash) {
	enum scheme scheme;
	enum path path;
	const char *local;
	const char *remote;
	const char *peer;	/* the clients, as a listener names them */
	const char *elsewhere;	/* somebody else */
};

#define PATH_VARIANTS(name, ...)					\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(tcp_inbound_hash, name ## _queued) {	\
		.path = QUEUED,						\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_inbound_hash, name ## _final_ack) {	\
		.path = FINAL_ACK,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(tcp_inbound_hash, name ## _timer) {		\
		.path = TIMER,						\
		__VA_ARGS__						\
	}

#define ON_IPV4		.local = "127.0.0.1", .remote = "127.0.0.1",	\
			.peer = "127.0.0.1", .elsewhere = "192.0.2.2"
#define ON_IPV6		.local = "::1", .remote = "::1",		\
			.peer = "::1", .elsewhere = "2001:db8::2"
#define ON_BOTH		.local = "::", .remote = "127.0.0.1",		\
			.peer = "::ffff:127.0.0.1",			\
			.elsewhere = "::ffff:192.0.2.2"

PATH_VARIANTS(md5_ipv4, .scheme = MD5, ON_IPV4);
PATH_VARIANTS(md5_ipv6, .scheme = MD5, ON_IPV6);
PATH_VARIANTS(md5_dual, .scheme = MD5, ON_BOTH);
PATH_VARIANTS(ao_ipv4, .scheme = AO, ON_IPV4);
PATH_VARIANTS(ao_ipv6, .scheme = AO, ON_IPV6);
PATH_VARIANTS(ao_dual, .scheme = AO, ON_BOTH);

FIXTURE_SETUP(tcp_inbound_hash)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->scene = (struct scene){
		.scheme = variant->scheme,
		.path = variant->path,
		.remote = variant->remote,
		.peer = variant->peer,
		.from = listener_open(variant->local),
	};
	ASSERT_LE(0, self->scene.from);
}

FIXTURE_TEARDOWN(tcp_inbound_hash)
{
}

static int key_add(int fd, enum scheme scheme, const char *peer,
		   const char *secret)
{
	if (scheme == MD5)
		return md5_set(fd, peer, secret);

	return ao_add(fd, peer, secret);
}

static enum scheme other_scheme(enum scheme scheme)
{
	return scheme == MD5 ? AO : MD5;
}

/* No segment without a signature, whoever sends it. */
static int ao_require(int fd)
{
	struct tcp_ao_info_opt info = { .ao_required = 1 };

	return setsockopt(fd, IPPROTO_TCP, TCP_AO_INFO, &info, sizeof(info));
}

/* Has a listener see nothing but SYNs, so that no handshake is completed. */
static int swallow_final_acks(int fd)
{
	static const struct sock_filter only_syns[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, FLAG_SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, -1),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return filter_attach(fd, only_syns, ARRAY_SIZE(only_syns));
}

static int listeners_open(int *listeners, int count, const char *address)
{
	int i;

	for (i = 0; i < count; i++) {
		listeners[i] = listener_open(address);
		if (listeners[i] < 0)
			break;
	}

	return i;
}

static int client_begin(const char *remote, enum scheme scheme,
			const char *secret)
{
	union address to;
	socklen_t len;
	int fd;

	len = address_parse(&to, remote);
	fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || (secret && key_add(fd, scheme, remote, secret)) ||
	    connect(fd, &to.any, len))
		return -1;

	return fd;
}

static int clients_send(const int *clients)
{
	int i;

	for (i = 0; i < CLIENTS; i++) {
		if (send(clients[i], &i, sizeof(i), MSG_NOSIGNAL) != sizeof(i))
			break;
	}

	return i;
}

/* Segments that were dropped for their signature, or for want of one. */
static long distrusted(void)
{
	static const char * const counters[] = {
		"TCPMD5NotFound", "TCPMD5Unexpected", "TCPMD5Failure",
		"TCPAORequired", "TCPAOBad", "TCPAOKeyNotFound",
	};
	long sum = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counters); i++)
		sum += counter_read(counters[i]);

	return sum;
}

static bool all_idle(const int *listeners, int count)
{
	int i;

	for (i = 0; i < count && listener_idle(listeners[i]); i++)
		;

	return i == count;
}

/*
 * Whether all connections arrive at @listener. Ends early when they won't,
 * since somebody has the wrong key, or another listener has a connection.
 */
static bool all_arrive(int listener, const int *others, int count)
{
	return wait_until(listener_queued(listener) == CLIENTS ||
			  distrusted() || !all_idle(others, count)) &&
	       listener_queued(listener) == CLIENTS;
}

/* Each connection was migrated, or was not. */
static bool all_counted(void)
{
	return wait_until(counter_read(MIGRATE_SUCCESS) +
			  counter_read(MIGRATE_FAILURE) >= CLIENTS);
}

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *secret)
{
	int i;

	if (secret)
		ASSERT_EQ(0, key_add(scene->from, scene->scheme, scene->peer,
				     secret));

	if (scene->path != QUEUED)
		ASSERT_EQ(0, swallow_final_acks(scene->from));

	for (i = 0; i < CLIENTS; i++) {
		scene->clients[i] = client_begin(scene->remote, scene->scheme,
						 secret);
		ASSERT_LE(0, scene->clients[i]);
	}

	if (scene->path == QUEUED) {
		ASSERT_EQ(CLIENTS, clients_send(scene->clients));
		ASSERT_TRUE(all_arrive(scene->from, NULL, 0));
	}
}

static void migrate(struct __test_metadata *_metadata, struct scene *scene)
{
	ASSERT_EQ(0, close(scene->from));
	if (scene->path == FINAL_ACK)
		ASSERT_EQ(CLIENTS, clients_send(scene->clients));

	ASSERT_TRUE(all_counted());
}

static void expect_refused(struct __test_metadata *_metadata,
			   struct scene *scene, const int *others, int count)
{
	int i;

	for (i = 0; i < count; i++)
		EXPECT_EQ(0, listener_queued(others[i]));

	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS));
	ASSERT_EQ(CLIENTS, counter_read(MIGRATE_FAILURE));

	/* A handshake ends in silence: no listener trusts its segments. */
	if (scene->path == QUEUED)
		EXPECT_EQ(CLIENTS, clients_reset(scene->clients, CLIENTS));
}

static void expect_served(struct __test_metadata *_metadata,
			  struct scene *scene, int to, const int *others,
			  int count)
{
	int i;

	ASSERT_EQ(CLIENTS, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE));
	if (scene->path == TIMER)
		ASSERT_EQ(CLIENTS, clients_send(scene->clients));

	ASSERT_TRUE(all_arrive(to, others, count));
	for (i = 0; i < CLIENTS; i++)
		EXPECT_LE(0, listener_serve(to));

	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_EQ(0, distrusted());
}

TEST_F(tcp_inbound_hash, refuses_other_keys)
{
	int others[3];

	begin(_metadata, &self->scene, SECRET);
	ASSERT_EQ(3, listeners_open(others, 3, variant->local));
	ASSERT_EQ(0, key_add(others[1], variant->scheme, variant->peer,
			     OTHER_SECRET));
	ASSERT_EQ(0, key_add(others[2], other_scheme(variant->scheme),
			     variant->peer, SECRET));
	migrate(_metadata, &self->scene);
	expect_refused(_metadata, &self->scene, others, 3);
}

TEST_F(tcp_inbound_hash, refuses_missing_keys)
{
	int others[3];

	begin(_metadata, &self->scene, NULL);
	ASSERT_EQ(3, listeners_open(others, 3, variant->local));
	ASSERT_EQ(0, key_add(others[0], MD5, variant->peer, SECRET));
	ASSERT_EQ(0, key_add(others[1], AO, variant->peer, SECRET));
	ASSERT_EQ(0, ao_require(others[2]));
	migrate(_metadata, &self->scene);
	expect_refused(_metadata, &self->scene, others, 3);
}

TEST_F(tcp_inbound_hash, prefers_the_same_keys)
{
	int others[2], to;

	begin(_metadata, &self->scene, SECRET);
	ASSERT_EQ(2, listeners_open(others, 2, variant->local));
	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, key_add(others[1], variant->scheme, variant->peer,
			     OTHER_SECRET));
	ASSERT_EQ(0, key_add(to, variant->scheme, variant->peer, SECRET));
	migrate(_metadata, &self->scene);
	expect_served(_metadata, &self->scene, to, others, 2);
}

/* A listener's keys for somebody else don't matter. */
TEST_F(tcp_inbound_hash, prefers_no_keys_for_the_peer)
{
	int other, to;

	begin(_metadata, &self->scene, NULL);
	other = listener_open(variant->local);
	ASSERT_LE(0, other);
	to = listener_open(variant->local);
	ASSERT_LE(0, to);
	ASSERT_EQ(0, key_add(other, variant->scheme, variant->peer, SECRET));
	ASSERT_EQ(0, key_add(to, variant->scheme, variant->elsewhere, SECRET));
	migrate(_metadata, &self->scene);
	expect_served(_metadata, &self->scene, to, &other, 1);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
