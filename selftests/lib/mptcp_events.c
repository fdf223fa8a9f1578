// SPDX-License-Identifier: GPL-2.0
#include <linux/genetlink.h>
#include <linux/mptcp.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mptcp_events.h"

/* More than any message has. */
#define ROOM	8192

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

struct message {
	struct nlmsghdr header;
	struct genlmsghdr genl;
	char attributes[ROOM];
};

/* Of attributes that take @len bytes, the first one of this type. */
static const struct nlattr *find(const void *attributes, int len, int type)
{
	const struct nlattr *attr;
	int step;

	for (; len >= NLA_HDRLEN; len -= step, attributes += step) {
		attr = attributes;
		if ((attr->nla_type & NLA_TYPE_MASK) == type)
			return attr;

		step = NLA_ALIGN(attr->nla_len);
		if (step < NLA_HDRLEN)
			break;
	}

	return NULL;
}

static const void *data_of(const struct nlattr *attr)
{
	return (const void *)attr + NLA_HDRLEN;
}

static const struct nlattr *find_in(const struct nlattr *attr, int type)
{
	return attr ? find(data_of(attr), attr->nla_len - NLA_HDRLEN, type) :
		      NULL;
}

/* The group in which they are told: 0 if there's none. */
static __u32 group_of_events(int fd)
{
	const struct nlattr *groups, *group, *name, *id;
	struct message message = {
		.header = {
			.nlmsg_type = GENL_ID_CTRL,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.genl = { .cmd = CTRL_CMD_GETFAMILY, .version = 1 },
	};
	struct nlattr family = {
		.nla_len = NLA_HDRLEN + sizeof(MPTCP_PM_NAME),
		.nla_type = CTRL_ATTR_FAMILY_NAME,
	};
	int len, i;

	memcpy(message.attributes, &family, sizeof(family));
	memcpy(message.attributes + NLA_HDRLEN, MPTCP_PM_NAME,
	       sizeof(MPTCP_PM_NAME));
	len = NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(family.nla_len);
	message.header.nlmsg_len = len;
	if (send(fd, &message, len, 0) != len)
		return 0;

	len = recv(fd, &message, sizeof(message), 0);
	if (len < (int)NLMSG_LENGTH(GENL_HDRLEN) ||
	    message.header.nlmsg_type != GENL_ID_CTRL)
		return 0;

	groups = find(message.attributes, len - NLMSG_LENGTH(GENL_HDRLEN),
		      CTRL_ATTR_MCAST_GROUPS);
	/* Their types are their places, from 1 on. */
	for (i = 1; (group = find_in(groups, i)); i++) {
		name = find_in(group, CTRL_ATTR_MCAST_GRP_NAME);
		id = find_in(group, CTRL_ATTR_MCAST_GRP_ID);
		if (name && id && !strcmp(data_of(name), MPTCP_PM_EV_GRP_NAME))
			return *(const __u32 *)data_of(id);
	}

	return 0;
}

int mptcp_events_open(void)
{
	__u32 group;
	int fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -1;

	group = group_of_events(fd);
	if (group && !setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				 &group, sizeof(group)))
		return fd;

	close(fd);
	return -1;
}

int mptcp_events_next(int events)
{
	struct message message;

	while (recv(events, &message, sizeof(message), MSG_DONTWAIT) > 0) {
		if (message.genl.cmd == MPTCP_EVENT_LISTENER_CREATED ||
		    message.genl.cmd == MPTCP_EVENT_LISTENER_CLOSED)
			return message.genl.cmd;
	}

	return 0;
}
