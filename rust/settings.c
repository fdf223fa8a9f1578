// SPDX-License-Identifier: GPL-2.0

#include <linux/filter.h>
#include <linux/ipv6.h>
#include <linux/rcupdate.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "helpers.h"

/* The bits in which two fields differ. */
#define XOR(a, b) (READ_ONCE(a) ^ READ_ONCE(b))

/* Where the application has chosen none, children have what is the namespace's
 * by then.
 */
static unsigned long congestion_control(const struct sock *sk)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);
	const struct net *net = sock_net(sk);

	if (icsk->icsk_ca_setsockopt)
		return (unsigned long)READ_ONCE(icsk->icsk_ca_ops);
	return (unsigned long)rcu_access_pointer(net->ipv4.tcp_congestion_control);
}

static unsigned long lingertime(const struct sock *sk)
{
	return sock_flag(sk, SOCK_LINGER) ? READ_ONCE(sk->sk_lingertime) : 0;
}

static int rcvbuf(const struct sock *sk)
{
	return READ_ONCE(sk->sk_userlocks) & SOCK_RCVBUF_LOCK ?
		READ_ONCE(sk->sk_rcvbuf) : 0;
}

static int sndbuf(const struct sock *sk)
{
	return READ_ONCE(sk->sk_userlocks) & SOCK_SNDBUF_LOCK ?
		READ_ONCE(sk->sk_sndbuf) : 0;
}

/* The limit is the listener's, as its backlog is. */
static bool fastopen(const struct sock *sk)
{
	return READ_ONCE(inet_csk(sk)->icsk_accept_queue.fastopenq.max_qlen);
}

static bool has_policy(const struct sock *sk, int direction)
{
#ifdef CONFIG_XFRM
	return rcu_access_pointer(sk->sk_policy[direction]);
#else
	return false;
#endif
}

static void compare_socket(const struct sock *a, const struct sock *b,
			   struct listener_values *differences)
{
	differences->flags = XOR(a->sk_flags, b->sk_flags);
	differences->max_pacing_rate =
		XOR(a->sk_max_pacing_rate, b->sk_max_pacing_rate);
	differences->lingertime = lingertime(a) ^ lingertime(b);
	differences->rcvtimeo = XOR(a->sk_rcvtimeo, b->sk_rcvtimeo);
	differences->sndtimeo = XOR(a->sk_sndtimeo, b->sk_sndtimeo);
	differences->mark = XOR(a->sk_mark, b->sk_mark);
	differences->priority = XOR(a->sk_priority, b->sk_priority);
	differences->tsflags = XOR(a->sk_tsflags, b->sk_tsflags);
	differences->bind_phc = XOR(a->sk_bind_phc, b->sk_bind_phc);
	differences->rcvbuf = rcvbuf(a) ^ rcvbuf(b);
	differences->sndbuf = sndbuf(a) ^ sndbuf(b);
	differences->rcvlowat = XOR(a->sk_rcvlowat, b->sk_rcvlowat);
	differences->peek_off = XOR(a->sk_peek_off, b->sk_peek_off);
	differences->userlocks = XOR(a->sk_userlocks, b->sk_userlocks);
	differences->reuse = a->sk_reuse ^ b->sk_reuse;
	differences->reuseport = a->sk_reuseport ^ b->sk_reuseport;
	differences->no_check_tx = a->sk_no_check_tx ^ b->sk_no_check_tx;
	differences->txrehash = XOR(a->sk_txrehash, b->sk_txrehash);
	differences->clockid = XOR(a->sk_clockid, b->sk_clockid);
	differences->txtime_deadline_mode =
		a->sk_txtime_deadline_mode ^ b->sk_txtime_deadline_mode;
	differences->txtime_report_errors =
		a->sk_txtime_report_errors ^ b->sk_txtime_report_errors;
#ifdef CONFIG_NET_RX_BUSY_POLL
	differences->ll_usec = XOR(a->sk_ll_usec, b->sk_ll_usec);
	differences->busy_poll_budget =
		XOR(a->sk_busy_poll_budget, b->sk_busy_poll_budget);
	differences->prefer_busy_poll =
		XOR(a->sk_prefer_busy_poll, b->sk_prefer_busy_poll);
#endif
	differences->has_policy[0] = has_policy(a, 0) ^ has_policy(b, 0);
	differences->has_policy[1] = has_policy(a, 1) ^ has_policy(b, 1);
}

static void compare_tcp(const struct sock *a, const struct sock *b,
			struct listener_values *differences)
{
	const struct inet_connection_sock *icsk_a = inet_csk(a);
	const struct inet_connection_sock *icsk_b = inet_csk(b);
	const struct tcp_sock *tp_a = tcp_sk(a);
	const struct tcp_sock *tp_b = tcp_sk(b);

	differences->congestion_control =
		congestion_control(a) ^ congestion_control(b);
	differences->user_timeout =
		XOR(icsk_a->icsk_user_timeout, icsk_b->icsk_user_timeout);
	differences->rto_min = XOR(icsk_a->icsk_rto_min, icsk_b->icsk_rto_min);
	differences->rto_max = XOR(icsk_a->icsk_rto_max, icsk_b->icsk_rto_max);
	differences->delack_max =
		XOR(icsk_a->icsk_delack_max, icsk_b->icsk_delack_max);
	differences->syn_retries =
		XOR(icsk_a->icsk_syn_retries, icsk_b->icsk_syn_retries);
	differences->in_pingpong_mode =
		inet_csk_in_pingpong_mode((struct sock *)a) ^
		inet_csk_in_pingpong_mode((struct sock *)b);
	differences->defer_accept =
		XOR(icsk_a->icsk_accept_queue.rskq_defer_accept,
		    icsk_b->icsk_accept_queue.rskq_defer_accept);
	differences->fastopen = fastopen(a) ^ fastopen(b);
	differences->keepalive_time =
		XOR(tp_a->keepalive_time, tp_b->keepalive_time);
	differences->keepalive_intvl =
		XOR(tp_a->keepalive_intvl, tp_b->keepalive_intvl);
	differences->keepalive_probes =
		XOR(tp_a->keepalive_probes, tp_b->keepalive_probes);
	differences->linger2 = XOR(tp_a->linger2, tp_b->linger2);
	differences->notsent_lowat =
		XOR(tp_a->notsent_lowat, tp_b->notsent_lowat);
	differences->window_clamp = XOR(tp_a->window_clamp, tp_b->window_clamp);
	differences->tcp_tx_delay = XOR(tp_a->tcp_tx_delay, tp_b->tcp_tx_delay);
	differences->user_mss =
		XOR(tp_a->rx_opt.user_mss, tp_b->rx_opt.user_mss);
	differences->nonagle = tp_a->nonagle ^ tp_b->nonagle;
	differences->save_syn = tp_a->save_syn ^ tp_b->save_syn;
	differences->thin_lto = tp_a->thin_lto ^ tp_b->thin_lto;
	differences->recvmsg_inq = tp_a->recvmsg_inq ^ tp_b->recvmsg_inq;
	differences->fastopen_connect =
		tp_a->fastopen_connect ^ tp_b->fastopen_connect;
	differences->fastopen_no_cookie =
		tp_a->fastopen_no_cookie ^ tp_b->fastopen_no_cookie;
	differences->repair = tp_a->repair ^ tp_b->repair;
	differences->repair_queue = XOR(tp_a->repair_queue, tp_b->repair_queue);
}

static void compare_inet(const struct sock *a, const struct sock *b,
			 struct listener_values *differences)
{
	const struct inet_sock *inet_a = inet_sk(a);
	const struct inet_sock *inet_b = inet_sk(b);

	differences->inet_flags = XOR(inet_a->inet_flags, inet_b->inet_flags);
	differences->uc_index = XOR(inet_a->uc_index, inet_b->uc_index);
	differences->local_port_range =
		XOR(inet_a->local_port_range, inet_b->local_port_range);
	differences->uc_ttl = XOR(inet_a->uc_ttl, inet_b->uc_ttl);
	differences->tos = XOR(inet_a->tos, inet_b->tos);
	differences->min_ttl = XOR(inet_a->min_ttl, inet_b->min_ttl);
	differences->pmtudisc = XOR(inet_a->pmtudisc, inet_b->pmtudisc);
}

static void compare_inet6(const struct ipv6_pinfo *a,
			  const struct ipv6_pinfo *b,
			  struct listener_values *differences)
{
	differences->frag_size = XOR(a->frag_size, b->frag_size);
	differences->ucast_oif = XOR(a->ucast_oif, b->ucast_oif);
	differences->rxopt = XOR(a->rxopt.all, b->rxopt.all);
	differences->hop_limit = XOR(a->hop_limit, b->hop_limit);
	differences->tclass = XOR(a->tclass, b->tclass);
	differences->min_hopcount = XOR(a->min_hopcount, b->min_hopcount);
	differences->pmtudisc6 = XOR(a->pmtudisc, b->pmtudisc);
	differences->srcprefs = XOR(a->srcprefs, b->srcprefs);
}

/* The bits in which two listeners of one address family differ. What setsockopt()
 * changes under the socket's lock only, as it does bit-fields, may be changing
 * meanwhile.
 */
void rust_helper_listener_values_compare(const struct sock *a,
					 const struct sock *b,
					 struct listener_values *differences)
{
	const struct ipv6_pinfo *np_a = inet6_sk(a);
	const struct ipv6_pinfo *np_b = inet6_sk(b);

	static_assert(offsetofend(struct listener_values, srcprefs) ==
		      sizeof(*differences));

	memset(differences, 0, sizeof(*differences));
	compare_socket(a, b, differences);
	compare_tcp(a, b, differences);
	compare_inet(a, b, differences);
	if (np_a && np_b)
		compare_inet6(np_a, np_b, differences);
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
	if (!fastopen(sk) || sock_flag(sk, SOCK_DEAD))
		return NULL;
	return tcp_fastopen_get_ctx((struct sock *)sk);
}

const struct ipv6_txoptions *rust_helper_listener_options(const struct sock *sk)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);

	return np ? rcu_dereference(np->opt) : NULL;
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
