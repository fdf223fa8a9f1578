// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "hold.h"

/* Nothing leaves before its slot; and to have it wait, netem needn't orphan it. */
#define MAKE_ASIDE							\
	"ip link show aside >/dev/null 2>&1 || "			\
	"{ ip link add aside type dummy && ip link set aside up && "	\
	"tc qdisc add dev aside root netem slot 1000s 1000s; }"

#define GO_ASIDE							\
	"ip route add " PEER_IPV4 " dev aside && "			\
	"ip -6 route add " PEER_IPV6 " dev aside"

#define GO_STRAIGHT							\
	"ip route del " PEER_IPV4 " dev aside && "			\
	"ip -6 route del " PEER_IPV6 " dev aside"

static bool holds;

int peers_hold(struct peer *peers, int count)
{
	int i;

	holds = true;
	if (system(MAKE_ASIDE) || system(GO_ASIDE))
		return 0;

	for (i = 0; i < count; i++) {
		peers[i].seq--;
		if (peer_syn(&peers[i]))
			break;
	}

	return system(GO_STRAIGHT) ? 0 : i;
}

void peers_release(void)
{
	if (holds)
		(void)!system("ip link del aside");
	holds = false;
}
