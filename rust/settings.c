// SPDX-License-Identifier: GPL-2.0
/*
 * Whether two listeners have the same settings; Documentation/settings.rst says
 * which there are.
 *
 * Two sockets are compared word by word, under masks that say which of their bits
 * are settings. The compiler unrolls that: words without settings cost nothing, and
 * the masks become constants in the code.
 *
 * A mask can't say where a bit-field is, nor that a value only counts with another.
 * These are compared before the words that they are a part of. The other way round,
 * the compiler would keep such words in registers.
 *
 * All this is C because it's about fields of C. What it means that listeners differ
 * is up to Rust.
 */

#include <linux/filter.h>
#include <linux/ipv6.h>
#include <linux/rcupdate.h>
#include <linux/unroll.h>
#include <linux/xfrm.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "helpers.h"

/* For each bit of a socket, whether it's a setting. */
union mask {
	u8 bytes[sizeof(struct tcp6_sock)];
	unsigned long words[sizeof(struct tcp6_sock) / sizeof(long)];
};

#define BITS(bits, member...)						\
	.bytes[offsetof(member) ... offsetofend(member) - 1] = (bits)
#define FIELD(member...)	BITS(U8_MAX, member)

static const union mask socket_settings = {
#ifdef CONFIG_NET_RX_BUSY_POLL
	FIELD(struct sock, sk_ll_usec),
	FIELD(struct sock, sk_busy_poll_budget),
	FIELD(struct sock, sk_prefer_busy_poll),
#endif
	BITS(SOCK_BUF_LOCK_MASK, struct sock, sk_userlocks),
	FIELD(struct sock, sk_rcvtimeo),
	FIELD(struct sock, sk_rcvlowat),
	FIELD(struct sock, sk_tsflags),
	FIELD(struct sock, sk_max_pacing_rate),
	FIELD(struct sock, sk_sndtimeo),
	FIELD(struct sock, sk_priority),
	FIELD(struct sock, sk_mark),
	FIELD(struct sock, sk_bind_phc),
	FIELD(struct sock, sk_txrehash),
	FIELD(struct sock, sk_clockid),
};

static const union mask ip_settings = {
	FIELD(struct inet_sock, inet_flags),
	FIELD(struct inet_sock, uc_ttl),
	FIELD(struct inet_sock, tos),
	FIELD(struct inet_sock, min_ttl),
	FIELD(struct inet_sock, pmtudisc),
	FIELD(struct inet_sock, uc_index),
	FIELD(struct inet_sock, local_port_range),
};

static const union mask tcp_settings = {
	FIELD(struct inet_connection_sock, icsk_accept_queue.rskq_defer_accept),
	FIELD(struct inet_connection_sock, icsk_rto_max),
	FIELD(struct inet_connection_sock, icsk_syn_retries),
	FIELD(struct inet_connection_sock, icsk_user_timeout),

	FIELD(struct tcp_sock, notsent_lowat),
	FIELD(struct tcp_sock, repair_queue),
	FIELD(struct tcp_sock, keepalive_probes),
	FIELD(struct tcp_sock, tcp_tx_delay),
	FIELD(struct tcp_sock, keepalive_time),
	FIELD(struct tcp_sock, keepalive_intvl),
	FIELD(struct tcp_sock, linger2),
};

/* Of IPv6 sockets only. */
static const union mask ipv6_settings = {
	FIELD(struct tcp6_sock, inet6.hop_limit),
	FIELD(struct tcp6_sock, inet6.pmtudisc),
	FIELD(struct tcp6_sock, inet6.tclass),
	FIELD(struct tcp6_sock, inet6.frag_size),
	FIELD(struct tcp6_sock, inet6.ucast_oif),
	FIELD(struct tcp6_sock, inet6.rxopt.all),
	FIELD(struct tcp6_sock, inet6.srcprefs),
	FIELD(struct tcp6_sock, inet6.min_hopcount),
};

/* Those that tcp_disconnect() resets. */
static const union mask forgotten_settings = {
	FIELD(struct sock, sk_peek_off),
	FIELD(struct inet_connection_sock, icsk_rto_min),
	FIELD(struct inet_connection_sock, icsk_delack_max),
	FIELD(struct tcp_sock, window_clamp),
	FIELD(struct tcp_sock, rx_opt.user_mss),
};

/* Of an IPv6 socket, which stays one in memory after IPV6_ADDRFORM. */
#define tcp6(sk)	container_of_const(tcp_sk(sk), struct tcp6_sock, tcp)

static bool is_ipv6(const struct sock *sk)
{
	return READ_ONCE(sk->sk_family) == AF_INET6;
}

static bool both_ipv6(const struct sock *a, const struct sock *b)
{
	return is_ipv6(a) && is_ipv6(b);
}

static __always_inline bool words_equal(const struct sock *a,
					const struct sock *b,
					const union mask *mask)
{
	const unsigned long *words_a = (const unsigned long *)a;
	const unsigned long *words_b = (const unsigned long *)b;
	unsigned long differences = 0;
	size_t i;

	unrolled_full
	for (i = 0; i < ARRAY_SIZE(mask->words); i++)
		if (mask->words[i])
			differences |= (words_a[i] ^ words_b[i]) &
				       mask->words[i];

	return !differences;
}

/* The flags that are settings; others say what state a socket is in. */
#define SETTING_FLAGS							\
	(BIT(SOCK_URGINLINE) | BIT(SOCK_KEEPOPEN) | BIT(SOCK_LINGER) |	\
	 BIT(SOCK_BROADCAST) | BIT(SOCK_DBG) | BIT(SOCK_RCVTSTAMP) |	\
	 BIT(SOCK_RCVTSTAMPNS) | BIT(SOCK_LOCALROUTE) |			\
	 BIT(SOCK_RXQ_OVFL) | BIT(SOCK_ZEROCOPY) |			\
	 BIT(SOCK_WIFI_STATUS) | BIT(SOCK_NOFCS) |			\
	 BIT(SOCK_FILTER_LOCKED) | BIT(SOCK_SELECT_ERR_QUEUE) |		\
	 BIT(SOCK_TXTIME) | BIT(SOCK_TSTAMP_NEW) | BIT(SOCK_RCVMARK) |	\
	 BIT(SOCK_RCVPRIORITY))

/* A push that has been asked for is no setting. */
#define NAGLE	(TCP_NAGLE_OFF | TCP_NAGLE_CORK)

/* Flags and bit-fields, whose place in a word depends on the architecture. */
static bool bits_equal(const struct sock *a, const struct sock *b)
{
	const struct tcp_sock *tp_a = tcp_sk(a), *tp_b = tcp_sk(b);

	return !((a->sk_flags ^ b->sk_flags) & SETTING_FLAGS) &&
	       a->sk_reuse == b->sk_reuse &&
	       a->sk_reuseport == b->sk_reuseport &&
	       a->sk_no_check_tx == b->sk_no_check_tx &&
	       a->sk_txtime_deadline_mode == b->sk_txtime_deadline_mode &&
	       a->sk_txtime_report_errors == b->sk_txtime_report_errors &&
	       tp_a->repair == tp_b->repair &&
	       tp_a->recvmsg_inq == tp_b->recvmsg_inq &&
	       !((tp_a->nonagle ^ tp_b->nonagle) & NAGLE) &&
	       tp_a->thin_lto == tp_b->thin_lto &&
	       tp_a->fastopen_connect == tp_b->fastopen_connect &&
	       tp_a->fastopen_no_cookie == tp_b->fastopen_no_cookie &&
	       tp_a->save_syn == tp_b->save_syn;
}

/* TCP_CONGESTION. Children of a listener that has chosen none have what is the
 * namespace's by then.
 */
static const void *congestion_control(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);

	if (icsk->icsk_ca_setsockopt)
		return READ_ONCE(icsk->icsk_ca_ops);
	return rcu_access_pointer(sock_net(sk)->ipv4.tcp_congestion_control);
}

static bool congestion_control_equal(const struct sock *a, const struct sock *b)
{
	return (!inet_csk(a)->icsk_ca_setsockopt &&
		!inet_csk(b)->icsk_ca_setsockopt) ||
	       congestion_control(a) == congestion_control(b);
}

static const struct fastopen_queue *fastopenq(const struct sock *sk)
{
	return &inet_csk(sk)->icsk_accept_queue.fastopenq;
}

/* TCP_FASTOPEN: whether there is one. The limit is the listener's, as its backlog
 * is.
 */
static bool fastopen_equal(const struct sock *a, const struct sock *b)
{
	int max_qlen_a = READ_ONCE(fastopenq(a)->max_qlen);
	int max_qlen_b = READ_ONCE(fastopenq(b)->max_qlen);

	return max_qlen_a == max_qlen_b || (max_qlen_a && max_qlen_b);
}

/* Values that count if a flag is set, which both have or neither has. */
static bool flagged_equal(const struct sock *a, const struct sock *b)
{
	return (READ_ONCE(a->sk_lingertime) == READ_ONCE(b->sk_lingertime) ||
		!sock_flag(a, SOCK_LINGER)) &&
	       (READ_ONCE(a->sk_rcvbuf) == READ_ONCE(b->sk_rcvbuf) ||
		!(READ_ONCE(a->sk_userlocks) & SOCK_RCVBUF_LOCK)) &&
	       (READ_ONCE(a->sk_sndbuf) == READ_ONCE(b->sk_sndbuf) ||
		!(READ_ONCE(a->sk_userlocks) & SOCK_SNDBUF_LOCK));
}

/* TCP_QUICKACK, which tcp_disconnect() resets, too. */
static bool quickack_equal(const struct sock *a, const struct sock *b)
{
	return inet_csk(a)->icsk_ack.pingpong == inet_csk(b)->icsk_ack.pingpong ||
	       inet_csk_in_pingpong_mode((struct sock *)a) ==
	       inet_csk_in_pingpong_mode((struct sock *)b);
}

/* IP_XFRM_POLICY: whether there is one. A socket that is destroyed loses it. */
static bool policy_equal(const struct sock *a, const struct sock *b,
			 int direction)
{
#ifdef CONFIG_XFRM
	return !rcu_access_pointer(a->sk_policy[direction]) ==
	       !rcu_access_pointer(b->sk_policy[direction]);
#else
	return true;
#endif
}

static bool values_equal(const struct sock *a, const struct sock *b,
			 bool stopped)
{
	/* Where an application changes a setting meanwhile, either answer is
	 * right. Whatever else changes is masked.
	 */
	return data_race(bits_equal(a, b) &&
			 flagged_equal(a, b) &&
			 congestion_control_equal(a, b) &&
			 fastopen_equal(a, b) &&
			 words_equal(a, b, &socket_settings) &&
			 words_equal(a, b, &ip_settings) &&
			 words_equal(a, b, &tcp_settings) &&
			 (!both_ipv6(a, b) ||
			  words_equal(a, b, &ipv6_settings)) &&
			 (stopped ||
			  (words_equal(a, b, &forgotten_settings) &&
			   quickack_equal(a, b) &&
			   policy_equal(a, b, XFRM_POLICY_IN) &&
			   policy_equal(a, b, XFRM_POLICY_OUT))));
}

static bool pointers_equal(const struct sock *a, const struct sock *b)
{
	return rcu_access_pointer(a->sk_filter) ==
	       rcu_access_pointer(b->sk_filter) &&
	       rcu_access_pointer(fastopenq(a)->ctx) ==
	       rcu_access_pointer(fastopenq(b)->ctx) &&
	       (!both_ipv6(a, b) ||
		rcu_access_pointer(tcp6(a)->inet6.opt) ==
		rcu_access_pointer(tcp6(b)->inet6.opt));
}

/* If @a or @b has @stopped, what is left of its settings is compared. */
enum listener_difference
rust_helper_listener_difference(const struct sock *a, const struct sock *b,
				bool stopped)
{
	if (!values_equal(a, b, stopped))
		return LISTENER_VALUES_DIFFER;
	if (!pointers_equal(a, b))
		return LISTENER_POINTERS_DIFFER;
	return LISTENER_SAME;
}

const struct bpf_prog *rust_helper_listener_filter(const struct sock *sk)
{
	const struct sk_filter *filter = rcu_dereference(sk->sk_filter);

	return filter ? filter->prog : NULL;
}

/* tcp_fastopen_destroy_cipher() frees them, after a grace period, and leaves the
 * pointer behind.
 */
const struct tcp_fastopen_context *
rust_helper_listener_fastopen_keys(const struct sock *sk)
{
	if (!READ_ONCE(fastopenq(sk)->max_qlen) || sock_flag(sk, SOCK_DEAD))
		return NULL;
	return tcp_fastopen_get_ctx(sk);
}

const struct ipv6_txoptions *rust_helper_listener_options(const struct sock *sk)
{
	if (!is_ipv6(sk))
		return NULL;
	return rcu_dereference(tcp6(sk)->inet6.opt);
}

/* The instructions of classic BPF, as they were given to setsockopt(); NULL for
 * other programs.
 */
const void *rust_helper_bpf_prog_classic(const struct bpf_prog *prog, size_t *len)
{
	const struct sock_fprog_kern *fprog = prog->orig_prog;

	if (!fprog)
		return NULL;

	*len = bpf_classic_proglen(fprog);
	return fprog->filter;
}

const void *rust_helper_fastopen_keys(const struct tcp_fastopen_context *ctx,
				      size_t *len)
{
	*len = ctx->num * sizeof(ctx->key[0]);
	return ctx->key;
}
