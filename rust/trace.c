// SPDX-License-Identifier: GPL-2.0

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/sock_diag.h>
#include <linux/string.h>
#include <net/sock.h>

/* They are of no use without CONFIG_TRACEPOINTS. */
static void __maybe_unused
trace_assign_address(const struct sock_common *sk, bool peer, u8 *to)
{
	struct sockaddr_in6 addr = {};
	struct sockaddr_in *addr4 = (void *)&addr;

	addr.sin6_family = sk->skc_family;
	addr.sin6_port = peer ? sk->skc_dport : htons(sk->skc_num);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->skc_family == AF_INET6)
		addr.sin6_addr = peer ? sk->skc_v6_daddr :
					sk->skc_v6_rcv_saddr;
#endif
	if (sk->skc_family == AF_INET)
		addr4->sin_addr.s_addr = peer ? sk->skc_daddr :
						sk->skc_rcv_saddr;

	memcpy(to, &addr, sizeof(addr));
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
