/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TCP peers behind a TUN device: the test writes each segment that they send
 * and reads each that they receive.
 */
#ifndef SEGMENTS_H
#define SEGMENTS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* The addresses of this end of the device, and of all peers. */
#define TUN_IPV4	"192.0.2.1"
#define TUN_IPV6	"2001:db8::1"
#define PEER_IPV4	"192.0.2.2"
#define PEER_IPV6	"2001:db8::2"

#define FIRST_PORT	10000

/* The room for segments that came while another peer's was waited for. */
#define TUN_STASH	256

/* A SYN+ACK is first sent again after a second, of which jiffies may have lost some. */
#define SYNACK_TIMEOUT_MS	900

/* Options of one header, with their padding. */
struct options {
	size_t len;
	__u8 data[40];
};

struct segment {
	__u16 source;
	__u16 dest;
	__u32 seq;
	__u32 ack;
	__u8 flags;
	struct options options;
	size_t len;
	__u8 data[64];
};

struct tun {
	int fd;
	size_t stashed;
	struct segment stash[TUN_STASH];
};

struct peer {
	struct tun *tun;
	int family;
	__u16 port;
	__u16 server;
	__u32 seq;	/* of the next byte that it sends */
	__u32 ack;	/* of the next byte that it expects */
	long syn_ms;	/* when its SYN was sent, see now_ms() */

	/*
	 * What its segments carry: IPv4 options or an IPv6 hop-by-hop header,
	 * and more TCP options than the MSS of its SYN.
	 */
	struct options ip;
	struct options tcp;
};

/* Makes tun0 in the caller's namespace, with the addresses above. */
int tun_open(struct tun *tun);

/*
 * For who has changed something about that since: waits until its IPv6 address can be used,
 * by a datagram socket.
 */
int tun_await_ipv6(int fd);

/* What is written to the device is received on the writer's CPU. */
int run_on_cpu(int cpu);

/* A peer of the server that listens on SERVER_PORT of @address. */
void peer_init(struct peer *peer, struct tun *tun, const char *address,
	       __u16 port);

/* Sends a segment; SYN and FIN aren't counted in @seq. */
int peer_send(struct peer *peer, __u8 flags, const void *data, size_t len);

/* A segment, if that's the next one there is to read. */
bool segment_read(int fd, struct segment *segment);

/* The next segment for this peer; false if none comes. */
bool peer_receive(struct peer *peer, struct segment *segment, int timeout_ms);

/*
 * The steps of a handshake. peer_synack() waits for the answer to a SYN, or
 * for its retransmission. peer_begin() does both, with a new peer.
 */
int peer_syn(struct peer *peer);
bool peer_receive_synack(struct peer *peer, struct segment *segment);
bool peer_synack(struct peer *peer);
int peer_ack(struct peer *peer);
bool peer_begin(struct peer *peer, struct tun *tun, const char *address,
		__u16 port);

/* A SYN with its number; whether the SYN+ACK acknowledges that as well. */
bool peer_fastopen(struct peer *peer);

/*
 * Its number, which it sends as client_connect() does, is its port. Then
 * peer_served() says whether it came back, and peer_reset() whether a RST came
 * instead.
 */
int peer_number(struct peer *peer);
bool peer_served(struct peer *peer);
bool peer_reset(struct peer *peer);

/*
 * The same for peers on the ports from FIRST_PORT on. They end with the first
 * that fails, and return how many didn't. peers_begin() leaves them with a
 * SYN+ACK; peers_complete() expects @listener to serve them, one by one, and
 * peers_refused() a RST for their final ACK. peers_give_up() sends RSTs.
 */
int peers_begin(struct peer *peers, int count, struct tun *tun,
		const char *address);
int peers_fastopen(struct peer *peers, int count, struct tun *tun,
		   const char *address);
int peers_synack(struct peer *peers, int count);
int peers_ack(struct peer *peers, int count);
int peers_number(struct peer *peers, int count);
int peers_serve(struct peer *peers, int count, int listener);
int peers_complete(struct peer *peers, int count, int listener);
int peers_reset(struct peer *peers, int count);
int peers_refused(struct peer *peers, int count);
int peers_give_up(struct peer *peers, int count);

/*
 * Whether no SYN+ACK timer of theirs can have run yet. A test that has to be faster
 * than that begins again where it wasn't.
 */
bool peers_in_time(const struct peer *peers, int count);

#endif /* SEGMENTS_H */
