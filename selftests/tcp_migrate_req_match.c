// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req_match: whether a connection only goes to a listener
 * with the settings of the one that it was made by, or to such a one at first.
 * Documentation/settings.rst lists the settings.
 *
 *  1. A listener with a setting, and connections in its accept queue.
 *  2. Two more listeners, one with the same setting, one with another or none.
 *  3. The first listener stops. Where settings count, all connections go to the
 *     one with the same setting.
 *  4. That stops, too. The last one has the connections, or where it may not
 *     have them they are reset.
 *
 * And the same with handshakes, at their final ACK and at their SYN+ACK timer.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <linux/net_tstamp.h>
#include <linux/seg6.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <time.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/segments.h"

/* Newer than the headers of most systems. */
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY		82
#endif
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE	51
#endif
#ifndef TCP_RTO_MAX_MS
#define TCP_RTO_MAX_MS		44
#endif
#ifndef TCP_RTO_MIN_US
#define TCP_RTO_MIN_US		45
#define TCP_DELACK_MAX_US	46
#endif

#define BALANCE	"net/ipv4/tcp_migrate_req_balance"

/* Where settings don't count, each of two listeners gets half of them. */
#define CLIENTS	6
#define PEERS	4

/* Its index, of which an option wants four bytes in network order. */
#define LOOPBACK	1

enum mode {
	ANY,
	PREFER,
	REQUIRE,
};

struct value {
	const void *data;	/* NULL if it isn't set */
	socklen_t len;
};

struct setting {
	const char *name;
	int level;
	int option;
	struct value same;	/* of the first two listeners */
	struct value different;	/* of the third */

	/* What all of them need to have first. */
	int needs_option;
	int needs_value;

	/* It can't be set any more when they listen. */
	bool before;
};

#define SETTING(level, option, ...)	{ #option, level, option, __VA_ARGS__ }
#define INT(...)	{ (const int[]){ __VA_ARGS__ }, sizeof((int[]){ __VA_ARGS__ }) }
#define BYTES(...)	{ (const __u8[]){ __VA_ARGS__ }, sizeof((__u8[]){ __VA_ARGS__ }) }
#define ARRAY(name)	{ name, sizeof(name) }
#define STRUCT(type, ...)	{ &(const struct type){ __VA_ARGS__ }, sizeof(struct type) }
#define NOTHING		{}

static struct sock_filter pass[] = {
	BPF_STMT(BPF_RET | BPF_K, -1),
};

static struct sock_filter pass_much[] = {
	BPF_STMT(BPF_RET | BPF_K, 0xffff),
};

/* Two programs of the same instructions. */
static int programs[2];

static const struct setting socket_settings[] = {
	SETTING(SOL_SOCKET, SO_DEBUG, INT(1)),
	SETTING(SOL_SOCKET, SO_REUSEADDR, INT(1)),
	SETTING(SOL_SOCKET, SO_REUSEPORT, INT(1), INT(0)),
	SETTING(SOL_SOCKET, SO_DONTROUTE, INT(1)),
	SETTING(SOL_SOCKET, SO_BROADCAST, INT(1)),
	SETTING(SOL_SOCKET, SO_SNDBUF, INT(1 << 16)),
	SETTING(SOL_SOCKET, SO_SNDBUF, INT(1 << 16), INT(1 << 17)),
	SETTING(SOL_SOCKET, SO_SNDBUFFORCE, INT(1 << 16)),
	SETTING(SOL_SOCKET, SO_RCVBUF, INT(1 << 16)),
	SETTING(SOL_SOCKET, SO_RCVBUF, INT(1 << 16), INT(1 << 17)),
	SETTING(SOL_SOCKET, SO_RCVBUFFORCE, INT(1 << 16)),
	SETTING(SOL_SOCKET, SO_BUF_LOCK, INT(SOCK_SNDBUF_LOCK)),
	SETTING(SOL_SOCKET, SO_BUF_LOCK, INT(SOCK_RCVBUF_LOCK)),
	SETTING(SOL_SOCKET, SO_KEEPALIVE, INT(1)),
	SETTING(SOL_SOCKET, SO_OOBINLINE, INT(1)),
	SETTING(SOL_SOCKET, SO_NO_CHECK, INT(1)),
	SETTING(SOL_SOCKET, SO_PRIORITY, INT(6)),
	SETTING(SOL_SOCKET, SO_LINGER, STRUCT(linger, 1, 7)),
	SETTING(SOL_SOCKET, SO_LINGER, STRUCT(linger, 1, 7), STRUCT(linger, 1, 8)),
	SETTING(SOL_SOCKET, SO_TIMESTAMP, INT(1)),
	SETTING(SOL_SOCKET, SO_TIMESTAMP_NEW, INT(1)),
	SETTING(SOL_SOCKET, SO_TIMESTAMPNS, INT(1)),
	SETTING(SOL_SOCKET, SO_TIMESTAMPNS_NEW, INT(1), INT(0)),
	SETTING(SOL_SOCKET, SO_TIMESTAMPING, INT(SOF_TIMESTAMPING_SOFTWARE)),
	SETTING(SOL_SOCKET, SO_TIMESTAMPING,
		INT(SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE),
		INT(SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE)),
	SETTING(SOL_SOCKET, SO_TIMESTAMPING_NEW, INT(SOF_TIMESTAMPING_SOFTWARE)),
	SETTING(SOL_SOCKET, SO_RCVLOWAT, INT(3)),
	SETTING(SOL_SOCKET, SO_RCVTIMEO, STRUCT(timeval, 7)),
	SETTING(SOL_SOCKET, SO_SNDTIMEO, STRUCT(timeval, 7)),
	SETTING(SOL_SOCKET, SO_ATTACH_FILTER, STRUCT(sock_fprog, 1, pass)),
	SETTING(SOL_SOCKET, SO_ATTACH_FILTER, STRUCT(sock_fprog, 1, pass),
		STRUCT(sock_fprog, 1, pass_much)),
	SETTING(SOL_SOCKET, SO_ATTACH_BPF, { &programs[0], sizeof(int) }),
	SETTING(SOL_SOCKET, SO_ATTACH_BPF, { &programs[0], sizeof(int) },
		{ &programs[1], sizeof(int) }),
	SETTING(SOL_SOCKET, SO_LOCK_FILTER, INT(1)),
	SETTING(SOL_SOCKET, SO_MARK, INT(7)),
	SETTING(SOL_SOCKET, SO_RXQ_OVFL, INT(1)),
	SETTING(SOL_SOCKET, SO_WIFI_STATUS, INT(1)),
	SETTING(SOL_SOCKET, SO_PEEK_OFF, INT(0)),
	SETTING(SOL_SOCKET, SO_NOFCS, INT(1)),
	SETTING(SOL_SOCKET, SO_SELECT_ERR_QUEUE, INT(1)),
	SETTING(SOL_SOCKET, SO_BUSY_POLL, INT(7)),
	SETTING(SOL_SOCKET, SO_PREFER_BUSY_POLL, INT(1)),
	SETTING(SOL_SOCKET, SO_BUSY_POLL_BUDGET, INT(7)),
	SETTING(SOL_SOCKET, SO_MAX_PACING_RATE, INT(1 << 30)),
	SETTING(SOL_SOCKET, SO_ZEROCOPY, INT(1)),
	SETTING(SOL_SOCKET, SO_TXTIME, STRUCT(sock_txtime, CLOCK_MONOTONIC)),
	SETTING(SOL_SOCKET, SO_TXTIME, STRUCT(sock_txtime, CLOCK_MONOTONIC),
		STRUCT(sock_txtime, CLOCK_TAI)),
	SETTING(SOL_SOCKET, SO_TXTIME, STRUCT(sock_txtime, CLOCK_MONOTONIC),
		STRUCT(sock_txtime, CLOCK_MONOTONIC, SOF_TXTIME_DEADLINE_MODE)),
	SETTING(SOL_SOCKET, SO_TXTIME, STRUCT(sock_txtime, CLOCK_MONOTONIC),
		STRUCT(sock_txtime, CLOCK_MONOTONIC, SOF_TXTIME_REPORT_ERRORS)),
	SETTING(SOL_SOCKET, SO_TXREHASH, INT(0)),
	SETTING(SOL_SOCKET, SO_RCVMARK, INT(1)),
	SETTING(SOL_SOCKET, SO_RCVPRIORITY, INT(1)),
};

/* Keys of Fast Open, with and without a second one. */
static const __u8 key[16] = { 1 };
static const __u8 other_key[16] = { 2 };
static const __u8 two_keys[32] = { 1, [16] = 3 };
static const __u8 two_other_keys[32] = { 1, [16] = 4 };

static const struct setting tcp_settings[] = {
	SETTING(IPPROTO_TCP, TCP_NODELAY, INT(1)),
	SETTING(IPPROTO_TCP, TCP_MAXSEG, INT(1000)),
	SETTING(IPPROTO_TCP, TCP_CORK, INT(1)),
	SETTING(IPPROTO_TCP, TCP_KEEPIDLE, INT(77)),
	SETTING(IPPROTO_TCP, TCP_KEEPINTVL, INT(77)),
	SETTING(IPPROTO_TCP, TCP_KEEPCNT, INT(7)),
	SETTING(IPPROTO_TCP, TCP_SYNCNT, INT(7)),
	SETTING(IPPROTO_TCP, TCP_LINGER2, INT(7)),
	SETTING(IPPROTO_TCP, TCP_DEFER_ACCEPT, INT(30)),
	SETTING(IPPROTO_TCP, TCP_DEFER_ACCEPT, INT(30), INT(1)),
	SETTING(IPPROTO_TCP, TCP_WINDOW_CLAMP, INT(1 << 15)),
	SETTING(IPPROTO_TCP, TCP_QUICKACK, INT(0)),
	SETTING(IPPROTO_TCP, TCP_CONGESTION, { "reno", 4 }),
	SETTING(IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, INT(1)),
	SETTING(IPPROTO_TCP, TCP_USER_TIMEOUT, INT(77777)),
	/* Children in repair mode aren't reset. */
	SETTING(IPPROTO_TCP, TCP_REPAIR, NOTHING, INT(1), .before = true),
	SETTING(IPPROTO_TCP, TCP_REPAIR_QUEUE, INT(TCP_SEND_QUEUE), NOTHING,
		.needs_option = TCP_REPAIR, .needs_value = 1, .before = true),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN, INT(5)),
	SETTING(IPPROTO_TCP, TCP_NOTSENT_LOWAT, INT(1 << 12)),
	SETTING(IPPROTO_TCP, TCP_SAVE_SYN, INT(1)),
	SETTING(IPPROTO_TCP, TCP_SAVE_SYN, INT(1), INT(2)),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, INT(1), .before = true),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, ARRAY(key), NOTHING,
		.needs_option = TCP_FASTOPEN, .needs_value = 5),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, ARRAY(key), ARRAY(other_key),
		.needs_option = TCP_FASTOPEN, .needs_value = 5),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, ARRAY(key), ARRAY(two_keys),
		.needs_option = TCP_FASTOPEN, .needs_value = 5),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, ARRAY(two_keys),
		ARRAY(two_other_keys),
		.needs_option = TCP_FASTOPEN, .needs_value = 5),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, INT(1)),
	SETTING(IPPROTO_TCP, TCP_INQ, INT(1)),
	SETTING(IPPROTO_TCP, TCP_TX_DELAY, INT(1)),
	SETTING(IPPROTO_TCP, TCP_RTO_MAX_MS, INT(60000)),
	SETTING(IPPROTO_TCP, TCP_RTO_MIN_US, INT(100000)),
	SETTING(IPPROTO_TCP, TCP_DELACK_MAX_US, INT(100000)),
};

static const struct setting ip_settings[] = {
	/* Others set SO_PRIORITY, too. */
	SETTING(IPPROTO_IP, IP_TOS, INT(IPTOS_CLASS_CS1)),
	SETTING(IPPROTO_IP, IP_TTL, INT(77)),
	SETTING(IPPROTO_IP, IP_RECVOPTS, INT(1)),
	SETTING(IPPROTO_IP, IP_RETOPTS, INT(1)),
	SETTING(IPPROTO_IP, IP_PKTINFO, INT(1)),
	SETTING(IPPROTO_IP, IP_MTU_DISCOVER, INT(IP_PMTUDISC_PROBE)),
	SETTING(IPPROTO_IP, IP_RECVERR, INT(1)),
	SETTING(IPPROTO_IP, IP_RECVTTL, INT(1)),
	SETTING(IPPROTO_IP, IP_RECVTOS, INT(1)),
	SETTING(IPPROTO_IP, IP_FREEBIND, INT(1)),
	SETTING(IPPROTO_IP, IP_PASSSEC, INT(1)),
	SETTING(IPPROTO_IP, IP_TRANSPARENT, INT(1)),
	SETTING(IPPROTO_IP, IP_RECVORIGDSTADDR, INT(1)),
	SETTING(IPPROTO_IP, IP_MINTTL, INT(7)),
	SETTING(IPPROTO_IP, IP_CHECKSUM, INT(1)),
	SETTING(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, INT(1)),
	SETTING(IPPROTO_IP, IP_RECVERR_RFC4884, INT(1)),
	SETTING(IPPROTO_IP, IP_MULTICAST_LOOP, INT(0)),
	SETTING(IPPROTO_IP, IP_MULTICAST_ALL, INT(0), INT(1)),
	SETTING(IPPROTO_IP, IP_UNICAST_IF, BYTES(0, 0, 0, LOOPBACK)),
	SETTING(IPPROTO_IP, IP_LOCAL_PORT_RANGE, INT(40000 | 50000 << 16)),
};

/* Options that are to be ignored. */
static const __u8 padding[8] = { [2] = 1, 4 };
static const __u8 other_padding[8] = { [2] = 0x1e, 4 };

/* A segment routing header with one segment, which has been visited. */
static const __u8 route[24] = { [1] = 2, 4, [23] = 1 };

static const struct setting ipv6_settings[] = {
	SETTING(IPPROTO_IPV6, IPV6_2292PKTINFO, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_2292HOPOPTS, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_2292DSTOPTS, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_2292RTHDR, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_2292HOPLIMIT, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_FLOWINFO, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_UNICAST_HOPS, INT(77)),
	SETTING(IPPROTO_IPV6, IPV6_MULTICAST_LOOP, INT(0)),
	SETTING(IPPROTO_IPV6, IPV6_MTU_DISCOVER, INT(IPV6_PMTUDISC_PROBE)),
	SETTING(IPPROTO_IPV6, IPV6_MTU, INT(1400)),
	SETTING(IPPROTO_IPV6, IPV6_RECVERR, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_MULTICAST_ALL, INT(0)),
	SETTING(IPPROTO_IPV6, IPV6_ROUTER_ALERT_ISOLATE, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVERR_RFC4884, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_FLOWLABEL_MGR,
		STRUCT(in6_flowlabel_req, .flr_action = IPV6_FL_A_GET,
		       .flr_flags = IPV6_FL_F_REFLECT)),
	SETTING(IPPROTO_IPV6, IPV6_FLOWINFO_SEND, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVPKTINFO, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVHOPLIMIT, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVHOPOPTS, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_HOPOPTS, ARRAY(padding)),
	SETTING(IPPROTO_IPV6, IPV6_HOPOPTS, ARRAY(padding),
		ARRAY(other_padding)),
	SETTING(IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, NOTHING, ARRAY(padding)),
	SETTING(IPPROTO_IPV6, IPV6_RTHDR, NOTHING, ARRAY(route)),
	SETTING(IPPROTO_IPV6, IPV6_RECVRTHDR, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVDSTOPTS, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_DSTOPTS, ARRAY(padding)),
	SETTING(IPPROTO_IPV6, IPV6_RECVPATHMTU, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_DONTFRAG, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_RECVTCLASS, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_TCLASS, INT(0x20)),
	SETTING(IPPROTO_IPV6, IPV6_AUTOFLOWLABEL, INT(0)),
	SETTING(IPPROTO_IPV6, IPV6_ADDR_PREFERENCES, INT(IPV6_PREFER_SRC_TMP)),
	SETTING(IPPROTO_IPV6, IPV6_MINHOPCOUNT, INT(7)),
	SETTING(IPPROTO_IPV6, IPV6_RECVORIGDSTADDR, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_TRANSPARENT, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_UNICAST_IF, BYTES(0, 0, 0, LOOPBACK)),
	SETTING(IPPROTO_IPV6, IPV6_RECVFRAGSIZE, INT(1)),
	SETTING(IPPROTO_IPV6, IPV6_FREEBIND, INT(1)),
};

/* What makes no difference to a connection. */
static const struct setting ignored_settings[] = {
	SETTING(SOL_SOCKET, SO_LINGER, NOTHING, STRUCT(linger, 0, 7)),
	SETTING(IPPROTO_TCP, TCP_CONGESTION, NOTHING, { "cubic", 5 }),
	SETTING(IPPROTO_TCP, TCP_THIN_DUPACK, NOTHING, INT(1)),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN, INT(5), INT(6)),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, NOTHING, ARRAY(key)),
	SETTING(IPPROTO_IP, IP_OPTIONS, NOTHING, BYTES(1, 1, 1, 0)),
};

static const struct setting half_open_settings[] = {
	SETTING(SOL_SOCKET, SO_KEEPALIVE, INT(1)),
	SETTING(SOL_SOCKET, SO_ATTACH_FILTER, STRUCT(sock_fprog, 1, pass),
		STRUCT(sock_fprog, 1, pass_much)),
	SETTING(IPPROTO_TCP, TCP_CONGESTION, { "reno", 4 }),
	SETTING(IPPROTO_IP, IP_TOS, INT(IPTOS_LOWDELAY)),
};

/* What a listener no longer has when its handshakes look for another one. */
static const struct setting forgotten_settings[] = {
	SETTING(SOL_SOCKET, SO_PEEK_OFF, INT(0)),
	SETTING(IPPROTO_TCP, TCP_MAXSEG, INT(1000)),
	SETTING(IPPROTO_TCP, TCP_WINDOW_CLAMP, INT(1 << 15)),
	SETTING(IPPROTO_TCP, TCP_QUICKACK, INT(0)),
	SETTING(IPPROTO_TCP, TCP_FASTOPEN_KEY, ARRAY(key), NOTHING,
		.needs_option = TCP_FASTOPEN, .needs_value = 5),
	SETTING(IPPROTO_TCP, TCP_RTO_MIN_US, INT(100000)),
	SETTING(IPPROTO_TCP, TCP_DELACK_MAX_US, INT(100000)),
};

static int mode_write(enum mode mode)
{
	const char value[] = { '0' + mode, '\0' };

	return sysctl_write(MIGRATE_REQ_MATCH, value);
}

static int set(int fd, const struct setting *setting, struct value value)
{
	if (!value.data)
		return 0;

	return setsockopt(fd, setting->level, setting->option, value.data,
			  value.len);
}

static int open_listener(const char *address, const struct setting *setting,
			 struct value value)
{
	int fd = listener_bind(address);

	if (fd < 0)
		return -1;

	if (setting->needs_option &&
	    setsockopt(fd, setting->level, setting->needs_option,
		       &setting->needs_value, sizeof(setting->needs_value)))
		return -1;

	if (setting->before && set(fd, setting, value))
		return -1;

	if (listener_restart(fd))
		return -1;

	return setting->before || !set(fd, setting, value) ? fd : -1;
}

FIXTURE(queued) {
};

FIXTURE_VARIANT(queued) {
	const char *address;
	const struct setting *settings;
	size_t count;
};

FIXTURE_VARIANT_ADD(queued, socket) {
	.address = "127.0.0.1",
	.settings = socket_settings,
	.count = ARRAY_SIZE(socket_settings),
};

FIXTURE_VARIANT_ADD(queued, tcp) {
	.address = "127.0.0.1",
	.settings = tcp_settings,
	.count = ARRAY_SIZE(tcp_settings),
};

FIXTURE_VARIANT_ADD(queued, ip) {
	.address = "127.0.0.1",
	.settings = ip_settings,
	.count = ARRAY_SIZE(ip_settings),
};

FIXTURE_VARIANT_ADD(queued, ip_of_ipv6) {
	.address = "::1",
	.settings = ip_settings,
	.count = ARRAY_SIZE(ip_settings),
};

FIXTURE_VARIANT_ADD(queued, ipv6) {
	.address = "::1",
	.settings = ipv6_settings,
	.count = ARRAY_SIZE(ipv6_settings),
};

FIXTURE_SETUP(queued)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	/* IPV6_FL_F_REFLECT is refused otherwise. */
	ASSERT_EQ(0, sysctl_write("net/ipv6/flowlabel_consistency", "0"));
}

FIXTURE_TEARDOWN(queued)
{
}

static void begin(struct __test_metadata *_metadata, const char *address,
		  const struct setting *setting, int *clients, int *from)
{
	*from = open_listener(address, setting, setting->same);
	ASSERT_LE(0, *from)
		TH_LOG("%s: %s", setting->name, strerror(errno));
	ASSERT_EQ(CLIENTS, clients_connect(clients, CLIENTS, address))
		TH_LOG("%s: %s", setting->name, strerror(errno));
	ASSERT_EQ(CLIENTS, listener_queued(*from))
		TH_LOG("%s", setting->name);
}

static void open_others(struct __test_metadata *_metadata, const char *address,
			const struct setting *setting, int *same,
			int *different)
{
	*same = open_listener(address, setting, setting->same);
	ASSERT_LE(0, *same)
		TH_LOG("%s: %s", setting->name, strerror(errno));
	*different = open_listener(address, setting, setting->different);
	ASSERT_LE(0, *different)
		TH_LOG("%s: %s", setting->name, strerror(errno));
}

/* Ends with no listener and no connection on the port. */
static void check_queued(struct __test_metadata *_metadata,
			 const char *address, const struct setting *setting,
			 enum mode mode)
{
	int from, same, different, clients[CLIENTS];
	int success = CLIENTS, failure = 0;
	long succeeded, failed;

	begin(_metadata, address, setting, clients, &from);
	open_others(_metadata, address, setting, &same, &different);
	succeeded = counter_read(MIGRATE_SUCCESS);
	failed = counter_read(MIGRATE_FAILURE);

	ASSERT_EQ(0, close(from));
	if (mode != ANY)
		EXPECT_EQ(CLIENTS, listener_queued(same))
			TH_LOG("%s", setting->name);

	if (mode == REQUIRE)
		failure = listener_queued(same);
	else
		success += listener_queued(same);

	ASSERT_EQ(0, close(same));
	EXPECT_EQ(mode == REQUIRE ? 0 : CLIENTS, listener_queued(different))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(succeeded + success, counter_read(MIGRATE_SUCCESS))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(failed + failure, counter_read(MIGRATE_FAILURE))
		TH_LOG("%s", setting->name);

	ASSERT_EQ(0, close(different));
	clients_close(clients, CLIENTS);
}

static void check_all_queued(struct __test_metadata *_metadata,
			     const char *address,
			     const struct setting *settings, size_t count,
			     enum mode mode)
{
	size_t i;

	ASSERT_EQ(0, mode_write(mode));
	for (i = 0; i < count; i++)
		check_queued(_metadata, address, &settings[i], mode);
}

TEST_F(queued, any)
{
	check_all_queued(_metadata, variant->address, variant->settings,
			 variant->count, ANY);
}

TEST_F(queued, prefer)
{
	check_all_queued(_metadata, variant->address, variant->settings,
			 variant->count, PREFER);
}

TEST_F(queued, require)
{
	check_all_queued(_metadata, variant->address, variant->settings,
			 variant->count, REQUIRE);
}

FIXTURE(tcp_migrate_req_match) {
	int clients[CLIENTS];
	int from, same, different;
};

FIXTURE_SETUP(tcp_migrate_req_match)
{
	const struct setting *setting = &half_open_settings[0];

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	begin(_metadata, "127.0.0.1", setting, self->clients, &self->from);
	open_others(_metadata, "127.0.0.1", setting, &self->same,
		    &self->different);
}

FIXTURE_TEARDOWN(tcp_migrate_req_match)
{
}

TEST_F(tcp_migrate_req_match, prefers_by_default)
{
	EXPECT_EQ(PREFER, sysctl_read(MIGRATE_REQ_MATCH));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->same, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->different));
}

TEST_F(tcp_migrate_req_match, any_takes_both)
{
	ASSERT_EQ(0, mode_write(ANY));
	ASSERT_EQ(0, close(self->from));
	EXPECT_FALSE(listener_idle(self->same));
	EXPECT_FALSE(listener_idle(self->different));
	EXPECT_EQ(CLIENTS, listener_queued(self->same) +
			   listener_queued(self->different));
}

TEST_F(tcp_migrate_req_match, require_resets)
{
	ASSERT_EQ(0, mode_write(REQUIRE));
	ASSERT_EQ(0, close(self->same));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_TRUE(listener_idle(self->different));
}

/* It counts when the listener stops. */
TEST_F(tcp_migrate_req_match, changes)
{
	ASSERT_EQ(0, mode_write(REQUIRE));
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(CLIENTS, listener_queued(self->same));
	ASSERT_EQ(0, mode_write(PREFER));
	ASSERT_EQ(0, close(self->same));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->different, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
}

/* As far as it has room, and however many others there are. */
FIXTURE(crowd) {
	int clients[CLIENTS];
	int from, same;
	int different[2 * CLIENTS];
};

FIXTURE_VARIANT(crowd) {
	const char *balance;
};

FIXTURE_VARIANT_ADD(crowd, hash) {
	.balance = "0",
};

FIXTURE_VARIANT_ADD(crowd, level) {
	.balance = "1",
};

FIXTURE_SETUP(crowd)
{
	const struct setting *setting = &half_open_settings[0];
	int i;

	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write(BALANCE, variant->balance));
	begin(_metadata, "127.0.0.1", setting, self->clients, &self->from);
	for (i = 0; i < 2 * CLIENTS; i++) {
		if (i == CLIENTS)
			self->same = open_listener("127.0.0.1", setting,
						   setting->same);

		self->different[i] = open_listener("127.0.0.1", setting,
						   setting->different);
		ASSERT_LE(0, self->different[i]);
	}
	ASSERT_LE(0, self->same);
}

FIXTURE_TEARDOWN(crowd)
{
}

TEST_F(crowd, prefer)
{
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_queued(self->same));
}

TEST_F(crowd, prefer_room)
{
	int i, others = 0;

	/* So that there may be one more than that. */
	ASSERT_EQ(0, listen(self->same, 3));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(4, listener_queued(self->same));
	for (i = 0; i < 2 * CLIENTS; i++)
		others += listener_queued(self->different[i]);

	EXPECT_EQ(CLIENTS - 4, others);
}

/* It goes over its backlog, since nobody else may have them. */
TEST_F(crowd, require)
{
	ASSERT_EQ(0, mode_write(REQUIRE));
	ASSERT_EQ(0, listen(self->same, 3));
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(CLIENTS, listener_queued(self->same));
}

FIXTURE(ignored) {
};

FIXTURE_SETUP(ignored)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, mode_write(REQUIRE));
}

FIXTURE_TEARDOWN(ignored)
{
}

TEST_F(ignored, require)
{
	int from, to, clients[CLIENTS];
	const struct setting *setting;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ignored_settings); i++) {
		setting = &ignored_settings[i];
		begin(_metadata, "127.0.0.1", setting, clients, &from);
		to = open_listener("127.0.0.1", setting, setting->different);
		ASSERT_LE(0, to)
			TH_LOG("%s: %s", setting->name, strerror(errno));
		ASSERT_EQ(0, close(from));
		EXPECT_EQ(CLIENTS, listener_queued(to))
			TH_LOG("%s", setting->name);
		ASSERT_EQ(0, close(to));
		clients_close(clients, CLIENTS);
	}
}

/* Handshakes, and when they look for another listener. */
struct scene {
	enum stop stop;
	bool timer;
	struct listener from;
	struct peer peers[PEERS];
	struct tun tun;
};

FIXTURE(half_open) {
	struct scene scene;
};

FIXTURE_VARIANT(half_open) {
	enum stop stop;
	bool timer;
};

FIXTURE_VARIANT_ADD(half_open, close_final_ack) {
	.stop = STOP_CLOSE,
};

FIXTURE_VARIANT_ADD(half_open, close_timer) {
	.stop = STOP_CLOSE,
	.timer = true,
};

FIXTURE_VARIANT_ADD(half_open, shut_final_ack) {
	.stop = STOP_SHUT_RDWR,
};

FIXTURE_VARIANT_ADD(half_open, shut_timer) {
	.stop = STOP_SHUT_RDWR,
	.timer = true,
};

FIXTURE_SETUP(half_open)
{
	self->scene.stop = variant->stop;
	self->scene.timer = variant->timer;
}

FIXTURE_TEARDOWN(half_open)
{
}

static void scene_begin(struct __test_metadata *_metadata, struct scene *scene,
			const struct setting *setting, enum mode mode)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, mode_write(mode));
	scene->from.fd = open_listener(TUN_IPV4, setting, setting->same);
	ASSERT_LE(0, scene->from.fd)
		TH_LOG("%s: %s", setting->name, strerror(errno));
	ASSERT_EQ(PEERS, peers_begin(scene->peers, PEERS, &scene->tun,
				     TUN_IPV4))
		TH_LOG("%s", setting->name);
}

static int scene_join(struct __test_metadata *_metadata,
		      const struct setting *setting, struct value value)
{
	int fd = open_listener(TUN_IPV4, setting, value);

	ASSERT_LE(0, fd)
		TH_LOG("%s: %s", setting->name, strerror(errno));
	return fd;
}

static void scene_end(struct __test_metadata *_metadata, struct scene *scene)
{
	if (scene->stop != STOP_CLOSE)
		ASSERT_EQ(0, close(scene->from.fd));

	ASSERT_EQ(0, close(scene->tun.fd));
}

static void expect_complete(struct __test_metadata *_metadata,
			    struct scene *scene, const struct setting *setting,
			    int to)
{
	ASSERT_EQ(0, listener_stop(&scene->from, scene->stop));
	if (scene->timer)
		ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, PEERS))
			TH_LOG("%s", setting->name);

	EXPECT_EQ(PEERS, peers_complete(scene->peers, PEERS, to))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(PEERS, counter_read(MIGRATE_SUCCESS))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(0, counter_read(MIGRATE_FAILURE))
		TH_LOG("%s", setting->name);
}

static void expect_refused(struct __test_metadata *_metadata,
			   struct scene *scene, const struct setting *setting,
			   int to)
{
	ASSERT_EQ(0, listener_stop(&scene->from, scene->stop));
	if (scene->timer)
		ASSERT_TRUE(counter_reaches(MIGRATE_FAILURE, PEERS))
			TH_LOG("%s", setting->name);

	EXPECT_EQ(PEERS, peers_refused(scene->peers, PEERS))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(0, counter_read(MIGRATE_SUCCESS))
		TH_LOG("%s", setting->name);
	EXPECT_EQ(PEERS, counter_read(MIGRATE_FAILURE))
		TH_LOG("%s", setting->name);
	EXPECT_TRUE(listener_idle(to))
		TH_LOG("%s", setting->name);
}

/* Wherever it is in the group. */
static void check_choice(struct __test_metadata *_metadata, struct scene *scene,
			 const struct setting *setting, enum mode mode)
{
	int different[2], same;

	scene_begin(_metadata, scene, setting, mode);
	different[0] = scene_join(_metadata, setting, setting->different);
	same = scene_join(_metadata, setting, setting->same);
	different[1] = scene_join(_metadata, setting, setting->different);

	expect_complete(_metadata, scene, setting, same);
	EXPECT_TRUE(listener_idle(different[0]));
	EXPECT_TRUE(listener_idle(different[1]));
	scene_end(_metadata, scene);
}

/* Only one with another setting. */
static void check_without(struct __test_metadata *_metadata,
			  struct scene *scene, const struct setting *setting,
			  enum mode mode)
{
	int to;

	scene_begin(_metadata, scene, setting, mode);
	to = scene_join(_metadata, setting, setting->different);
	if (mode == REQUIRE)
		expect_refused(_metadata, scene, setting, to);
	else
		expect_complete(_metadata, scene, setting, to);
	scene_end(_metadata, scene);
}

static void check_half_open(struct __test_metadata *_metadata,
			    struct scene *scene, enum mode mode,
			    void (*check)(struct __test_metadata *_metadata,
					  struct scene *scene,
					  const struct setting *setting,
					  enum mode mode))
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(half_open_settings); i++)
		check(_metadata, scene, &half_open_settings[i], mode);
}

TEST_F(half_open, prefer)
{
	check_half_open(_metadata, &self->scene, PREFER, check_choice);
}

TEST_F(half_open, prefer_without)
{
	check_half_open(_metadata, &self->scene, PREFER, check_without);
}

TEST_F(half_open, require)
{
	check_half_open(_metadata, &self->scene, REQUIRE, check_choice);
}

TEST_F(half_open, require_without)
{
	check_half_open(_metadata, &self->scene, REQUIRE, check_without);
}

/* Nobody is refused for what can't be compared any more. */
TEST_F(half_open, require_what_remains)
{
	const struct setting *setting;
	size_t i;
	int to;

	for (i = 0; i < ARRAY_SIZE(forgotten_settings); i++) {
		setting = &forgotten_settings[i];
		scene_begin(_metadata, &self->scene, setting, REQUIRE);
		to = scene_join(_metadata, setting, setting->same);
		expect_complete(_metadata, &self->scene, setting, to);
		scene_end(_metadata, &self->scene);
	}
}

static int load_program(void)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0x7fffffff },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	return bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, NULL, "GPL", pass,
			     ARRAY_SIZE(pass), NULL);
}

int main(int argc, char **argv)
{
	netns_require_module();
	programs[0] = load_program();
	programs[1] = load_program();
	if (programs[0] < 0 || programs[1] < 0)
		ksft_exit_fail_perror("bpf_prog_load");

	return test_harness_run(argc, argv);
}
