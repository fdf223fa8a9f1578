/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What rust/bindings.rs is generated from: the kernel's own types, and the
 * helpers in helpers.c.
 */

#include <linux/ipv6.h>
#include <linux/sysctl.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/request_sock.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>
#include <net/tcp_migrate.h>

#include "helpers.h"
#include "trace.h"

/* Of struct sock_common, which is opaque. */
static const size_t SKC_HASH_OFFSET = offsetof(struct sock_common, skc_hash);
static const size_t SKC_STATE_OFFSET = offsetof(struct sock_common, skc_state);
static const size_t SKC_BOUND_DEV_IF_OFFSET = offsetof(struct sock_common,
						       skc_bound_dev_if);
static const size_t SKC_REFCNT_OFFSET = offsetof(struct sock_common,
						 skc_refcnt);
static const size_t SKC_LISTENER_OFFSET = offsetof(struct sock_common,
						   skc_listener);

/* Of struct sock and what begins with it, which are opaque. */
static const size_t SK_ACK_BACKLOG_OFFSET = offsetof(struct sock,
						     sk_ack_backlog);
static const size_t SK_MAX_ACK_BACKLOG_OFFSET = offsetof(struct sock,
							 sk_max_ack_backlog);
static const size_t ICSK_ACCEPT_QUEUE_OFFSET =
	offsetof(struct inet_connection_sock, icsk_accept_queue);
