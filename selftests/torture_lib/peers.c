// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../lib/patience.h"
#include "peers.h"

#define BATCHES		8
#define BATCH		12
#define AGAIN_MS	1000
#define SHORT_MS	3000

/* What a peer does once it has its SYN+ACK. */
enum manner {
	HONEST,		/* completes the handshake and has its number back */
	LATE,		/* the same, after the SYN+ACK has been sent again */
	SILENT,
	RESETS,
	VANISHES,	/* completes the handshake and says no more */
	MISBEHAVES,
	MANNERS,
};

static void honest_lost(struct honest *honest, struct round *round,
			const char *what)
{
	round_count(round, COUNT_REFUSED);
	if (shelter_held(honest->shelter, round, honest->group))
		round_fail(round, "a peer of %s was lost for no reason: %s",
			   honest->group->remote, what);
}

/* A SYN+ACK, which may be the second; another SYN when none comes. */
static bool begin(struct peer *peer, int timeout_ms)
{
	long end = now_ms() + timeout_ms;
	__u32 seq = peer->seq;
	struct segment segment;

	for (;;) {
		while (peer_receive(peer, &segment, AGAIN_MS)) {
			if (segment.flags != (TH_SYN | TH_ACK))
				continue;
			peer->ack = segment.seq + 1;
			return true;
		}

		if (now_ms() >= end)
			return false;

		peer->seq = seq - 1;
		peer_syn(peer);
	}
}

/* The final ACK and the number, again when there's no answer. */
static bool exchange(struct honest *honest, struct round *round, int timeout_ms)
{
	long end = now_ms() + timeout_ms;
	struct peer *peer = &honest->peer;
	__u32 seq = peer->seq;
	struct segment segment;

	do {
		peer->seq = seq;
		peer_ack(peer);
		peer_number(peer);
		while (peer_receive(peer, &segment, AGAIN_MS)) {
			if (segment.flags & TH_RST) {
				honest_lost(honest, round, "reset");
				return true;
			}
			if (segment.len) {
				peer_send(peer, TH_RST, NULL, 0);
				round_count(round, COUNT_SERVED);
				return true;
			}
		}
	} while (now_ms() < end);

	peer->seq = seq;
	return false;
}

static void honest_complete(struct peers *self, struct honest *honest)
{
	struct round *round = self->task.round;

	if (exchange(honest, round, round->faults ? SHORT_MS : 2 * PATIENCE_MS))
		return;

	if (round->faults && self->count < PEERS_LATER)
		self->later[self->count++] = *honest;
	else
		round_fail(round, "a peer of %s waits for ever",
			   honest->group->remote);
}

/* What nobody should send. */
static void misbehave(struct random *random, struct peer *peer)
{
	__u32 seq = peer->seq, ack = peer->ack;
	int i, number = peer->port;

	for (i = 0; i < 3; i++) {
		switch (random_below(random, 6)) {
		case 0:
			peer->seq = seq + 0x10000000;
			peer_send(peer, TH_RST, NULL, 0);
			break;
		case 1:
			peer_send(peer, TH_SYN, NULL, 0);
			break;
		case 2:
			peer->ack = ack + 1 + random_below(random, 0x10000000);
			peer_send(peer, TH_ACK, NULL, 0);
			break;
		case 3:
			peer_send(peer, TH_PUSH, &number, sizeof(number));
			break;
		case 4:
			peer_send(peer, TH_SYN | TH_ACK | TH_RST | TH_FIN, NULL, 0);
			break;
		case 5:
			peer_send(peer, TH_FIN | TH_ACK, NULL, 0);
			break;
		}
		peer->seq = seq;
		peer->ack = ack;
	}
}

static void peer_act(struct peers *self, struct honest *honest,
		     enum manner manner)
{
	struct round *round = self->task.round;

	switch (manner) {
	case LATE:
		round_count(round, COUNT_LATE_ACK);
		honest_complete(self, honest);
		break;
	case HONEST:
		round_count(round, COUNT_ACK);
		honest_complete(self, honest);
		break;
	case VANISHES:
		round_count(round, COUNT_ACK);
		peer_ack(&honest->peer);
		break;
	case RESETS:
		round_count(round, COUNT_RST);
		peer_send(&honest->peer, TH_RST, NULL, 0);
		break;
	case MISBEHAVES:
		round_count(round, COUNT_BAD);
		misbehave(&self->task.random, &honest->peer);
		break;
	default:
		break;
	}
}

/* Those on the TUN device. */
static struct group *choose_group(struct peers *self)
{
	struct round *round = self->task.round;
	bool second = random_below(&self->task.random, 2);
	struct group *group = round->groups;

	while (strcmp(group->local, second ? TUN_IPV6 : TUN_IPV4))
		group++;

	return group;
}

static void peers_send_some(struct peers *self)
{
	struct round *round = self->task.round;
	struct random *random = &self->task.random;
	int i, count = 1 + random_below(random, BATCH);
	struct group *group = choose_group(self);
	enum manner manners[BATCH];
	struct honest batch[BATCH];
	bool late = false;

	for (i = 0; i < count; i++) {
		manners[i] = random_below(random, MANNERS);
		late |= manners[i] == LATE;
		batch[i].group = group;
		batch[i].shelter = shelter_take(round, group);
		peer_init(&batch[i].peer, &self->tun, group->remote, self->port++);
		peer_syn(&batch[i].peer);
		round_count(round, COUNT_SYN);
	}

	for (i = 0; i < count; i++) {
		if (begin(&batch[i].peer, round->faults ? SHORT_MS :
			  2 * PATIENCE_MS))
			continue;
		if (!round->faults)
			honest_lost(&batch[i], round, "no SYN+ACK");
		manners[i] = SILENT;
	}

	for (i = 0; i < count; i++) {
		if (manners[i] != LATE)
			peer_act(self, &batch[i], manners[i]);
	}

	if (late)
		usleep(1200000);

	for (i = 0; i < count; i++) {
		if (manners[i] == LATE)
			peer_act(self, &batch[i], manners[i]);
	}
}

void *peers_send_all(void *data)
{
	struct peers *self = data;
	int i;

	self->port = FIRST_PORT;
	round_spare(self->task.round, false);

	for (i = 0; i < BATCHES; i++)
		peers_send_some(self);

	return NULL;
}

void peers_settle(struct peers *self)
{
	struct round *round = self->task.round;
	int i;

	for (i = 0; i < self->count; i++) {
		if (!exchange(&self->later[i], round, 2 * PATIENCE_MS))
			round_fail(round, "a peer of %s waits for ever",
				   self->later[i].group->remote);
	}
}
