// SPDX-License-Identifier: GPL-2.0

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/sock_diag.h>
#include <linux/string.h>
#include <net/sock.h>

/* They are of no use without CONFIG_TRACEPOINTS. */
static void __maybe_unused
trace_assign_addresses(const struct sock_common *connection, u8 *saddr,
		       u8 *daddr)
{
	struct sockaddr_in6 src = {}, dest = {};
	struct sockaddr_in *src4 = (void *)&src;
	struct sockaddr_in *dest4 = (void *)&dest;

	src.sin6_family = connection->skc_family;
	src.sin6_port = htons(connection->skc_num);
	dest.sin6_family = connection->skc_family;
	dest.sin6_port = connection->skc_dport;
#if IS_ENABLED(CONFIG_IPV6)
	if (connection->skc_family == AF_INET6) {
		src.sin6_addr = connection->skc_v6_rcv_saddr;
		dest.sin6_addr = connection->skc_v6_daddr;
	}
#endif
	if (connection->skc_family == AF_INET) {
		src4->sin_addr.s_addr = connection->skc_rcv_saddr;
		dest4->sin_addr.s_addr = connection->skc_daddr;
	}

	memcpy(saddr, &src, sizeof(src));
	memcpy(daddr, &dest, sizeof(dest));
}

/* What SO_COOKIE is of a listener, and 0 of none. */
static u64 __maybe_unused trace_cookie(struct sock *sk)
{
	u32 cookie[2] = {};

	if (sk)
		sock_diag_save_cookie(sk, cookie);
	return (u64)cookie[1] << 32 | cookie[0];
}

#define CREATE_TRACE_POINTS
#define CREATE_RUST_TRACE_POINTS
#include "trace.h"
