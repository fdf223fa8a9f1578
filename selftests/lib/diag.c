// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "diag.h"
#include "listeners.h"

/* Newer than the headers of some systems. */
#define CGROUP_ID	21	/* INET_DIAG_CGROUP_ID */

/* Asks about the server's socket for a peer. Returns the length of the answer, or -1. */
static ssize_t ask(const struct peer *peer, __u64 cookie, int type, int flags,
		   void *answer, size_t len)
{
	struct {
		struct nlmsghdr header;
		struct inet_diag_req_v2 req;
	} question = {
		.header = {
			.nlmsg_len = sizeof(question),
			.nlmsg_type = type,
			.nlmsg_flags = NLM_F_REQUEST | flags,
		},
		.req = {
			.sdiag_family = peer->family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = -1,
			.id.idiag_sport = htons(peer->server),
			.id.idiag_dport = htons(peer->port),
			.id.idiag_cookie = {
				cookie ? cookie : INET_DIAG_NOCOOKIE,
				cookie ? cookie >> 32 : INET_DIAG_NOCOOKIE,
			},
		},
	};
	bool ipv4 = peer->family == AF_INET;
	ssize_t ret;
	int fd;

	inet_pton(peer->family, ipv4 ? TUN_IPV4 : TUN_IPV6,
		  question.req.id.idiag_src);
	inet_pton(peer->family, ipv4 ? PEER_IPV4 : PEER_IPV6,
		  question.req.id.idiag_dst);
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return -1;

	ret = send(fd, &question, sizeof(question), 0);
	if (ret >= 0)
		ret = recv(fd, answer, len, 0);

	close(fd);
	return ret;
}

int diag_destroy(const struct peer *peer, __u64 cookie)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
	} answer = {};

	if (ask(peer, cookie, SOCK_DESTROY, NLM_F_ACK, &answer,
		sizeof(answer)) < 0)
		return errno;

	return -answer.error.error;
}

__u64 diag_cgroup(const struct peer *peer)
{
	union {
		struct nlmsghdr header;
		__u8 bytes[4096];
	} answer;
	struct rtattr *attr;
	__u64 id = 0;
	ssize_t len;

	len = ask(peer, 0, SOCK_DIAG_BY_FAMILY, 0, &answer, sizeof(answer));
	if (len < 0 || answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;

	len = answer.header.nlmsg_len - NLMSG_LENGTH(sizeof(struct inet_diag_msg));
	attr = (void *)(answer.bytes + NLMSG_LENGTH(sizeof(struct inet_diag_msg)));
	for (; RTA_OK(attr, len); attr = RTA_NEXT(attr, len)) {
		if (attr->rta_type == CGROUP_ID)
			memcpy(&id, RTA_DATA(attr), sizeof(id));
	}

	return id;
}
