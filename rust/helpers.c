// SPDX-License-Identifier: GPL-2.0

#include <linux/cgroup.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/rculist_nulls.h>
#include <linux/sock_diag.h>
#include <linux/workqueue.h>
#include <net/inet_connection_sock.h>
#include <net/inet_hashtables.h>
#include <net/inet6_hashtables.h>
#include <net/ipv6.h>
#include <net/l3mdev.h>
#include <net/mptcp.h>
#include <net/netns/generic.h>
#include <net/request_sock.h>
#include <net/sock.h>
#include <net/sock_reuseport.h>
#include <net/tcp.h>
#include <net/tcp_migrate.h>

#include "helpers.h"

__rust_helper bool rust_helper_sock_hold_not_zero(struct sock *sk)
{
	return refcount_inc_not_zero(&sk->sk_refcnt);
}

__rust_helper void rust_helper_sock_hold_many(struct sock *sk, unsigned int n)
{
	refcount_add(n, &sk->sk_refcnt);
}

__rust_helper void rust_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

__rust_helper void rust_helper_sock_put_many(struct sock *sk, unsigned int n)
{
	if (refcount_sub_and_test(n, &sk->sk_refcnt))
		sk_free(sk);
}

__rust_helper void rust_helper_reqsk_put(struct request_sock *req)
{
	reqsk_put(req);
}

/* As inet_sk_state_load(), which has the compiler put what it has loaded in memory, and
 * load it again, because sk_state is volatile.
 */
__rust_helper unsigned char rust_helper_sk_state_load(const struct sock *sk)
{
	/* Pairs with inet_sk_state_store(). */
	return smp_load_acquire((const unsigned char *)&sk->sk_state);
}

/* Nothing is locked. Sockets are freed a grace period later; so are files, or their memory
 * stays a file's.
 */
static struct file *listener_file(const struct sock *sk)
{
	const struct socket *sock = READ_ONCE(sk->sk_socket);

	return sock ? READ_ONCE(sock->file) : NULL;
}

/* Whether its last file descriptor is closed, so that the socket will be, too. It's a
 * hint.
 */
static bool listener_is_closing(const struct sock *sk)
{
	struct file *file = listener_file(sk);

	return file && !file_count(file);
}

__rust_helper bool rust_helper_listener_has_file(const struct sock *sk)
{
	return listener_file(sk);
}

__rust_helper bool rust_helper_listener_lasts(const struct sock *sk)
{
	struct file *file = listener_file(sk);

	return file && file_count(file) && rust_helper_sk_state_load(sk) == TCP_LISTEN;
}

__rust_helper void
rust_helper_listener_identity(const struct sock *sk,
			      struct listener_identity *identity)
{
	identity->uid = __kuid_val(sk_uid(sk));
	identity->bound_dev_if = READ_ONCE(sk->sk_bound_dev_if);
	/* Pairs with WRITE_ONCE() for IPV6_ADDRFORM. */
	identity->family = READ_ONCE(sk->sk_family);
	identity->v6only = ipv6_only_sock(sk);
	identity->one_ipv6 = false;
#if IS_ENABLED(CONFIG_IPV6)
	identity->one_ipv6 = identity->v6only &&
			     !ipv6_addr_any(&sk->sk_v6_rcv_saddr);
#endif
}

__rust_helper void rust_helper_listener_status(const struct sock *sk,
					       struct listener_status *status)
{
	status->ack_backlog = READ_ONCE(sk->sk_ack_backlog);
	status->max_ack_backlog = READ_ONCE(sk->sk_max_ack_backlog);
	status->incoming_cpu = READ_ONCE(sk->sk_incoming_cpu);
	status->listening = rust_helper_sk_state_load(sk) == TCP_LISTEN;
	status->closing = listener_is_closing(sk);
}

__rust_helper bool rust_helper_sk_is_hashed(const struct sock *sk)
{
	return sk_hashed(sk);
}

__rust_helper int rust_helper_sk_incoming_cpu(const struct sock *sk)
{
	return READ_ONCE(sk->sk_incoming_cpu);
}

__rust_helper struct net *rust_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}

__rust_helper struct sock_reuseport *rust_helper_sk_reuseport_cb(const struct sock *sk)
{
	return rcu_dereference(sk->sk_reuseport_cb);
}

__rust_helper bool rust_helper_sk_is_dead(const struct sock *sk)
{
	return sock_flag(sk, SOCK_DEAD);
}

__rust_helper u16 rust_helper_sk_family(const struct sock *sk)
{
	return READ_ONCE(sk->sk_family);
}

__rust_helper bool rust_helper_sk_holds_net(const struct sock *sk)
{
	return sk->sk_net_refcnt;
}

__rust_helper bool rust_helper_sk_reuseport(const struct sock *sk)
{
	return sk->sk_reuseport;
}

/* Whether a successor may bind to the port while there are children, and somebody
 * has chosen that port.
 */
__rust_helper bool rust_helper_listener_has_port(const struct sock *sk)
{
	return (sk->sk_reuse || sk->sk_reuseport) &&
	       (sk->sk_userlocks & SOCK_BINDPORT_LOCK);
}

__rust_helper bool rust_helper_listener_in_repair(const struct sock *sk)
{
	return tcp_sk(sk)->repair;
}

/* inet_num is reset when a socket is destroyed; this isn't. */
static u16 listener_port(const struct sock *sk)
{
	return ntohs(READ_ONCE(inet_sk(sk)->inet_sport));
}

__rust_helper void rust_helper_listener_address(const struct sock *sk,
						struct listener_address *address)
{
	address->ipv6 = sk->sk_family == AF_INET6;
	address->port = listener_port(sk);
	address->v4 = ntohl(sk->sk_rcv_saddr);
#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		memcpy(address->v6, &sk->sk_v6_rcv_saddr, sizeof(address->v6));
#endif
}

/* Who would have a SYN to the address of @sk, without a reference. Programs of
 * sk_lookup see no source address.
 */
struct sock *rust_helper_listener_lookup(const struct sock *sk)
{
	int dif = READ_ONCE(sk->sk_bound_dev_if);

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
		return inet6_lookup_listener(sock_net(sk), NULL, 0,
					     &in6addr_any, 0,
					     &sk->sk_v6_rcv_saddr,
					     listener_port(sk), dif, 0);
#endif
	return __inet_lookup_listener(sock_net(sk), NULL, 0, htonl(INADDR_ANY),
				      0, sk->sk_rcv_saddr, listener_port(sk),
				      dif, 0);
}

/* How well a listener fits, as compute_score() in inet_hashtables.c and
 * inet6_hashtables.c says, but for the CPU. An address of its own counts most; a
 * wildcard is looked up in a second step there. 0 is not at all.
 */
__rust_helper unsigned int
rust_helper_listener_score(const struct sock *sk, const struct net *net,
			   u16 family, const void *daddr, u16 hnum, int dif,
			   int sdif)
{
	int device = READ_ONCE(sk->sk_bound_dev_if);
	unsigned int score = 1;

	if (listener_port(sk) != hnum ||
	    !inet_sk_bound_dev_eq(net, device, dif, sdif))
		return 0;

	if (family == AF_INET) {
		__be32 bound = sk->sk_rcv_saddr;

		if (ipv6_only_sock(sk) ||
		    (bound && bound != *(const __be32 *)daddr))
			return 0;
		if (bound)
			score += 4;
		if (sk->sk_family == AF_INET)
			score += 1;
	}
#if IS_ENABLED(CONFIG_IPV6)
	if (family == AF_INET6) {
		const struct in6_addr *bound = &sk->sk_v6_rcv_saddr;

		if (sk->sk_family != AF_INET6 ||
		    (!ipv6_addr_any(bound) &&
		     !ipv6_addr_equal(bound, daddr)))
			return 0;
		if (!ipv6_addr_any(bound))
			score += 4;
	}
#endif
	return score + (device ? 2 : 0);
}

/* What orphans are found by that are bound to @port, and to @addr unless that's
 * NULL or a wildcard.
 */
__rust_helper u32 rust_helper_orphan_key(u16 family, const void *addr, u16 port)
{
	u32 hash = 0;

	if (addr)
		hash = family == AF_INET6 ?
		       ipv6_addr_hash(addr) :
		       (__force u32)*(const __be32 *)addr;

	return hash_32(hash ^ hash_32(port, 32), 32);
}

__rust_helper u32 rust_helper_listener_orphan_key(const struct sock *sk)
{
	u16 port = listener_port(sk);

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6 &&
	    !ipv6_addr_v4mapped(&sk->sk_v6_rcv_saddr))
		return rust_helper_orphan_key(AF_INET6, &sk->sk_v6_rcv_saddr,
					      port);
#endif
	return rust_helper_orphan_key(AF_INET, &sk->sk_rcv_saddr, port);
}

/* Takes a listener out of lhash2, and its group's listening section. */
__rust_helper void rust_helper_listener_unhash(struct sock *sk)
{
	sk->sk_prot->unhash(sk);
}

/* Ends an orphaned listener, unless somebody else has. */
void rust_helper_orphan_end(struct sock *sk)
{
#ifdef CONFIG_MPTCP
	if (sk_is_mptcp(sk)) {
		struct sock *conn = mptcp_subflow_conn(sk);

		/* Nobody else does. */
		conn->sk_prot->close(conn, 0);
		return;
	}
#endif
	tcp_abort(sk, ECONNABORTED);
}

static u32 *synq_overflow_stamp(struct sock *sk)
{
	struct sock_reuseport *reuse = NULL;

	if (sk->sk_reuseport)
		reuse = rcu_dereference(sk->sk_reuseport_cb);
	return reuse ? &reuse->synq_overflow_ts :
		       (u32 *)&tcp_sk(sk)->rx_opt.ts_recent_stamp;
}

/* Has @to accept the SYN cookies that @from has sent; see tcp_synq_overflow(). */
void rust_helper_listener_share_cookies(struct sock *from, struct sock *to)
{
	u32 sent = READ_ONCE(*synq_overflow_stamp(from));
	u32 *stamp = synq_overflow_stamp(to);
	u32 now = jiffies;

	if (time_between32(now, sent - HZ, sent + TCP_SYNCOOKIE_VALID) &&
	    (tcp_synq_no_recent_overflow(to) || time_before32(READ_ONCE(*stamp), sent)))
		WRITE_ONCE(*stamp, sent);
}

/* A listener has made it, as far as that can be told: see child_is_unread() as well. */
__rust_helper bool rust_helper_child_is_passive(const struct sock *sk)
{
	return !(sk->sk_userlocks & (SOCK_BINDPORT_LOCK | SOCK_CONNECT_BIND));
}

__rust_helper void rust_helper_lock_sock(struct sock *sk)
{
	lock_sock(sk);
}

__rust_helper void rust_helper_release_sock(struct sock *sk)
{
	release_sock(sk);
}

/* Whether the peer may go on with another process, which sees all that it has sent:
 * nothing was read (rcv_nxt counts what was received) or written, which the SYN of
 * connect() counts for, nor has shutdown() ended reading.
 */
__rust_helper bool rust_helper_child_is_unread(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);

	return (sk->sk_state == TCP_CLOSE_WAIT ||
		(sk->sk_state == TCP_ESTABLISHED && !sk->sk_shutdown)) &&
	       tp->copied_seq == tp->rcv_nxt - (u32)tp->bytes_received &&
	       !tp->urg_data && !tp->bytes_acked &&
	       tp->write_seq == tp->snd_una && !sk->sk_err;
}

/* Whether nobody but TCP has to do with @sk, nor has its process asked for what a fresh
 * child can't have: to be reset when it's closed, repair mode, reserved memory, or
 * a filter or timestamps that @listener hasn't got.
 */
__rust_helper bool rust_helper_child_is_plain(const struct sock *sk,
					      const struct sock *listener)
{
	return sk->sk_prot == sk->sk_prot_creator && !sk->sk_user_data &&
	       !inet_csk(sk)->icsk_ulp_ops && !sk_is_mptcp(sk) &&
	       sk->sk_data_ready == sock_def_readable &&
	       !(sock_flag(sk, SOCK_LINGER) && !sk->sk_lingertime) &&
	       !tcp_sk(sk)->repair && !sk->sk_reserved_mem &&
	       rcu_access_pointer(sk->sk_filter) ==
	       rcu_access_pointer(listener->sk_filter) &&
	       sk->sk_tsflags == READ_ONCE(listener->sk_tsflags) &&
	       sock_flag(sk, SOCK_RCVTSTAMP) ==
	       sock_flag(listener, SOCK_RCVTSTAMP);
}

/* Has @sk behave as a fresh child of @listener where that's more than how it sends. */
void rust_helper_child_refresh(struct sock *sk, const struct sock *listener)
{
	WRITE_ONCE(sk->sk_rcvlowat, READ_ONCE(listener->sk_rcvlowat));
	WRITE_ONCE(sk->sk_rcvtimeo, READ_ONCE(listener->sk_rcvtimeo));
	WRITE_ONCE(sk->sk_sndtimeo, READ_ONCE(listener->sk_sndtimeo));
	WRITE_ONCE(sk->sk_peek_off, READ_ONCE(listener->sk_peek_off));
	sk->sk_lingertime = READ_ONCE(listener->sk_lingertime);
	sock_valbool_flag(sk, SOCK_LINGER, sock_flag(listener, SOCK_LINGER));
	tcp_sk(sk)->nonagle = tcp_sk(listener)->nonagle;
	tcp_sk(sk)->recvmsg_inq = tcp_sk(listener)->recvmsg_inq;
}

/* A request that stands for @sk in the queue of @listener, with a reference on that. Any
 * context.
 */
struct request_sock *rust_helper_child_request(struct sock *sk,
					       struct sock *listener)
{
	const struct request_sock_ops *ops = &tcp_request_sock_ops;
	struct request_sock *req;

#if IS_ENABLED(CONFIG_IPV6)
	if (sk->sk_family == AF_INET6)
		ops = &tcp6_request_sock_ops;
#endif
	req = inet_reqsk_alloc(ops, listener, true);
	if (!req)
		return NULL;

	tcp_rsk(req)->tfo_listener = false;
#if IS_ENABLED(CONFIG_MPTCP)
	tcp_rsk(req)->is_mptcp = 0;
	tcp_rsk(req)->drop_req = false;
#endif
	req->sk = sk;
	refcount_set(&req->rsk_refcnt, 1);
	return req;
}

/* Whether whoever owns @listener may see what was sent to the owner of @sk: it's the same
 * user, or root of the network namespace. A worker that accepts connections often isn't
 * the user that has opened the listener.
 */
__rust_helper bool rust_helper_child_owner_fits(const struct sock *sk,
						const struct sock *listener)
{
	kuid_t uid = sk_uid(listener);

	return uid_eq(uid, sk_uid(sk)) ||
	       uid_eq(uid, make_kuid(sock_net(sk)->user_ns, 0));
}

/* Whether the current process, which is dying, does so of a signal. Threads that the kernel
 * has added to it, such as those of io_uring, exit by themselves then.
 */
__rust_helper bool rust_helper_current_is_killed(void)
{
	const struct signal_struct *signal = current->signal;

	return (signal->flags & SIGNAL_GROUP_EXIT) && (signal->group_exit_code & 0x7f);
}

/* All namespaces share the table. */
static struct inet_hashinfo *listeners(void)
{
	return init_net.ipv4.tcp_death_row.hashinfo;
}

__rust_helper unsigned int rust_helper_lhash2_size(void)
{
	return listeners()->lhash2_mask + 1;
}

static struct sock *lhash2_sock(struct hlist_nulls_node *node)
{
	return is_a_nulls(node) ? NULL :
				  hlist_nulls_entry(node, struct sock, sk_nulls_node);
}

__rust_helper struct sock *rust_helper_lhash2_first(unsigned int bucket)
{
	struct hlist_nulls_head *head = &listeners()->lhash2[bucket].nulls_head;

	return lhash2_sock(rcu_dereference(hlist_nulls_first_rcu(head)));
}

__rust_helper struct sock *rust_helper_lhash2_next(struct sock *sk)
{
	return lhash2_sock(rcu_dereference(hlist_nulls_next_rcu(&sk->sk_nulls_node)));
}

/* Locks it as lock_sock() does, unless somebody else has: that may be for as long as
 * a page of user memory takes to come. Process context.
 */
bool rust_helper_listener_trylock(struct sock *sk)
{
	bool locked;

	spin_lock_bh(&sk->sk_lock.slock);
	locked = !sock_owned_by_user_nocheck(sk);
	if (locked)
		sk->sk_lock.owned = 1;
	spin_unlock_bh(&sk->sk_lock.slock);
	if (locked)
		mutex_acquire(&sk->sk_lock.dep_map, 0, 1, _RET_IP_);
	return locked;
}

/* Of MPTCP, the file is that of the whole. */
bool rust_helper_listener_is_nonblocking(struct sock *sk)
{
	struct socket *sock;

#ifdef CONFIG_MPTCP
	if (sk_is_mptcp(sk))
		sk = mptcp_subflow_conn(sk);
#endif
	sock = READ_ONCE(sk->sk_socket);
	return sock && sock->file &&
	       READ_ONCE(sock->file->f_flags) & O_NONBLOCK;
}

__rust_helper u64 rust_helper_sk_cookie(struct sock *sk)
{
	u32 cookie[2];

	sock_diag_save_cookie(sk, cookie);
	return (u64)cookie[1] << 32 | cookie[0];
}

__rust_helper int rust_helper_ir_iif(struct sock *req)
{
	return inet_rsk(inet_reqsk(req))->ir_iif;
}

__rust_helper int rust_helper_l3mdev_master_ifindex(const struct sock *sk, int ifindex)
{
	return l3mdev_master_ifindex_by_index(sock_net(sk), ifindex);
}

__rust_helper const struct tcp_ulp_ops *rust_helper_sk_ulp_ops(const struct sock *sk)
{
	return READ_ONCE(inet_csk(sk)->icsk_ulp_ops);
}

__rust_helper bool rust_helper_sk_is_mptcp(const struct sock *sk)
{
	return sk_is_mptcp(sk);
}

__rust_helper bool rust_helper_rsk_is_mptcp(struct sock *req)
{
	return rsk_is_mptcp(inet_reqsk(req));
}

__rust_helper bool rust_helper_rsk_is_mptcp_join(struct sock *req)
{
#ifdef CONFIG_MPTCP
	return rsk_is_mptcp(inet_reqsk(req)) &&
	       mptcp_subflow_reqsk_is_join(inet_reqsk(req));
#else
	return false;
#endif
}

__rust_helper bool rust_helper_rsk_asks_for_smc(struct sock *req)
{
	return IS_ENABLED(CONFIG_SMC) && inet_rsk(inet_reqsk(req))->smc_ok;
}

__rust_helper bool rust_helper_sk_is_smc(const struct sock *sk)
{
#if IS_ENABLED(CONFIG_SMC)
	return tcp_sk(sk)->syn_smc;
#else
	return false;
#endif
}

__rust_helper bool rust_helper_sk_has_default_data_ready(const struct sock *sk)
{
	return READ_ONCE(sk->sk_data_ready) == sock_def_readable;
}

__rust_helper bool rust_helper_sk_data_ready_fits(const struct sock *child,
						  const struct sock *sk)
{
	void (*data_ready)(struct sock *sk) = READ_ONCE(child->sk_data_ready);

	return data_ready == sock_def_readable ||
	       data_ready == READ_ONCE(sk->sk_data_ready);
}

__rust_helper bool rust_helper_sk_has_fasync(const struct sock *sk)
{
	return sock_flag(sk, SOCK_FASYNC);
}

__rust_helper void rust_helper_sk_data_ready(struct sock *sk)
{
	void (*data_ready)(struct sock *sk) = READ_ONCE(sk->sk_data_ready);

	data_ready(sk);
}

/* As sock_def_readable() does, but for n exclusive waiters. */
__rust_helper void rust_helper_sk_wake_acceptors(struct sock *sk, unsigned int n)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		__wake_up(&wq->wait, TASK_INTERRUPTIBLE, n,
			  poll_to_key(EPOLLIN | EPOLLPRI | EPOLLRDNORM |
				      EPOLLRDBAND));
	rcu_read_unlock();
}

__rust_helper bool rust_helper_sk_shares_cgroup(struct sock *a, struct sock *b)
{
#ifdef CONFIG_CGROUP_NET_CLASSID
	if (sock_cgroup_classid(&a->sk_cgrp_data) !=
	    sock_cgroup_classid(&b->sk_cgrp_data))
		return false;
#endif
#ifdef CONFIG_SOCK_CGROUP_DATA
	return sock_cgroup_ptr(&a->sk_cgrp_data) ==
	       sock_cgroup_ptr(&b->sk_cgrp_data) &&
	       sock_cgroup_prioidx(&a->sk_cgrp_data) ==
	       sock_cgroup_prioidx(&b->sk_cgrp_data);
#else
	return true;
#endif
}

/* Readers of a socket's cgroup that don't lock the socket are under RCU. */
void rust_helper_sk_enter_cgroup(struct sock *child, struct sock *sk)
{
#ifdef CONFIG_SOCK_CGROUP_DATA
	struct sock_cgroup_data former = child->sk_cgrp_data;

	if (rust_helper_sk_shares_cgroup(child, sk))
		return;

	cgroup_sk_clone(&sk->sk_cgrp_data);
	WRITE_ONCE(child->sk_cgrp_data.cgroup, sk->sk_cgrp_data.cgroup);
#ifdef CONFIG_CGROUP_NET_CLASSID
	sock_cgroup_set_classid(&child->sk_cgrp_data,
				sock_cgroup_classid(&sk->sk_cgrp_data));
#endif
	sock_cgroup_set_prioidx(&child->sk_cgrp_data,
				sock_cgroup_prioidx(&sk->sk_cgrp_data));
	cgroup_sk_free(&former);
#endif
}

__rust_helper void rust_helper_queue_lock_bh(struct request_sock_queue *queue)
{
	spin_lock_bh(&queue->rskq_lock);
}

__rust_helper void rust_helper_queue_unlock_bh(struct request_sock_queue *queue)
{
	spin_unlock_bh(&queue->rskq_lock);
}

__rust_helper void rust_helper_fastopen_lock_bh(struct request_sock_queue *queue)
{
	spin_lock_bh(&queue->fastopenq.lock);
}

__rust_helper void rust_helper_fastopen_unlock_bh(struct request_sock_queue *queue)
{
	spin_unlock_bh(&queue->fastopenq.lock);
}

/* False, and not locked, when a process owns the child: ss -K, or a BPF
 * iterator.
 */
__rust_helper bool rust_helper_child_trylock_bh(struct sock *child)
{
	local_bh_disable();
	bh_lock_sock(child);
	if (!sock_owned_by_user(child)) {
		sock_hold(child);
		return true;
	}
	bh_unlock_sock(child);
	local_bh_enable();
	return false;
}

__rust_helper void rust_helper_child_unlock_bh(struct sock *child)
{
	bh_unlock_sock(child);
	local_bh_enable();
	sock_put(child);
}

__rust_helper void rust_helper_reqsk_hold(struct request_sock *req)
{
	refcount_inc(&req->rsk_refcnt);
}

__rust_helper void rust_helper_ehash_lock(struct request_sock *req)
{
	spin_lock(inet_ehash_lockp(tcp_get_hashinfo(req_to_sk(req)), req->rsk_hash));
}

__rust_helper void rust_helper_ehash_unlock(struct request_sock *req)
{
	spin_unlock(inet_ehash_lockp(tcp_get_hashinfo(req_to_sk(req)), req->rsk_hash));
}

__rust_helper void
rust_helper_reqsk_queue_uncharge(struct request_sock_queue *queue,
				 const struct request_sock *req)
{
	reqsk_queue_removed(queue, req);
}

__rust_helper u16 rust_helper_reuseport_num_socks(const struct sock_reuseport *reuse)
{
	u16 num_socks = READ_ONCE(reuse->num_socks);

	/* Pairs with smp_wmb() in __reuseport_add_sock(). */
	smp_rmb();
	return num_socks;
}

__rust_helper struct sock *
rust_helper_reuseport_sock(const struct sock_reuseport *reuse, unsigned int i)
{
	return READ_ONCE(reuse->socks[i]);
}

__rust_helper bool rust_helper_reuseport_has_incoming_cpu(const struct sock_reuseport *reuse)
{
	/* Pairs with WRITE_ONCE() in __reuseport_get_incoming_cpu() and
	 * __reuseport_put_incoming_cpu().
	 */
	return READ_ONCE(reuse->incoming_cpu);
}

__rust_helper struct bpf_prog *rust_helper_reuseport_prog(const struct sock_reuseport *reuse)
{
	return rcu_dereference(reuse->prog);
}

__rust_helper bool rust_helper_bpf_prog_migrates(const struct bpf_prog *prog)
{
	/* Socket filters may have any attach type. */
	return prog->type == BPF_PROG_TYPE_SK_REUSEPORT &&
	       prog->expected_attach_type == BPF_SK_REUSEPORT_SELECT_OR_MIGRATE;
}

/* Programs run with bottom halves off, as for a packet. */
__rust_helper struct sock *
rust_helper_run_sk_reuseport(struct sock_reuseport *reuse, struct sock *sk,
			     struct bpf_prog *prog, struct sk_buff *skb,
			     struct sock *migrating_sk)
{
	struct sock *selected;

	local_bh_disable();
	selected = bpf_run_sk_reuseport(reuse, sk, prog, skb, migrating_sk,
					migrating_sk->sk_hash);
	local_bh_enable();
	return selected;
}

__rust_helper struct sk_buff *rust_helper_empty_skb_alloc(void)
{
	return alloc_skb(0, GFP_ATOMIC | __GFP_NOWARN);
}

__rust_helper void rust_helper_kfree_skb(struct sk_buff *skb)
{
	kfree_skb(skb);
}

__rust_helper bool rust_helper_tcp_keys_in_use(void)
{
#ifdef CONFIG_TCP_MD5SIG
	if (static_branch_unlikely(&tcp_md5_needed.key))
		return true;
#endif
#ifdef CONFIG_TCP_AO
	if (static_branch_unlikely(&tcp_ao_needed.key))
		return true;
#endif
	return false;
}

/* Both stay when their last key is removed. */
__rust_helper bool rust_helper_has_keys(const struct sock *sk)
{
#ifdef CONFIG_TCP_MD5SIG
	if (rcu_access_pointer(tcp_sk(sk)->md5sig_info))
		return true;
#endif
#ifdef CONFIG_TCP_AO
	if (rcu_access_pointer(tcp_sk(sk)->ao_info))
		return true;
#endif
	return false;
}

__rust_helper struct tcp_md5sig_key *
rust_helper_request_md5_key(const struct sock *sk, struct sock *req)
{
#ifdef CONFIG_TCP_MD5SIG
	return tcp_rsk(inet_reqsk(req))->af_specific->req_md5_lookup(sk, req);
#else
	return NULL;
#endif
}

__rust_helper struct tcp_md5sig_key *
rust_helper_child_md5_key(const struct sock *sk, struct sock *child)
{
#ifdef CONFIG_TCP_MD5SIG
	return tcp_sk(child)->af_specific->md5_lookup(sk, child);
#else
	return NULL;
#endif
}

__rust_helper u8 rust_helper_md5_key_copy(const struct tcp_md5sig_key *key, u8 *bytes)
{
	u8 len = READ_ONCE(key->keylen);

	/* As in tcp_md5_hash_key(): setsockopt() may change it meanwhile. */
	data_race(memcpy(bytes, key->key, len));
	return len;
}

__rust_helper struct tcp_ao_key *
rust_helper_request_ao_key(const struct sock *sk, struct sock *req, int sndid,
			   int rcvid)
{
#ifdef CONFIG_TCP_AO
	return tcp_rsk(inet_reqsk(req))->af_specific->ao_lookup(sk, inet_reqsk(req),
								sndid, rcvid);
#else
	return NULL;
#endif
}

__rust_helper struct tcp_ao_key *rust_helper_child_ao_key(const struct sock *sk,
							  struct sock *child,
							  int sndid, int rcvid)
{
#ifdef CONFIG_TCP_AO
	return tcp_sk(child)->af_specific->ao_lookup(sk, child, sndid, rcvid);
#else
	return NULL;
#endif
}

/* False if the request began without TCP-AO. Otherwise the keys of its listener
 * @sk for its segments and its peer's, or NULL where one has been removed.
 */
__rust_helper bool rust_helper_request_ao_keys(const struct sock *sk,
					       struct sock *req,
					       struct tcp_ao_key **send,
					       struct tcp_ao_key **receive)
{
#ifdef CONFIG_TCP_AO
	const struct tcp_request_sock *treq = tcp_rsk(inet_reqsk(req));

	if (!tcp_rsk_used_ao(inet_reqsk(req)))
		return false;

	*send = rust_helper_request_ao_key(sk, req, treq->ao_keyid, -1);
	*receive = rust_helper_request_ao_key(sk, req, -1, treq->ao_rcv_next);
	return true;
#else
	return false;
#endif
}

/* False if the child is without TCP-AO. Otherwise its keys for its segments, and
 * the one that it has its peer use next.
 */
__rust_helper bool rust_helper_child_ao_keys(const struct sock *child,
					     struct tcp_ao_key **send,
					     struct tcp_ao_key **receive)
{
#ifdef CONFIG_TCP_AO
	const struct tcp_ao_info *ao = rcu_dereference(tcp_sk(child)->ao_info);

	if (!ao)
		return false;

	*send = READ_ONCE(ao->current_key);
	*receive = READ_ONCE(ao->rnext_key);
	return true;
#else
	return false;
#endif
}

/* Whether segments without a signature are dropped from every peer. */
__rust_helper bool rust_helper_ao_required(const struct sock *sk)
{
#ifdef CONFIG_TCP_AO
	const struct tcp_ao_info *ao = rcu_dereference(tcp_sk(sk)->ao_info);

	return ao && ao->ao_required;
#else
	return false;
#endif
}

__rust_helper bool rust_helper_reqsk_timer_delete(struct request_sock *req)
{
	return timer_delete(&req->rsk_timer);
}

__rust_helper void rust_helper_reqsk_refcnt_set(struct request_sock *req, int n)
{
	/* Lookups may still find the memory under its former key. */
	refcount_set_release(&req->rsk_refcnt, n);
}

__rust_helper void *rust_helper_net_generic(const struct net *net, unsigned int id)
{
	return net_generic(net, id);
}

__rust_helper void rust_helper_net_add_migrated(struct net *net, unsigned int n)
{
	NET_ADD_STATS(net, LINUX_MIB_TCPMIGRATEREQSUCCESS, n);
}

__rust_helper void rust_helper_net_add_failed(struct net *net, unsigned int n)
{
	NET_ADD_STATS(net, LINUX_MIB_TCPMIGRATEREQFAILURE, n);
}

__rust_helper struct proc_dir_entry *
rust_helper_proc_net_create(struct net *net, const char *name,
			    int (*show)(struct seq_file *file, void *v),
			    void *data)
{
	return proc_create_net_single(name, 0444, net->proc_net, show, data);
}

__rust_helper void *rust_helper_proc_data(const struct seq_file *file)
{
	return pde_data(file_inode(file->file));
}

__rust_helper u32 rust_helper_proc_uid(const struct seq_file *file, u32 uid)
{
	return from_kuid_munged(seq_user_ns((struct seq_file *)file),
				KUIDT_INIT(uid));
}

__rust_helper void rust_helper_proc_remove(struct proc_dir_entry *entry)
{
	proc_remove(entry);
}

__rust_helper int rust_helper_this_cpu(void)
{
	return raw_smp_processor_id();
}

__rust_helper void rust_helper_cond_resched_unless_bpf(void)
{
	if (!has_current_bpf_ctx())
		cond_resched();
}

void rust_helper_init_delayed_work(struct delayed_work *work, work_func_t func)
{
	INIT_DELAYED_WORK(work, func);
}

__rust_helper void rust_helper_mod_delayed_work(struct delayed_work *work,
						unsigned long delay)
{
	mod_delayed_work(system_dfl_wq, work, delay);
}
