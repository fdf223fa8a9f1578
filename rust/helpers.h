/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions for what Rust can't call: static inlines, macros, and fields of
 * struct sock, which is opaque there. What they mean for a migration is decided
 * in Rust.
 *
 * bindgen strips the rust_helper_ prefix, as it does for the kernel's own.
 */
#ifndef _TCP_MIGRATE_HELPERS_H
#define _TCP_MIGRATE_HELPERS_H

#include <linux/types.h>

struct bpf_prog;
struct delayed_work;
struct ipv6_txoptions;
struct net;
struct proc_dir_entry;
struct request_sock;
struct request_sock_queue;
struct seq_file;
struct sk_buff;
struct sock;
struct sock_reuseport;
struct tcp_ao_key;
struct tcp_fastopen_context;
struct tcp_md5sig_key;
struct tcp_ulp_ops;
struct work_struct;

/* Attributes keep C from being inlined in Rust where they differ, and these do in
 * name only; see rust/helpers/helpers.c in the kernel.
 */
#if defined(CONFIG_RUST_INLINE_HELPERS) && !defined(__BINDGEN__)
#define __rust_helper __always_inline
#else
#define __rust_helper
#endif

/* What listeners must have in common. */
struct listener_identity {
	u32 uid;
	int bound_dev_if;
	u16 family;
	bool v6only;
	bool one_ipv6;
};

/* The state of a listener at one moment. */
struct listener_status {
	u32 ack_backlog;
	u32 max_ack_backlog;
	int incoming_cpu;
	bool listening;
	bool closing;
};

/* What a listener is bound to, in host byte order but for IPv6. */
struct listener_address {
	bool ipv6;
	u16 port;
	u32 v4;
	u8 v6[16];
};

/* Reference counts of sockets and requests */
bool rust_helper_sock_hold_not_zero(struct sock *sk);
void rust_helper_sock_hold_many(struct sock *sk, unsigned int n);
void rust_helper_sock_put(struct sock *sk);
void rust_helper_sock_put_many(struct sock *sk, unsigned int n);
void rust_helper_reqsk_put(struct request_sock *req);

/* Fields of a socket */
unsigned char rust_helper_sk_state_load(const struct sock *sk);
bool rust_helper_sk_is_hashed(const struct sock *sk);
int rust_helper_sk_incoming_cpu(const struct sock *sk);
void rust_helper_listener_identity(const struct sock *sk,
				   struct listener_identity *identity);
void rust_helper_listener_status(const struct sock *sk,
				 struct listener_status *status);
struct net *rust_helper_sock_net(const struct sock *sk);
struct sock_reuseport *rust_helper_sk_reuseport_cb(const struct sock *sk);
int rust_helper_ir_iif(struct sock *req);
int rust_helper_l3mdev_master_ifindex(const struct sock *sk, int ifindex);
const struct tcp_ulp_ops *rust_helper_sk_ulp_ops(const struct sock *sk);
bool rust_helper_sk_is_mptcp(const struct sock *sk);
bool rust_helper_rsk_is_mptcp(struct sock *req);
bool rust_helper_rsk_is_mptcp_join(struct sock *req);
bool rust_helper_rsk_asks_for_smc(struct sock *req);
bool rust_helper_sk_is_smc(const struct sock *sk);

/* Callbacks and cgroups of sockets */
bool rust_helper_sk_has_default_data_ready(const struct sock *sk);
bool rust_helper_sk_data_ready_fits(const struct sock *child,
				    const struct sock *sk);
bool rust_helper_sk_has_fasync(const struct sock *sk);
void rust_helper_sk_data_ready(struct sock *sk);
void rust_helper_sk_wake_acceptors(struct sock *sk, unsigned int n);
bool rust_helper_sk_shares_cgroup(struct sock *a, struct sock *b);
void rust_helper_sk_enter_cgroup(struct sock *child, struct sock *sk);

/* Locks */
void rust_helper_queue_lock_bh(struct request_sock_queue *queue);
void rust_helper_queue_unlock_bh(struct request_sock_queue *queue);
void rust_helper_fastopen_lock_bh(struct request_sock_queue *queue);
void rust_helper_fastopen_unlock_bh(struct request_sock_queue *queue);
bool rust_helper_child_trylock_bh(struct sock *child);
void rust_helper_child_unlock_bh(struct sock *child);
void rust_helper_ehash_lock(struct request_sock *req);
void rust_helper_ehash_unlock(struct request_sock *req);

/* Requests */
void rust_helper_reqsk_hold(struct request_sock *req);
void rust_helper_reqsk_queue_uncharge(struct request_sock_queue *queue,
				      const struct request_sock *req);
bool rust_helper_reqsk_timer_delete(struct request_sock *req);
void rust_helper_reqsk_refcnt_set(struct request_sock *req, int n);

/* A group of listeners */
u16 rust_helper_reuseport_num_socks(const struct sock_reuseport *reuse);
struct sock *rust_helper_reuseport_sock(const struct sock_reuseport *reuse,
					unsigned int i);
bool rust_helper_reuseport_has_incoming_cpu(const struct sock_reuseport *reuse);
struct bpf_prog *rust_helper_reuseport_prog(const struct sock_reuseport *reuse);

/* Programs, and what they look at */
bool rust_helper_bpf_prog_migrates(const struct bpf_prog *prog);
struct sock *rust_helper_run_sk_reuseport(struct sock_reuseport *reuse,
					  struct sock *sk, struct bpf_prog *prog,
					  struct sk_buff *skb,
					  struct sock *migrating_sk);
struct sk_buff *rust_helper_empty_skb_alloc(void);
void rust_helper_kfree_skb(struct sk_buff *skb);

/* Keys of listeners for the peer of a request or child, and those in use */
bool rust_helper_tcp_keys_in_use(void);
bool rust_helper_has_keys(const struct sock *sk);
struct tcp_md5sig_key *rust_helper_request_md5_key(const struct sock *sk,
						   struct sock *req);
struct tcp_md5sig_key *rust_helper_child_md5_key(const struct sock *sk,
						 struct sock *child);
u8 rust_helper_md5_key_copy(const struct tcp_md5sig_key *key, u8 *bytes);
struct tcp_ao_key *rust_helper_request_ao_key(const struct sock *sk,
					      struct sock *req, int sndid,
					      int rcvid);
struct tcp_ao_key *rust_helper_child_ao_key(const struct sock *sk,
					    struct sock *child, int sndid,
					    int rcvid);
bool rust_helper_request_ao_keys(const struct sock *sk, struct sock *req,
				 struct tcp_ao_key **send,
				 struct tcp_ao_key **receive);
bool rust_helper_child_ao_keys(const struct sock *child,
			       struct tcp_ao_key **send,
			       struct tcp_ao_key **receive);
bool rust_helper_ao_required(const struct sock *sk);

/* How the settings of two listeners compare; settings.c says which there are. */
enum listener_difference {
	LISTENER_SAME,
	LISTENER_POINTERS_DIFFER,	/* perhaps not what they point to */
	LISTENER_VALUES_DIFFER,
};

enum listener_difference
rust_helper_listener_difference(const struct sock *a, const struct sock *b,
				bool stopped);

/* What settings point to. NULL is none. */
const struct bpf_prog *rust_helper_listener_filter(const struct sock *sk);
const struct tcp_fastopen_context *
rust_helper_listener_fastopen_keys(const struct sock *sk);
const struct ipv6_txoptions *rust_helper_listener_options(const struct sock *sk);
const void *rust_helper_bpf_prog_classic(const struct bpf_prog *prog,
					 size_t *len);
const void *rust_helper_fastopen_keys(const struct tcp_fastopen_context *ctx,
				      size_t *len);

/* Orphaned listeners */
bool rust_helper_sk_is_dead(const struct sock *sk);
u16 rust_helper_sk_family(const struct sock *sk);
bool rust_helper_sk_holds_net(const struct sock *sk);
bool rust_helper_sk_reuseport(const struct sock *sk);
bool rust_helper_listener_has_file(const struct sock *sk);
bool rust_helper_listener_lasts(const struct sock *sk);
bool rust_helper_listener_has_port(const struct sock *sk);
bool rust_helper_listener_in_repair(const struct sock *sk);
void rust_helper_listener_address(const struct sock *sk,
				  struct listener_address *address);
struct sock *rust_helper_listener_lookup(const struct sock *sk);
unsigned int rust_helper_listener_score(const struct sock *sk,
					const struct net *net, u16 family,
					const void *daddr, u16 hnum, int dif,
					int sdif);
u32 rust_helper_orphan_key(u16 family, const void *addr, u16 port);
u32 rust_helper_listener_orphan_key(const struct sock *sk);
void rust_helper_listener_unhash(struct sock *sk);
void rust_helper_orphan_end(struct sock *sk);
void rust_helper_listener_share_cookies(struct sock *from, struct sock *to);

/* Connections that a dying process has accepted */
bool rust_helper_child_is_passive(const struct sock *sk);
void rust_helper_lock_sock(struct sock *sk);
void rust_helper_release_sock(struct sock *sk);
bool rust_helper_child_is_unread(const struct sock *sk);
bool rust_helper_child_is_plain(const struct sock *sk,
				const struct sock *listener);
void rust_helper_child_refresh(struct sock *sk, const struct sock *listener);
struct request_sock *rust_helper_child_request(struct sock *sk,
					       struct sock *listener);
bool rust_helper_child_owner_fits(const struct sock *sk,
				  const struct sock *listener);
bool rust_helper_current_is_killed(void);

/* Listeners that are alive */
unsigned int rust_helper_lhash2_size(void);
struct sock *rust_helper_lhash2_first(unsigned int bucket);
struct sock *rust_helper_lhash2_next(struct sock *sk);
bool rust_helper_listener_trylock(struct sock *sk);
bool rust_helper_listener_is_nonblocking(struct sock *sk);
u64 rust_helper_sk_cookie(struct sock *sk);

/* The rest */
void *rust_helper_net_generic(const struct net *net, unsigned int id);
void rust_helper_net_add_migrated(struct net *net, unsigned int n);
void rust_helper_net_add_failed(struct net *net, unsigned int n);
struct proc_dir_entry *
rust_helper_proc_net_create(struct net *net, const char *name,
			    int (*show)(struct seq_file *file, void *v),
			    void *data);
void *rust_helper_proc_data(const struct seq_file *file);
u32 rust_helper_proc_uid(const struct seq_file *file, u32 uid);
void rust_helper_proc_remove(struct proc_dir_entry *entry);
int rust_helper_this_cpu(void);
void rust_helper_cond_resched_unless_bpf(void);
void rust_helper_init_delayed_work(struct delayed_work *work,
				   void (*func)(struct work_struct *work));
void rust_helper_mod_delayed_work(struct delayed_work *work,
				  unsigned long delay);

#endif /* _TCP_MIGRATE_HELPERS_H */
