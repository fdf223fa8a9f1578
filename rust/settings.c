// SPDX-License-Identifier: GPL-2.0

#include <linux/filter.h>
#include <linux/ipv6.h>
#include <linux/rcupdate.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

#include "helpers.h"

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

static void read_socket(struct listener_values *values, const struct sock *sk)
{
	values->flags = READ_ONCE(sk->sk_flags);
	values->max_pacing_rate = READ_ONCE(sk->sk_max_pacing_rate);
	values->lingertime = READ_ONCE(sk->sk_lingertime);
	values->rcvtimeo = READ_ONCE(sk->sk_rcvtimeo);
	values->sndtimeo = READ_ONCE(sk->sk_sndtimeo);
	values->mark = READ_ONCE(sk->sk_mark);
	values->priority = READ_ONCE(sk->sk_priority);
	values->tsflags = READ_ONCE(sk->sk_tsflags);
	values->bind_phc = READ_ONCE(sk->sk_bind_phc);
	values->rcvbuf = READ_ONCE(sk->sk_rcvbuf);
	values->sndbuf = READ_ONCE(sk->sk_sndbuf);
	values->rcvlowat = READ_ONCE(sk->sk_rcvlowat);
	values->peek_off = READ_ONCE(sk->sk_peek_off);
	values->userlocks = READ_ONCE(sk->sk_userlocks);
	values->reuse = sk->sk_reuse;
	values->reuseport = sk->sk_reuseport;
	values->no_check_tx = sk->sk_no_check_tx;
	values->txrehash = READ_ONCE(sk->sk_txrehash);
	values->clockid = READ_ONCE(sk->sk_clockid);
	values->txtime_deadline_mode = sk->sk_txtime_deadline_mode;
	values->txtime_report_errors = sk->sk_txtime_report_errors;
#ifdef CONFIG_NET_RX_BUSY_POLL
	values->ll_usec = READ_ONCE(sk->sk_ll_usec);
	values->busy_poll_budget = READ_ONCE(sk->sk_busy_poll_budget);
	values->prefer_busy_poll = READ_ONCE(sk->sk_prefer_busy_poll);
#endif
#ifdef CONFIG_XFRM
	values->has_policy[0] = !!rcu_access_pointer(sk->sk_policy[0]);
	values->has_policy[1] = !!rcu_access_pointer(sk->sk_policy[1]);
#endif
}

static void read_tcp(struct listener_values *values, const struct sock *sk)
{
	const struct inet_connection_sock *icsk = inet_csk(sk);
	const struct tcp_sock *tp = tcp_sk(sk);

	values->congestion_control = congestion_control(sk);
	values->user_timeout = READ_ONCE(icsk->icsk_user_timeout);
	values->rto_min = READ_ONCE(icsk->icsk_rto_min);
	values->rto_max = READ_ONCE(icsk->icsk_rto_max);
	values->delack_max = READ_ONCE(icsk->icsk_delack_max);
	values->syn_retries = READ_ONCE(icsk->icsk_syn_retries);
	values->in_pingpong_mode = inet_csk_in_pingpong_mode((struct sock *)sk);
	values->defer_accept =
		READ_ONCE(icsk->icsk_accept_queue.rskq_defer_accept);
	values->fastopen_max_qlen =
		READ_ONCE(icsk->icsk_accept_queue.fastopenq.max_qlen);
	values->keepalive_time = READ_ONCE(tp->keepalive_time);
	values->keepalive_intvl = READ_ONCE(tp->keepalive_intvl);
	values->keepalive_probes = READ_ONCE(tp->keepalive_probes);
	values->linger2 = READ_ONCE(tp->linger2);
	values->notsent_lowat = READ_ONCE(tp->notsent_lowat);
	values->window_clamp = READ_ONCE(tp->window_clamp);
	values->tcp_tx_delay = READ_ONCE(tp->tcp_tx_delay);
	values->user_mss = READ_ONCE(tp->rx_opt.user_mss);
	values->nonagle = tp->nonagle;
	values->save_syn = tp->save_syn;
	values->thin_lto = tp->thin_lto;
	values->recvmsg_inq = tp->recvmsg_inq;
	values->fastopen_connect = tp->fastopen_connect;
	values->fastopen_no_cookie = tp->fastopen_no_cookie;
	values->repair = tp->repair;
	values->repair_queue = READ_ONCE(tp->repair_queue);
}

static void read_inet(struct listener_values *values, const struct sock *sk)
{
	const struct inet_sock *inet = inet_sk(sk);

	values->inet_flags = READ_ONCE(inet->inet_flags);
	values->uc_index = READ_ONCE(inet->uc_index);
	values->local_port_range = READ_ONCE(inet->local_port_range);
	values->uc_ttl = READ_ONCE(inet->uc_ttl);
	values->tos = READ_ONCE(inet->tos);
	values->min_ttl = READ_ONCE(inet->min_ttl);
	values->pmtudisc = READ_ONCE(inet->pmtudisc);
}

static void read_inet6(struct listener_values *values,
		       const struct ipv6_pinfo *np)
{
	values->frag_size = READ_ONCE(np->frag_size);
	values->ucast_oif = READ_ONCE(np->ucast_oif);
	values->rxopt = READ_ONCE(np->rxopt.all);
	values->hop_limit = READ_ONCE(np->hop_limit);
	values->tclass = READ_ONCE(np->tclass);
	values->min_hopcount = READ_ONCE(np->min_hopcount);
	values->pmtudisc6 = READ_ONCE(np->pmtudisc);
	values->srcprefs = READ_ONCE(np->srcprefs);
}

/* What setsockopt() changes under the socket's lock only, as it does bit-fields,
 * may be changing meanwhile.
 */
void rust_helper_listener_settings_read(struct listener_settings *settings,
					const struct sock *sk)
{
	const struct ipv6_pinfo *np = inet6_sk(sk);
	const struct sk_filter *filter;

	memset(settings, 0, sizeof(*settings));
	read_socket(&settings->values, sk);
	read_tcp(&settings->values, sk);
	read_inet(&settings->values, sk);
	if (np) {
		read_inet6(&settings->values, np);
		settings->options = rcu_dereference(np->opt);
	}

	filter = rcu_dereference(sk->sk_filter);
	if (filter)
		settings->filter = filter->prog;

	/* tcp_fastopen_destroy_cipher() frees them, after a grace period, and
	 * leaves the pointer behind.
	 */
	if (!sock_flag(sk, SOCK_DEAD))
		settings->fastopen_keys = tcp_fastopen_get_ctx(sk);
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
