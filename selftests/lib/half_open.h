/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A listener that stops in the middle of handshakes, in each way in which it
 * can; its peers are behind a TUN device. A program that includes this begins
 * the handshakes in its FIXTURE_SETUP().
 */
#ifndef HALF_OPEN_H
#define HALF_OPEN_H

#include "harness.h"

#include "listeners.h"
#include "netns.h"
#include "segments.h"

#define PEERS	4

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

FIXTURE_TEARDOWN(half_open)
{
}

#endif /* HALF_OPEN_H */
