/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener that stops in the middle of handshakes, in each way in which it
 * can; its peers are behind a TUN device. A program that includes this says how
 * their handshakes begin.
 */
#ifndef HALF_OPEN_H
#define HALF_OPEN_H

#include "harness.h"

#include "listeners.h"
#include "netns.h"
#include "segments.h"

#define PEERS	4

/*
 * Client and server, no cookie needed, and on every listener unasked. Who sends no data
 * in a SYN notices nothing.
 */
#define FASTOPEN	"1539"

FIXTURE(half_open) {
	struct listener from;
	struct peer peers[PEERS];
	struct tun tun;
};

FIXTURE_VARIANT(half_open) {
	const char *local;
	const char *remote;	/* what the peers connect to */
	enum stop stop;
};

STOP_VARIANTS(half_open, ipv4, .local = TUN_IPV4, .remote = TUN_IPV4);
STOP_VARIANTS(half_open, ipv6, .local = TUN_IPV6, .remote = TUN_IPV6);

/* An IPv4 handshake with an IPv6 listener makes a mapped child. */
FIXTURE_VARIANT_ADD(half_open, dual_close) {
	.local = "::",
	.remote = TUN_IPV4,
	.stop = STOP_CLOSE,
};

static void begin(struct __test_metadata *_metadata, struct peer *peers,
		  struct tun *tun, const char *remote);

FIXTURE_SETUP(half_open)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", FASTOPEN));
	ASSERT_EQ(0, listener_start(&self->from, variant->local, variant->stop));
	begin(_metadata, self->peers, &self->tun, variant->remote);
}

FIXTURE_TEARDOWN(half_open)
{
}

#endif /* HALF_OPEN_H */
