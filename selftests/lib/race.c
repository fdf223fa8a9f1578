// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest.h"

#include "filters.h"
#include "patience.h"
#include "race.h"

/* Each takes some 100 us for a segment. */
#define SLOW_WATCHERS	8

/* Sees all that is sent, before those that were there first. */
static int watch(const struct sock_filter *only, size_t count, bool slowly)
{
	const struct sockaddr_ll all = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
	};
	int fd, ret;

	fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;

	ret = slowly ? filter_attach_slow(fd, only, count) :
		       filter_attach(fd, only, count);
	if (ret || bind(fd, (struct sockaddr *)&all, sizeof(all))) {
		close(fd);
		return -1;
	}

	return fd;
}

/* Returns who sees it first. */
static int watch_all(int *slow)
{
	static const struct sock_filter only_sent[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, -1),
	};
	int i;

	for (i = 0; i < SLOW_WATCHERS; i++) {
		slow[i] = watch(only_sent, ARRAY_SIZE(only_sent) - 1, true);
		if (slow[i] < 0)
			return -1;
	}

	return watch(only_sent, ARRAY_SIZE(only_sent), false);
}

/* Whose SYN+ACK it is. */
static struct peer *find(struct peer *peers, int count,
			 const struct segment *segment)
{
	int i;

	if (segment->flags != (TH_SYN | TH_ACK))
		return NULL;

	for (i = 0; i < count; i++) {
		if (peers[i].port == segment->dest)
			return &peers[i];
	}

	return NULL;
}

int peers_meet_timers(struct peer *peers, int count)
{
	struct pollfd seen = { .events = POLLIN };
	int slow[SLOW_WATCHERS], sent = 0, i;
	long end = now_ms() + PATIENCE_MS;
	bool acked[count];
	struct segment segment;
	struct peer *peer;

	seen.fd = watch_all(slow);
	if (seen.fd < 0)
		return 0;

	run_on_cpu(1);
	for (i = 0; i < count; i++)
		acked[i] = false;

	while (sent < count && now_ms() < end) {
		if (poll(&seen, 1, 1000) != 1 || !segment_read(seen.fd, &segment))
			continue;

		peer = find(peers, count, &segment);
		if (!peer || acked[peer - peers])
			continue;

		acked[peer - peers] = true;
		sent += !peer_ack(peer);
	}

	close(seen.fd);
	for (i = 0; i < SLOW_WATCHERS; i++)
		close(slow[i]);

	return sent;
}
