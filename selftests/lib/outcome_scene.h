/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener that stops, peers whose handshakes it has begun or completed, and
 * what is to be seen of each of them then.
 */
#ifndef OUTCOME_SCENE_H
#define OUTCOME_SCENE_H

#include "harness.h"

#include "hold.h"
#include "listeners.h"
#include "netns.h"
#include "outcomes.h"
#include "segments.h"

#define PEERS	4

/* For an outcome that takes two CPUs to meet. */
#define RACERS	16

struct scene {
	struct peer peers[RACERS];
	struct events events;
	struct tun tun;
	int from, to;
	int netns, elsewhere;	/* for who leaves it before the end */
	const char *slab;	/* what memory is needed for */
	__u64 from_cookie;
	__u64 to_cookie;
};

struct addresses {
	const char *local;	/* where the listeners are */
	const char *remote;	/* what the peers connect to */

	/* What events show; the peer's is followed by its port. */
	const char *family;
	const char *src;
	const char *dest;
};

static const struct addresses ipv4 = {
	.local = TUN_IPV4,
	.remote = TUN_IPV4,
	.family = "AF_INET",
	.src = "192.0.2.1:8080",
	.dest = "192.0.2.2",
};

static const struct addresses ipv6 = {
	.local = TUN_IPV6,
	.remote = TUN_IPV6,
	.family = "AF_INET6",
	.src = "[2001:db8::1]:8080",
	.dest = "[2001:db8::2]",
};

static const struct addresses mapped = {
	.local = "::",
	.remote = TUN_IPV4,
	.family = "AF_INET6",
	.src = "[::ffff:192.0.2.1]:8080",
	.dest = "[::ffff:192.0.2.2]",
};

/* A path, as it's named in the counters and in events. */
struct path {
	const char *name;
	const struct addresses *addresses;
};

static inline void begin(struct __test_metadata *_metadata, struct scene *scene,
			 const struct addresses *addresses)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, events_open(&scene->events));
	scene->from = listener_open(addresses->local);
	ASSERT_LE(0, scene->from);
	scene->from_cookie = listener_cookie(scene->from);
}

/* Whether its connections are established when it begins. */
static inline bool path_is_established(const struct path *path)
{
	return !strcmp(path->name, "close") || !strcmp(path->name, "unread");
}

/* Has the peers where the path begins. */
static inline void begin_path(struct __test_metadata *_metadata,
			      struct scene *scene, const struct path *path)
{
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun,
				     path->addresses->remote));
	if (path_is_established(path))
		ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
}

static inline void open_other(struct __test_metadata *_metadata,
			      struct scene *scene,
			      const struct addresses *addresses)
{
	scene->to = listener_open(addresses->local);
	ASSERT_LE(0, scene->to);
	scene->to_cookie = listener_cookie(scene->to);
}

static inline void stop(struct __test_metadata *_metadata, struct scene *scene)
{
	ASSERT_EQ(0, close(scene->from));
}

/* Has the connections come to where they are migrated. Timers run by themselves. */
static inline void end_path(struct __test_metadata *_metadata,
			    struct scene *scene, const struct path *path)
{
	if (!strcmp(path->name, "ack"))
		ASSERT_EQ(PEERS, peers_ack(scene->peers, PEERS));
}

/* In another namespace. The first listener has stopped, but may be there. */
static inline void start_over(struct __test_metadata *_metadata,
			      struct scene *scene,
			      const struct addresses *addresses)
{
	peers_release();
	events_close(&scene->events);
	close(scene->from);
	close(scene->to);
	close(scene->tun.fd);
	begin(_metadata, scene, addresses);
}

/* What's done to a scene before its first listener stops, or right after that. */
typedef void (*step)(struct __test_metadata *_metadata, struct scene *scene,
		     const struct path *path);

static inline void another(struct __test_metadata *_metadata,
			   struct scene *scene, const struct path *path)
{
	open_other(_metadata, scene, path->addresses);
}

/*
 * From where the path begins to where it ends. A timer that runs before the final ACKs,
 * or before what is done @after the first listener has stopped, is another path: it
 * all begins again then.
 */
static inline void migrate(struct __test_metadata *_metadata,
			   struct scene *scene, const struct path *path,
			   step before, step after)
{
	bool in_time;

	for (;;) {
		if (before)
			before(_metadata, scene, path);
		stop(_metadata, scene);
		if (after)
			after(_metadata, scene, path);
		end_path(_metadata, scene, path);
		in_time = peers_in_time(scene->peers, PEERS);
		if (in_time || !strcmp(path->name, "close") ||
		    (!after && !strcmp(path->name, "timer")))
			return;

		start_over(_metadata, scene, path->addresses);
		begin_path(_metadata, scene, path);
	}
}

static inline const char *state_expected(const struct path *path, bool success)
{
	if (path_is_established(path))
		return "TCP_ESTABLISHED";

	/* A child is migrated before it knows that it's established. */
	return success && !strcmp(path->name, "ack") ? "TCP_SYN_RECV" :
	       "TCP_NEW_SYN_RECV";
}

/* Each peer has one event, which says this. */
static inline void expect_events(struct __test_metadata *_metadata,
				 const struct scene *scene,
				 const struct path *path, bool success,
				 const char *outcome, __u64 to_cookie)
{
	struct event events[PEERS + 1];
	bool seen[PEERS] = {};
	char dest[64];
	int i, peer;

	ASSERT_EQ(PEERS, events_read(&scene->events, events, PEERS + 1));
	for (i = 0; i < PEERS; i++) {
		EXPECT_STREQ(success ? "tcp_migrate_success" :
			     "tcp_migrate_failure", events[i].name);
		EXPECT_STREQ(path->addresses->family, events[i].family);
		EXPECT_STREQ(path->addresses->src, events[i].src);
		EXPECT_STREQ(state_expected(path, success), events[i].state);
		EXPECT_STREQ(path->name, events[i].path);
		EXPECT_STREQ(outcome, events[i].outcome);
		EXPECT_EQ(scene->from_cookie, events[i].from_cookie);
		EXPECT_EQ(to_cookie, events[i].to_cookie);

		for (peer = 0; peer < PEERS; peer++) {
			snprintf(dest, sizeof(dest), "%s:%d",
				 path->addresses->dest, FIRST_PORT + peer);
			if (!strcmp(dest, events[i].dest))
				break;
		}
		ASSERT_GT(PEERS, peer) TH_LOG("dest=%s", events[i].dest);
		EXPECT_FALSE(seen[peer]);
		seen[peer] = true;
	}
}

static inline void expect(struct __test_metadata *_metadata,
			  const struct scene *scene, const struct path *path,
			  bool success, const char *outcome, __u64 to_cookie)
{
	ASSERT_TRUE(outcome_reaches(path->name, outcome, PEERS));
	EXPECT_EQ(PEERS, outcome_read(path->name, outcome));
	EXPECT_EQ(success ? PEERS : 0, outcomes_sum(true));
	EXPECT_EQ(success ? 0 : PEERS, outcomes_sum(false));
	EXPECT_TRUE(outcomes_agree());
	expect_events(_metadata, scene, path, success, outcome, to_cookie);
}

static inline void expect_success(struct __test_metadata *_metadata,
				  const struct scene *scene,
				  const struct path *path, const char *outcome)
{
	expect(_metadata, scene, path, true, outcome, scene->to_cookie);
}

/* No listener had been selected. */
static inline void expect_failure(struct __test_metadata *_metadata,
				  const struct scene *scene,
				  const struct path *path, const char *outcome)
{
	expect(_metadata, scene, path, false, outcome, 0);
}

/* One had been, and it was too late, or of no use. */
static inline void expect_late_failure(struct __test_metadata *_metadata,
				       const struct scene *scene,
				       const struct path *path,
				       const char *outcome)
{
	expect(_metadata, scene, path, false, outcome, scene->to_cookie);
}

#endif /* OUTCOME_SCENE_H */
