// SPDX-License-Identifier: GPL-2.0
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "keys.h"
#include "listeners.h"

/* @peer is of the socket's family, so perhaps mapped; returns its prefix. */
static int peer_parse(struct __kernel_sockaddr_storage *to, const char *peer)
{
	union address address;
	socklen_t len;

	len = address_parse(&address, peer);
	address.in.sin_port = 0;
	memcpy(to, &address, len);
	if (address.any.sa_family == AF_INET ||
	    IN6_IS_ADDR_V4MAPPED(&address.in6.sin6_addr))
		return 32;

	return 128;
}

int md5_set(int fd, const char *peer, const char *secret)
{
	struct tcp_md5sig md5 = { .tcpm_keylen = strlen(secret) };

	peer_parse(&md5.tcpm_addr, peer);
	memcpy(md5.tcpm_key, secret, md5.tcpm_keylen);
	return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &md5, sizeof(md5));
}

int ao_add(int fd, const char *peer, const char *secret)
{
	struct tcp_ao_add ao = {
		.alg_name = "hmac(sha1)",
		.sndid = 1,
		.rcvid = 1,
		.keylen = strlen(secret),
	};

	ao.prefix = peer_parse(&ao.addr, peer);
	memcpy(ao.key, secret, ao.keylen);
	return setsockopt(fd, IPPROTO_TCP, TCP_AO_ADD_KEY, &ao, sizeof(ao));
}
