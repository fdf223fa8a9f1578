// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listeners.h"
#include "patience.h"
#include "segments.h"

#define DEVICE		"tun0"

struct packet4 {
	struct iphdr ip;
	__u8 rest[512];
};

struct packet6 {
	struct ip6_hdr ip;
	__u8 rest[512];
};

static __u32 sum(__u32 sum, const void *data, size_t len)
{
	const __u8 *byte = data;
	size_t i;

	for (i = 0; i < len; i++)
		sum += i & 1 ? byte[i] : byte[i] << 8;

	return sum;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);

	return htons(~sum);
}

static int tun_address_ipv4(int fd)
{
	struct ifreq ifr = { .ifr_name = DEVICE };
	struct sockaddr_in address = { .sin_family = AF_INET };

	inet_pton(AF_INET, TUN_IPV4, &address.sin_addr);
	memcpy(&ifr.ifr_addr, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFADDR, &ifr))
		return -1;

	inet_pton(AF_INET, "255.255.255.0", &address.sin_addr);
	memcpy(&ifr.ifr_netmask, &address, sizeof(address));
	if (ioctl(fd, SIOCSIFNETMASK, &ifr))
		return -1;

	ifr.ifr_flags = IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr);
}

static int tun_address_ipv6(int fd)
{
	struct in6_ifreq ifr6 = {
		.ifr6_prefixlen = 64,
		.ifr6_ifindex = if_nametoindex(DEVICE),
	};

	inet_pton(AF_INET6, TUN_IPV6, &ifr6.ifr6_addr);
	return ioctl(fd, SIOCSIFADDR, &ifr6);
}

/*
 * A worker of the kernel makes the address usable, and routes to it after
 * that: then a datagram to itself comes back.
 */
int tun_await_ipv6(int fd)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
	struct pollfd back = { .fd = fd, .events = POLLIN };
	socklen_t len = sizeof(address);

	inet_pton(AF_INET6, TUN_IPV6, &address.sin6_addr);
	if (!wait_until(!bind(fd, (struct sockaddr *)&address, len)) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		return -1;

	/* Where one has been sent too early, another one comes back. */
	return wait_until(sendto(fd, "", 1, 0, (struct sockaddr *)&address,
				 len) == 1 && poll(&back, 1, 1) == 1) ? 0 : -1;
}

int tun_open(struct tun *tun)
{
	struct ifreq ifr = {
		.ifr_name = DEVICE,
		.ifr_flags = IFF_TUN | IFF_NO_PI,
	};
	int fd4, fd6, ret;

	tun->stashed = 0;
	tun->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tun->fd < 0)
		return -1;

	fd4 = socket(AF_INET, SOCK_DGRAM, 0);
	fd6 = socket(AF_INET6, SOCK_DGRAM, 0);
	ret = ioctl(tun->fd, TUNSETIFF, &ifr) || tun_address_ipv4(fd4) ||
	      tun_address_ipv6(fd6) || tun_await_ipv6(fd6);
	close(fd4);
	close(fd6);
	return ret ? -1 : 0;
}

int run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

void peer_init(struct peer *peer, struct tun *tun, const char *address,
	       __u16 port)
{
	peer->tun = tun;
	peer->family = strchr(address, ':') ? AF_INET6 : AF_INET;
	peer->port = port;
	peer->server = SERVER_PORT;
	peer->seq = 0x10000 * port;
	peer->ack = 0;
	peer->ip.len = 0;
	peer->tcp.len = 0;
}

/* Fills in the TCP header and what follows; returns the length of both. */
static size_t tcp_fill(const struct peer *peer, struct tcphdr *tcp,
		       __u8 flags, const void *data, size_t len)
{
	const __u8 mss[] = { TCPOPT_MAXSEG, TCPOLEN_MAXSEG, 4, 0 };
	size_t mss_len = flags & TH_SYN ? sizeof(mss) : 0;
	size_t options = mss_len + peer->tcp.len;
	__u8 *rest = (__u8 *)(tcp + 1);

	tcp->th_sport = htons(peer->port);
	tcp->th_dport = htons(peer->server);
	tcp->th_seq = htonl(peer->seq);
	tcp->th_ack = htonl(flags & TH_ACK ? peer->ack : 0);
	tcp->th_off = (sizeof(*tcp) + options) / 4;
	tcp->th_flags = flags;
	tcp->th_win = htons(65535);

	memcpy(rest, mss, mss_len);
	memcpy(rest + mss_len, peer->tcp.data, peer->tcp.len);
	if (len)
		memcpy(rest + options, data, len);

	return sizeof(*tcp) + options + len;
}

static int send_ipv4(const struct peer *peer, __u8 flags, const void *data,
		     size_t len)
{
	size_t ip_len = sizeof(struct iphdr) + peer->ip.len;
	struct packet4 packet = {};
	size_t tcp_len, total;
	struct tcphdr *tcp;
	__u32 check;

	tcp = (struct tcphdr *)(packet.rest + peer->ip.len);
	tcp_len = tcp_fill(peer, tcp, flags, data, len);
	total = ip_len + tcp_len;
	packet.ip.version = 4;
	packet.ip.ihl = ip_len / 4;
	packet.ip.tot_len = htons(total);
	packet.ip.ttl = 64;
	packet.ip.protocol = IPPROTO_TCP;
	inet_pton(AF_INET, PEER_IPV4, &packet.ip.saddr);
	inet_pton(AF_INET, TUN_IPV4, &packet.ip.daddr);
	memcpy(packet.rest, peer->ip.data, peer->ip.len);
	packet.ip.check = fold(sum(0, &packet.ip, ip_len));

	check = sum(IPPROTO_TCP + tcp_len, &packet.ip.saddr,
		    2 * sizeof(packet.ip.saddr));
	tcp->th_sum = fold(sum(check, tcp, tcp_len));

	return write(peer->tun->fd, &packet, total) == (ssize_t)total ? 0 : -1;
}

static int send_ipv6(const struct peer *peer, __u8 flags, const void *data,
		     size_t len)
{
	struct packet6 packet = {};
	size_t tcp_len, total;
	struct tcphdr *tcp;
	__u32 check;

	tcp = (struct tcphdr *)(packet.rest + peer->ip.len);
	tcp_len = tcp_fill(peer, tcp, flags, data, len);
	total = sizeof(packet.ip) + peer->ip.len + tcp_len;
	packet.ip.ip6_flow = htonl(6U << 28);
	packet.ip.ip6_plen = htons(peer->ip.len + tcp_len);
	packet.ip.ip6_nxt = peer->ip.len ? IPPROTO_HOPOPTS : IPPROTO_TCP;
	packet.ip.ip6_hlim = 64;
	inet_pton(AF_INET6, PEER_IPV6, &packet.ip.ip6_src);
	inet_pton(AF_INET6, TUN_IPV6, &packet.ip.ip6_dst);
	memcpy(packet.rest, peer->ip.data, peer->ip.len);

	check = sum(IPPROTO_TCP + tcp_len, &packet.ip.ip6_src,
		    2 * sizeof(packet.ip.ip6_src));
	tcp->th_sum = fold(sum(check, tcp, tcp_len));

	return write(peer->tun->fd, &packet, total) == (ssize_t)total ? 0 : -1;
}

int peer_send(struct peer *peer, __u8 flags, const void *data, size_t len)
{
	int ret;

	if (peer->family == AF_INET)
		ret = send_ipv4(peer, flags, data, len);
	else
		ret = send_ipv6(peer, flags, data, len);

	peer->seq += len;
	return ret;
}

/* False for what isn't TCP: the device also sends router solicitations. */
static bool segment_parse(struct segment *segment, const __u8 *packet,
			  size_t len)
{
	const struct ip6_hdr *ip6 = (const void *)packet;
	const struct iphdr *ip4 = (const void *)packet;
	size_t header, total, protocol, data;
	const struct tcphdr *tcp;

	if (ip4->version == 4) {
		header = ip4->ihl * 4;
		total = ntohs(ip4->tot_len);
		protocol = ip4->protocol;
	} else {
		header = sizeof(*ip6);
		total = header + ntohs(ip6->ip6_plen);
		protocol = ip6->ip6_nxt;
	}

	if (protocol != IPPROTO_TCP || total > len ||
	    header + sizeof(*tcp) > total)
		return false;

	tcp = (const void *)(packet + header);
	data = header + tcp->th_off * 4;
	if (data > total || total - data > sizeof(segment->data))
		return false;

	segment->source = ntohs(tcp->th_sport);
	segment->dest = ntohs(tcp->th_dport);
	segment->seq = ntohl(tcp->th_seq);
	segment->ack = ntohl(tcp->th_ack);
	segment->flags = tcp->th_flags;
	segment->options.len = tcp->th_off * 4 - sizeof(*tcp);
	memcpy(segment->options.data, tcp + 1, segment->options.len);
	segment->len = total - data;
	memcpy(segment->data, packet + data, segment->len);
	return true;
}

bool segment_read(int fd, struct segment *segment)
{
	__u8 packet[2048];
	ssize_t len = read(fd, packet, sizeof(packet));

	return len >= 0 && segment_parse(segment, packet, len);
}

static bool from_stash(struct peer *peer, struct segment *segment)
{
	struct tun *tun = peer->tun;
	size_t i;

	for (i = 0; i < tun->stashed; i++) {
		if (tun->stash[i].dest != peer->port)
			continue;

		*segment = tun->stash[i];
		tun->stashed--;
		memmove(&tun->stash[i], &tun->stash[i + 1],
			(tun->stashed - i) * sizeof(*segment));
		return true;
	}

	return false;
}

bool peer_receive(struct peer *peer, struct segment *segment, int timeout_ms)
{
	struct pollfd readable = { .fd = peer->tun->fd, .events = POLLIN };
	long end = now_ms() + timeout_ms;
	struct tun *tun = peer->tun;
	int left;

	if (from_stash(peer, segment))
		return true;

	for (;;) {
		left = end - now_ms();
		if (poll(&readable, 1, left > 0 ? left : 0) != 1)
			return false;

		if (!segment_read(tun->fd, segment))
			continue;

		if (segment->dest == peer->port)
			return true;

		if (tun->stashed < TUN_STASH)
			tun->stash[tun->stashed++] = *segment;
	}
}

int peer_syn(struct peer *peer)
{
	int ret;

	peer->syn_ms = now_ms();
	ret = peer_send(peer, TH_SYN, NULL, 0);
	peer->seq++;
	return ret;
}

bool peer_receive_synack(struct peer *peer, struct segment *segment)
{
	while (peer_receive(peer, segment, PATIENCE_MS)) {
		if (segment->flags & TH_RST)
			return false;
		if (segment->flags != (TH_SYN | TH_ACK) ||
		    segment->ack != peer->seq)
			continue;

		peer->ack = segment->seq + 1;
		return true;
	}

	return false;
}

bool peer_synack(struct peer *peer)
{
	struct segment segment;

	return peer_receive_synack(peer, &segment);
}

bool peer_begin(struct peer *peer, struct tun *tun, const char *address,
		__u16 port)
{
	peer_init(peer, tun, address, port);
	return !peer_syn(peer) && peer_synack(peer);
}

int peer_ack(struct peer *peer)
{
	return peer_send(peer, TH_ACK, NULL, 0);
}

bool peer_fastopen(struct peer *peer)
{
	struct segment segment;
	int number = peer->port;

	if (peer_send(peer, TH_SYN, &number, sizeof(number)))
		return false;

	peer->seq++;
	if (!peer_receive(peer, &segment, PATIENCE_MS))
		return false;

	peer->ack = segment.seq + 1;
	return segment.flags == (TH_SYN | TH_ACK) && segment.ack == peer->seq;
}

int peer_number(struct peer *peer)
{
	int number = peer->port;

	return peer_send(peer, TH_PUSH | TH_ACK, &number, sizeof(number));
}

bool peer_served(struct peer *peer)
{
	struct segment segment;
	int number = peer->port;

	while (peer_receive(peer, &segment, PATIENCE_MS)) {
		if (segment.flags & TH_RST)
			return false;
		if (!segment.len)
			continue;

		peer->ack = segment.seq + segment.len;
		return segment.len == sizeof(number) &&
		       !memcmp(segment.data, &number, sizeof(number));
	}

	return false;
}

bool peer_reset(struct peer *peer)
{
	struct segment segment;

	while (peer_receive(peer, &segment, PATIENCE_MS)) {
		if (segment.flags & TH_RST)
			return true;
	}

	return false;
}

int peers_begin(struct peer *peers, int count, struct tun *tun,
		const char *address)
{
	int i;

	for (i = 0; i < count; i++) {
		if (!peer_begin(&peers[i], tun, address, FIRST_PORT + i))
			break;
	}

	return i;
}

bool peers_in_time(const struct peer *peers, int count)
{
	long now = now_ms();
	int i;

	for (i = 0; i < count; i++) {
		if (now - peers[i].syn_ms >= SYNACK_TIMEOUT_MS)
			return false;
	}

	return true;
}

int peers_fastopen(struct peer *peers, int count, struct tun *tun,
		   const char *address)
{
	int i;

	for (i = 0; i < count; i++) {
		peer_init(&peers[i], tun, address, FIRST_PORT + i);
		if (!peer_fastopen(&peers[i]))
			break;
	}

	return i;
}

int peers_synack(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && peer_synack(&peers[i]); i++)
		;

	return i;
}

int peers_ack(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && !peer_ack(&peers[i]); i++)
		;

	return i;
}

int peers_number(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && !peer_number(&peers[i]); i++)
		;

	return i;
}

int peers_serve(struct peer *peers, int count, int listener)
{
	int i;

	for (i = 0; i < count; i++) {
		if (listener_serve(listener) != peers[i].port ||
		    !peer_served(&peers[i]))
			break;
	}

	return i;
}

int peers_give_up(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && !peer_send(&peers[i], TH_RST, NULL, 0); i++)
		;

	return i;
}

int peers_complete(struct peer *peers, int count, int listener)
{
	int i;

	for (i = 0; i < count; i++) {
		if (peer_ack(&peers[i]) || peer_number(&peers[i]) ||
		    !peers_serve(&peers[i], 1, listener))
			break;
	}

	return i;
}

int peers_reset(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count && peer_reset(&peers[i]); i++)
		;

	return i;
}

int peers_refused(struct peer *peers, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (peer_ack(&peers[i]) || !peer_reset(&peers[i]))
			break;
	}

	return i;
}
