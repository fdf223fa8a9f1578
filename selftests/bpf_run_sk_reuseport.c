// SPDX-License-Identifier: GPL-2.0
/*
 * bpf_run_sk_reuseport(): a program is asked where a connection is to go. It's
 * attached to the group and of type BPF_SK_REUSEPORT_SELECT_OR_MIGRATE, which
 * opts the group in: tcp_migrate_req stays 0. Mainline's migrate_reuseport
 * tests that it can choose; this, what it sees, and what else it can say.
 *
 *  1. One listener with the program, with connections in its accept queue, and
 *     others in the middle of the handshake.
 *  2. Two more listeners join the group, the first one stops.
 *  3. The program is asked about each connection: when the listener stops,
 *     when the SYN+ACK is sent again, or when the final ACK comes. Or the listener
 *     goes on, and nobody accepts from it.
 *  4. The listener that it names accepts the connection, whatever its settings;
 *     any one if it names none, or one that isn't alive or may not have the
 *     connection; if it says SK_DROP, the client is reset.
 */
#include <linux/bpf.h>

#include "lib/harness.h"

#include "bpf_run_sk_reuseport.skel.h"
#include "lib/filters.h"
#include "lib/keys.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/outcomes.h"
#include "lib/patience.h"
#include "lib/segments.h"
#include "lib/stalls.h"

#define CLIENTS	8
#define PEERS	4
#define NOBODY	65534
#define SECRET	"correct horse"

/* What the program finds at a key. */
enum {
	KEY_TO,		/* to be selected, unless a test says otherwise */
	KEY_CLOSED,	/* the listener that stops, which thereby leaves */
	KEY_ELSEWHERE,	/* a listener of another group */
	KEY_NOTHING,
};

struct scene {
	struct bpf_run_sk_reuseport *bpf;
	struct peer peers[PEERS];
	int clients[CLIENTS];
	int from, to, other;
	struct tun tun;
	__u64 cookie;
};

FIXTURE(bpf_run_sk_reuseport) {
	struct scene scene;
};

FIXTURE_VARIANT(bpf_run_sk_reuseport) {
	const char *local;	/* the clients' address, too */
	const char *remote;	/* the peers' address */
	const char *elsewhere;
};

FIXTURE_VARIANT_ADD(bpf_run_sk_reuseport, ipv4) {
	.local = TUN_IPV4,
	.remote = "192.0.2.2",
	.elsewhere = "127.0.0.1",
};

FIXTURE_VARIANT_ADD(bpf_run_sk_reuseport, ipv6) {
	.local = TUN_IPV6,
	.remote = "2001:db8::2",
	.elsewhere = "::1",
};

static int attach(int listener, const struct bpf_program *program)
{
	return group_attach(listener, bpf_program__fd(program));
}

static int map(struct bpf_run_sk_reuseport *bpf, __u32 key, __u64 listener)
{
	return bpf_map__update_elem(bpf->maps.listeners, &key, sizeof(key),
				    &listener, sizeof(listener), BPF_NOEXIST);
}

static void begin(struct __test_metadata *_metadata, struct scene *scene,
		  const char *address, const char *elsewhere)
{
	int listener;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	scene->bpf = bpf_run_sk_reuseport__open_and_load();
	ASSERT_NE(NULL, scene->bpf);

	scene->from = listener_open(address);
	ASSERT_LE(0, scene->from);
	scene->cookie = listener_cookie(scene->from);
	ASSERT_EQ(0, attach(scene->from, scene->bpf->progs.select_or_migrate));
	ASSERT_EQ(CLIENTS, clients_connect(scene->clients, CLIENTS, address));
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun, address));
	ASSERT_EQ(CLIENTS + PEERS, scene->bpf->bss->syns);

	scene->to = listener_open(address);
	ASSERT_LE(0, scene->to);
	scene->other = listener_open(address);
	ASSERT_LE(0, scene->other);
	listener = listener_open(elsewhere);
	ASSERT_LE(0, listener);

	ASSERT_EQ(0, map(scene->bpf, KEY_TO, scene->to));
	ASSERT_EQ(0, map(scene->bpf, KEY_CLOSED, scene->from));
	ASSERT_EQ(0, map(scene->bpf, KEY_ELSEWHERE, listener));
}

FIXTURE_SETUP(bpf_run_sk_reuseport)
{
	begin(_metadata, &self->scene, variant->local, variant->elsewhere);
}

FIXTURE_TEARDOWN(bpf_run_sk_reuseport)
{
	bpf_run_sk_reuseport__destroy(self->scene.bpf);
}

/* What it was asked from its @first question on, @count times. */
static void expect_questions(struct __test_metadata *_metadata,
			     const struct bpf_run_sk_reuseport *bpf, int first,
			     int count, __u64 cookie, int state)
{
	int i;

	ASSERT_EQ(first + count, bpf->bss->migrations);
	for (i = first; i < first + count; i++) {
		EXPECT_EQ(cookie, bpf->bss->questions[i].cookie);
		EXPECT_EQ(state, bpf->bss->questions[i].state);
	}
}

/* Of them, whether it saw the final ACK of a peer, or nothing. */
static void expect_headers(struct __test_metadata *_metadata,
			   const struct bpf_run_sk_reuseport *bpf, int first,
			   int count, const struct peer *peers)
{
	int i;

	for (i = 0; i < count; i++) {
		EXPECT_EQ(peers ? sizeof(struct tcphdr) : 0,
			  bpf->bss->questions[first + i].len);
		EXPECT_EQ(peers ? peers[i].port : 0,
			  bpf->bss->questions[first + i].source);
	}
}

static void expect_served_by_either(struct __test_metadata *_metadata,
				    const int *clients, int to, int other)
{
	EXPECT_EQ(CLIENTS, listener_serve_all(to) + listener_serve_all(other));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
}

static void expect_children_asked_about(struct __test_metadata *_metadata,
					const struct scene *scene)
{
	expect_questions(_metadata, scene->bpf, 0, CLIENTS,
			 scene->cookie, BPF_TCP_ESTABLISHED);
	expect_headers(_metadata, scene->bpf, 0, CLIENTS, NULL);

	EXPECT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(scene->other));
	expect_counters(_metadata, CLIENTS, 0);
}

TEST_F(bpf_run_sk_reuseport, asked_at_close)
{
	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	ASSERT_EQ(0, close(self->scene.from));
	expect_children_asked_about(_metadata, &self->scene);
}

/* Or else a timer may have asked, which has nothing to show. */
TEST_F(bpf_run_sk_reuseport, asked_at_ack)
{
	struct scene *scene = &self->scene;

	for (;;) {
		ASSERT_EQ(0, close(scene->from));
		ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
		if (peers_in_time(scene->peers, PEERS))
			break;
		bpf_run_sk_reuseport__destroy(scene->bpf);
		begin(_metadata, scene, variant->local, variant->elsewhere);
	}

	expect_questions(_metadata, scene->bpf, CLIENTS, PEERS, scene->cookie,
			 BPF_TCP_NEW_SYN_RECV);
	expect_headers(_metadata, scene->bpf, CLIENTS, PEERS, scene->peers);

	EXPECT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	EXPECT_EQ(PEERS, peers_number(scene->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(scene->peers, PEERS, scene->to));
	EXPECT_TRUE(listener_idle(scene->other));
	expect_counters(_metadata, CLIENTS + PEERS, 0);
}

/* It isn't asked at the ACK again: the request is the new listener's. */
TEST_F(bpf_run_sk_reuseport, asked_at_timer)
{
	struct scene *scene = &self->scene;

	ASSERT_EQ(0, close(scene->from));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS + PEERS));
	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	ASSERT_EQ(PEERS, peers_complete(scene->peers, PEERS, scene->to));

	expect_questions(_metadata, scene->bpf, CLIENTS, PEERS, scene->cookie,
			 BPF_TCP_NEW_SYN_RECV);
	expect_headers(_metadata, scene->bpf, CLIENTS, PEERS, NULL);
	EXPECT_TRUE(listener_idle(scene->other));
	expect_counters(_metadata, CLIENTS + PEERS, 0);
}

/* And what it sees then is the listener that stopped last. */
TEST_F(bpf_run_sk_reuseport, asked_again)
{
	struct scene *scene = &self->scene;
	__u64 cookie = listener_cookie(scene->to);

	ASSERT_EQ(0, close(scene->from));
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS + PEERS));
	ASSERT_EQ(CLIENTS, listener_serve_in_order(scene->to, CLIENTS));
	expect_questions(_metadata, scene->bpf, CLIENTS, PEERS, scene->cookie,
			 BPF_TCP_NEW_SYN_RECV);

	ASSERT_EQ(0, close(scene->to));
	ASSERT_EQ(0, map(scene->bpf, KEY_TO, scene->other));
	ASSERT_EQ(PEERS, peers_complete(scene->peers, PEERS, scene->other));
	expect_questions(_metadata, scene->bpf, CLIENTS + PEERS, PEERS, cookie,
			 BPF_TCP_NEW_SYN_RECV);
	expect_counters(_metadata, CLIENTS + 2 * PEERS, 0);
}

/* The first listener isn't accepted from, as the others would be. */
static void stall(struct __test_metadata *_metadata, int from)
{
	ASSERT_EQ(0, listener_unblock(from));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "100"));
}

TEST_F(bpf_run_sk_reuseport, asked_at_stall)
{
	if (!netns_has_module())
		SKIP(return, "only the module looks for stalled listeners");

	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	stall(_metadata, self->scene.from);
	ASSERT_TRUE(stalls_rescued(CLIENTS));
	expect_children_asked_about(_metadata, &self->scene);
}

/* Nothing moves, and nothing fails: it's asked again at the next look. */
static void expect_kept_at_stall(struct __test_metadata *_metadata,
				 const struct scene *scene)
{
	stall(_metadata, scene->from);
	ASSERT_TRUE(wait_until(scene->bpf->bss->migrations >= 2 * CLIENTS));
	EXPECT_EQ(0, outcomes_sum(true));
	EXPECT_EQ(0, outcomes_sum(false));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_STALL, "0"));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(scene->from, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(scene->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(scene->to));
	EXPECT_TRUE(listener_idle(scene->other));
}

TEST_F(bpf_run_sk_reuseport, cancels_at_stall)
{
	if (!netns_has_module())
		SKIP(return, "only the module looks for stalled listeners");

	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	self->scene.bpf->bss->cancelled = BPF_TCP_ESTABLISHED;
	expect_kept_at_stall(_metadata, &self->scene);
}

/* The one that is stalled. */
TEST_F(bpf_run_sk_reuseport, names_the_same_at_stall)
{
	struct scene *scene = &self->scene;
	size_t i;

	if (!netns_has_module())
		SKIP(return, "only the module looks for stalled listeners");

	ASSERT_EQ(PEERS, peers_give_up(scene->peers, PEERS));
	for (i = 0; i < ARRAY_SIZE(scene->bpf->bss->questions); i++)
		scene->bpf->bss->questions[i].key = KEY_CLOSED;

	expect_kept_at_stall(_metadata, scene);
}

TEST_F(bpf_run_sk_reuseport, cancels_at_close)
{
	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	self->scene.bpf->bss->cancelled = BPF_TCP_ESTABLISHED;
	ASSERT_EQ(0, close(self->scene.from));

	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_EQ(CLIENTS, self->scene.bpf->bss->migrations);
	EXPECT_TRUE(listener_idle(self->scene.to));
	EXPECT_TRUE(listener_idle(self->scene.other));
	expect_counters(_metadata, 0, CLIENTS);
}

TEST_F(bpf_run_sk_reuseport, cancels_at_ack)
{
	self->scene.bpf->bss->cancelled = BPF_TCP_NEW_SYN_RECV;
	ASSERT_EQ(0, close(self->scene.from));

	EXPECT_EQ(PEERS, peers_refused(self->scene.peers, PEERS));
	EXPECT_EQ(CLIENTS + PEERS, self->scene.bpf->bss->migrations);
	expect_counters(_metadata, CLIENTS, PEERS);
}

TEST_F(bpf_run_sk_reuseport, cancels_at_timer)
{
	self->scene.bpf->bss->cancelled = BPF_TCP_NEW_SYN_RECV;
	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS));
	self->scene.bpf->bss->cancelled = 0;

	/* The requests are gone. */
	EXPECT_EQ(PEERS, peers_refused(self->scene.peers, PEERS));
	EXPECT_EQ(CLIENTS + PEERS, self->scene.bpf->bss->migrations);
	expect_counters(_metadata, CLIENTS, PEERS);
}

TEST_F(bpf_run_sk_reuseport, names_none_alive)
{
	const struct {
		__u32 key;
		int error;
	} named[] = {
		{ KEY_CLOSED, -ENOENT },
		{ KEY_ELSEWHERE, -EBADFD },
		{ KEY_NOTHING, -ENOENT },
	};
	int i;

	ASSERT_EQ(PEERS, peers_give_up(self->scene.peers, PEERS));
	for (i = 0; i < CLIENTS; i++)
		self->scene.bpf->bss->questions[i].key = named[i % ARRAY_SIZE(named)].key;

	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_EQ(CLIENTS, self->scene.bpf->bss->migrations);
	for (i = 0; i < CLIENTS; i++)
		EXPECT_EQ(named[i % ARRAY_SIZE(named)].error,
			  self->scene.bpf->bss->questions[i].error);

	expect_served_by_either(_metadata, self->scene.clients, self->scene.to,
				self->scene.other);
	expect_counters(_metadata, CLIENTS, 0);
}

TEST_F(bpf_run_sk_reuseport, not_asked_without_another_listener)
{
	ASSERT_EQ(0, close(self->scene.to));
	ASSERT_EQ(0, close(self->scene.other));
	ASSERT_EQ(0, close(self->scene.from));

	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(self->scene.peers, PEERS));
	EXPECT_EQ(0, self->scene.bpf->bss->migrations);
	expect_counters(_metadata, 0, CLIENTS + PEERS);
}

TEST_F(bpf_run_sk_reuseport, detached_before_ack)
{
	struct scene *scene = &self->scene;

	for (;;) {
		ASSERT_EQ(0, close(scene->from));
		ASSERT_EQ(0, group_detach(scene->to));
		if (peers_in_time(scene->peers, PEERS))
			break;
		bpf_run_sk_reuseport__destroy(scene->bpf);
		begin(_metadata, scene, variant->local, variant->elsewhere);
	}

	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS));
	EXPECT_EQ(CLIENTS, scene->bpf->bss->migrations);
	expect_counters(_metadata, CLIENTS, PEERS);
}

TEST_F(bpf_run_sk_reuseport, attached_after_close)
{
	ASSERT_EQ(0, group_detach(self->scene.to));
	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_EQ(0, attach(self->scene.to, self->scene.bpf->progs.select_or_migrate));

	EXPECT_EQ(CLIENTS, clients_reset(self->scene.clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(self->scene.peers, PEERS));
	EXPECT_EQ(0, self->scene.bpf->bss->migrations);
	expect_counters(_metadata, 0, 0);
}

/*
 * A program overrules what's preferred, but not what a listener may have.
 */
static int cross_owner(int listener)
{
	return fchown(listener, NOBODY, -1);
}

static int cross_device(int listener)
{
	return setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "tun0", 4);
}

static void expect_other(struct __test_metadata *_metadata,
			 struct bpf_run_sk_reuseport *bpf, const int *clients,
			 struct peer *peers, int to, int other)
{
	int i;

	ASSERT_EQ(CLIENTS, listener_queued(other));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(other, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_complete(peers, PEERS, other));
	EXPECT_TRUE(listener_idle(to));
	expect_counters(_metadata, CLIENTS + PEERS, 0);

	/* Not for that the program would have failed to name it. */
	ASSERT_EQ(CLIENTS + PEERS, bpf->bss->migrations);
	for (i = 0; i < CLIENTS + PEERS; i++)
		EXPECT_EQ(0, bpf->bss->questions[i].error);
}

static void expect_nobody(struct __test_metadata *_metadata,
			  struct bpf_run_sk_reuseport *bpf, const int *clients,
			  struct peer *peers, int to)
{
	EXPECT_EQ(CLIENTS, clients_reset(clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(peers, PEERS));
	EXPECT_TRUE(listener_idle(to));
	EXPECT_EQ(CLIENTS + PEERS, bpf->bss->migrations);
	expect_counters(_metadata, 0, CLIENTS + PEERS);
}

TEST_F(bpf_run_sk_reuseport, names_another_owner)
{
	ASSERT_EQ(0, cross_owner(self->scene.to));
	ASSERT_EQ(0, close(self->scene.from));
	expect_other(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		     self->scene.to, self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, names_another_device)
{
	ASSERT_EQ(0, cross_device(self->scene.to));
	ASSERT_EQ(0, close(self->scene.from));
	expect_other(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		     self->scene.to, self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, names_md5_keys)
{
	ASSERT_EQ(0, md5_set(self->scene.to, variant->local, SECRET));
	ASSERT_EQ(0, md5_set(self->scene.to, variant->remote, SECRET));
	ASSERT_EQ(0, close(self->scene.from));
	expect_other(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		     self->scene.to, self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, names_ao_keys)
{
	ASSERT_EQ(0, ao_add(self->scene.to, variant->local, SECRET));
	ASSERT_EQ(0, ao_add(self->scene.to, variant->remote, SECRET));
	ASSERT_EQ(0, close(self->scene.from));
	expect_other(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		     self->scene.to, self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, names_another_owner_at_timer)
{
	ASSERT_EQ(0, cross_owner(self->scene.to));
	ASSERT_EQ(0, close(self->scene.from));
	ASSERT_EQ(PEERS, peers_synack(self->scene.peers, PEERS));
	expect_other(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		     self->scene.to, self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, names_another_owner_only)
{
	ASSERT_EQ(0, cross_owner(self->scene.to));
	ASSERT_EQ(0, close(self->scene.other));
	ASSERT_EQ(0, close(self->scene.from));
	expect_nobody(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		      self->scene.to);
}

/* The listeners have it in common, but no connection has. */
TEST_F(bpf_run_sk_reuseport, names_the_same_device)
{
	ASSERT_EQ(0, cross_device(self->scene.from));
	ASSERT_EQ(0, cross_device(self->scene.to));
	ASSERT_EQ(0, cross_device(self->scene.other));
	ASSERT_EQ(0, close(self->scene.from));
	expect_nobody(_metadata, self->scene.bpf, self->scene.clients, self->scene.peers,
		      self->scene.to);
}

static int set_apart(int listener)
{
	int one = 1;

	return setsockopt(listener, SOL_SOCKET, SO_KEEPALIVE, &one,
			  sizeof(one));
}

/* The listener that's named differs in a setting, and one of them has it all. */
static void expect_all_at(struct __test_metadata *_metadata,
			  struct scene *scene, const char *match, int chosen,
			  int other)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_MATCH, match));
	ASSERT_EQ(0, set_apart(scene->to));
	ASSERT_EQ(0, close(scene->from));

	EXPECT_EQ(CLIENTS, listener_serve_in_order(chosen, CLIENTS));
	EXPECT_EQ(PEERS, peers_complete(scene->peers, PEERS, chosen));
	EXPECT_TRUE(listener_idle(other));
	expect_counters(_metadata, CLIENTS + PEERS, 0);
}

TEST_F(bpf_run_sk_reuseport, overrules_a_preference)
{
	if (!netns_has_module())
		SKIP(return, "the migration is mainline's");

	expect_all_at(_metadata, &self->scene, "1", self->scene.to,
		      self->scene.other);
}

TEST_F(bpf_run_sk_reuseport, overrules_a_requirement)
{
	if (!netns_has_module())
		SKIP(return, "the migration is mainline's");

	expect_all_at(_metadata, &self->scene, "2", self->scene.to,
		      self->scene.other);
}

/* Where it has said nothing, there's nothing to overrule. */
TEST_F(bpf_run_sk_reuseport, leaves_a_requirement)
{
	int i;

	if (!netns_has_module())
		SKIP(return, "the migration is mainline's");

	for (i = 0; i < CLIENTS + PEERS; i++)
		self->scene.bpf->bss->questions[i].key = KEY_NOTHING;

	expect_all_at(_metadata, &self->scene, "2", self->scene.other,
		      self->scene.to);
}

/* Programs that aren't asked: what they return isn't taken for SK_DROP. */
enum program {
	SELECT,
	FILTER,
	CLASSIC,
};

static int attach_other(int listener, const struct bpf_run_sk_reuseport *bpf,
			enum program program)
{
	switch (program) {
	case SELECT:
		return attach(listener, bpf->progs.select_only);
	case FILTER:
		return attach(listener, bpf->progs.filter);
	case CLASSIC:
		return group_steer(listener, 0);
	}

	return -1;
}

FIXTURE(not_asked) {
	struct bpf_run_sk_reuseport *bpf;
	struct peer peers[PEERS];
	int clients[CLIENTS];
	int from, to, other;
	int syns;
	struct tun tun;
};

FIXTURE_VARIANT(not_asked) {
	enum program program;
	enum bpf_attach_type type;
};

FIXTURE_VARIANT_ADD(not_asked, select) {
	.program = SELECT,
};

FIXTURE_VARIANT_ADD(not_asked, filter) {
	.program = FILTER,
};

/* A socket filter may claim to be of any attach type. */
FIXTURE_VARIANT_ADD(not_asked, filter_of_migrate_type) {
	.program = FILTER,
	.type = BPF_SK_REUSEPORT_SELECT_OR_MIGRATE,
};

FIXTURE_VARIANT_ADD(not_asked, classic) {
	.program = CLASSIC,
};

FIXTURE_SETUP(not_asked)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	self->bpf = bpf_run_sk_reuseport__open();
	ASSERT_NE(NULL, self->bpf);
	bpf_program__set_expected_attach_type(self->bpf->progs.filter,
					      variant->type);
	ASSERT_EQ(0, bpf_run_sk_reuseport__load(self->bpf));

	self->from = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->from);
	ASSERT_EQ(0, attach_other(self->from, self->bpf, variant->program));
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS, TUN_IPV4));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     TUN_IPV4));
	self->syns = variant->program == CLASSIC ? 0 : CLIENTS + PEERS;
	ASSERT_EQ(self->syns, self->bpf->bss->syns);

	self->to = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->to);
	self->other = listener_open(TUN_IPV4);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, map(self->bpf, KEY_TO, self->to));
}

FIXTURE_TEARDOWN(not_asked)
{
	EXPECT_EQ(0, self->bpf->bss->migrations);
	EXPECT_EQ(self->syns, self->bpf->bss->syns);
	bpf_run_sk_reuseport__destroy(self->bpf);
}

TEST_F(not_asked, migrates_by_hash)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, close(self->from));

	expect_served_by_either(_metadata, self->clients, self->to,
				self->other);
	EXPECT_EQ(PEERS, peers_synack(self->peers, PEERS));
	EXPECT_TRUE(counter_reaches(MIGRATE_SUCCESS, CLIENTS + PEERS));
	expect_counters(_metadata, CLIENTS + PEERS, 0);
}

/* It would choose the listener again that it has chosen. */
TEST_F(not_asked, keeps_at_stall)
{
	if (!netns_has_module())
		SKIP(return, "only the module looks for stalled listeners");

	stall(_metadata, self->from);
	ASSERT_TRUE(stalls_looked_for(-1));
	EXPECT_EQ(0, stall_read(self->from).times);
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->from, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->to));
	EXPECT_TRUE(listener_idle(self->other));
}

TEST_F(not_asked, drops_when_off)
{
	ASSERT_EQ(0, close(self->from));

	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->to));
	EXPECT_TRUE(listener_idle(self->other));
	expect_counters(_metadata, 0, 0);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
