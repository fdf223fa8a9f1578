/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tracepoints, of which rust/net/trace.rs is the only user.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tcp_migrate

#if !defined(_TCP_MIGRATE_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TCP_MIGRATE_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <net/sock.h>
#include <net/tcp_states.h>

/* As long as any name, and a 0. */
#define TRACE_NAME_LEN	16

/* The states of requests, and of children that nobody has accepted. */
TRACE_DEFINE_ENUM(TCP_ESTABLISHED);
TRACE_DEFINE_ENUM(TCP_SYN_RECV);
TRACE_DEFINE_ENUM(TCP_CLOSE);
TRACE_DEFINE_ENUM(TCP_CLOSE_WAIT);
TRACE_DEFINE_ENUM(TCP_NEW_SYN_RECV);

DECLARE_EVENT_CLASS(tcp_migrate_event,
		    TP_PROTO(const struct sock_common *connection,
			     struct sock *from, struct sock *to__nullable,
			     const char *path, const char *outcome),

		    TP_ARGS(connection, from, to__nullable, path, outcome),

	TP_STRUCT__entry(__array(__u8, saddr, sizeof(struct sockaddr_in6))
			 __array(__u8, daddr, sizeof(struct sockaddr_in6))
			 __field(__u16, sport)
			 __field(__u16, dport)
			 __field(__u16, family)
			 __field(int, state)
			 __array(char, path, TRACE_NAME_LEN)
			 __array(char, outcome, TRACE_NAME_LEN)
			 __field(__u64, from_cookie)
			 __field(__u64, to_cookie)
			 __field(__u64, net_cookie)
	),

	TP_fast_assign(trace_assign_address(connection, false, __entry->saddr);
		       trace_assign_address(connection, true, __entry->daddr);
		       __entry->sport = connection->skc_num;
		       __entry->dport = ntohs(connection->skc_dport);
		       __entry->family = connection->skc_family;
		       __entry->state = connection->skc_state;
		       strscpy_pad(__entry->path, path);
		       strscpy_pad(__entry->outcome, outcome);
		       __entry->from_cookie = trace_cookie(from);
		       __entry->to_cookie = trace_cookie(to__nullable);
		       __entry->net_cookie = sock_net(from)->net_cookie;
	),

	TP_printk("family=%s src=%pISpc dest=%pISpc state=%s path=%s outcome=%s from_cookie=%llx to_cookie=%llx net_cookie=%llx",
		  __print_symbolic(__entry->family,
				   { AF_INET, "AF_INET" },
				   { AF_INET6, "AF_INET6" }),
		  __entry->saddr, __entry->daddr,
		  __print_symbolic(__entry->state,
				   { TCP_ESTABLISHED, "TCP_ESTABLISHED" },
				   { TCP_SYN_RECV, "TCP_SYN_RECV" },
				   { TCP_CLOSE, "TCP_CLOSE" },
				   { TCP_CLOSE_WAIT, "TCP_CLOSE_WAIT" },
				   { TCP_NEW_SYN_RECV, "TCP_NEW_SYN_RECV" }),
		  __entry->path, __entry->outcome, __entry->from_cookie,
		  __entry->to_cookie, __entry->net_cookie)
);

/* @to has @connection, which was @from's, or is just about to have it. */
DEFINE_EVENT(tcp_migrate_event, tcp_migrate_success,
	     TP_PROTO(const struct sock_common *connection, struct sock *from,
		      struct sock *to__nullable, const char *path,
		      const char *outcome),
	     TP_ARGS(connection, from, to__nullable, path, outcome)
);

/* Nobody has @connection, which was @from's; @to, if any, could not take it. */
DEFINE_EVENT(tcp_migrate_event, tcp_migrate_failure,
	     TP_PROTO(const struct sock_common *connection, struct sock *from,
		      struct sock *to__nullable, const char *path,
		      const char *outcome),
	     TP_ARGS(connection, from, to__nullable, path, outcome)
);

/* What becomes of @listener, which goes on without a process. */
TRACE_EVENT(tcp_migrate_orphan,
	    TP_PROTO(struct sock *listener, const char *what),

	    TP_ARGS(listener, what),

	TP_STRUCT__entry(__array(__u8, addr, sizeof(struct sockaddr_in6))
			 __field(__u16, port)
			 __field(__u16, family)
			 __field(__u32, queue)
			 __array(char, what, TRACE_NAME_LEN)
			 __field(__u64, cookie)
			 __field(__u64, net_cookie)
	),

	TP_fast_assign(trace_assign_address(&listener->__sk_common, false,
					    __entry->addr);
		       __entry->port = listener->sk_num;
		       __entry->family = listener->sk_family;
		       __entry->queue = READ_ONCE(listener->sk_ack_backlog);
		       strscpy_pad(__entry->what, what);
		       __entry->cookie = trace_cookie(listener);
		       __entry->net_cookie = sock_net(listener)->net_cookie;
	),

	TP_printk("family=%s addr=%pISpc what=%s queue=%u cookie=%llx net_cookie=%llx",
		  __print_symbolic(__entry->family,
				   { AF_INET, "AF_INET" },
				   { AF_INET6, "AF_INET6" }),
		  __entry->addr, __entry->what, __entry->queue,
		  __entry->cookie, __entry->net_cookie)
);

#endif /* _TCP_MIGRATE_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
