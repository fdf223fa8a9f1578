// SPDX-License-Identifier: GPL-2.0
/*
 * skb_to_full_sk(): a SYN+ACK that waits in a qdisc holds its request, and whoever sends
 * it may look at that one's listener. It must be the one that the request was made by,
 * whatever has become of the connection: only on that one has the request a reference.
 *
 *  1. One listener; a peer sends a SYN and has its SYN+ACK. From then on the device
 *     sends nothing for longer than the test takes.
 *  2. The peer sends its SYN again: another SYN+ACK waits, if its timer hasn't sent one
 *     already. Then the peer sends the final ACK.
 *  3. Another listener joins the group, the first one stops. The connection is the
 *     other's, and the request that the SYN+ACK holds is still the first one's.
 *  4. What waits is dropped. The other listener serves the peer, and when all is closed,
 *     nothing holds the namespace.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/process.h"
#include "lib/segments.h"
#include "skb_to_full_sk.skel.h"

#define TIE	"below"

/* Nothing leaves before its slot; and to have it wait, netem needn't orphan it. */
#define HOLD	"tc qdisc add dev tun0 root netem slot 1000s 1000s"
#define DROP	"tc qdisc del dev tun0 root"

FIXTURE(skb_to_full_sk) {
	struct skb_to_full_sk *bpf;
	struct peer peer;
	struct tun tun;
	pid_t process;
	int here;
	int from, to;
	__u64 cookie;
};

FIXTURE_VARIANT(skb_to_full_sk) {
	const char *address;
};

ADDRESS_VARIANTS(skb_to_full_sk, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(skb_to_full_sk)
{
	int there;

	ASSERT_EQ(0, netns_enter());
	self->here = netns_open();
	ASSERT_LE(0, self->here);
	self->process = netns_start();
	ASSERT_LE(0, self->process);
	ASSERT_EQ(0, netns_tie(TIE, self->process));
	there = netns_of(self->process);
	ASSERT_LE(0, there);
	ASSERT_EQ(0, setns(there, CLONE_NEWNET));
	ASSERT_EQ(0, close(there));

	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->bpf = skb_to_full_sk__open_and_load();
	ASSERT_NE(NULL, self->bpf);
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
	self->cookie = listener_cookie(self->from);
	ASSERT_TRUE(peer_begin(&self->peer, &self->tun, variant->address,
			       FIRST_PORT));
	self->bpf->bss->port = htons(self->peer.port);
	ASSERT_EQ(0, system(HOLD));
	ASSERT_EQ(0, skb_to_full_sk__attach(self->bpf));
}

FIXTURE_TEARDOWN(skb_to_full_sk)
{
	skb_to_full_sk__destroy(self->bpf);
}

static void look(struct __test_metadata *_metadata, struct skb_to_full_sk *bpf)
{
	int fd = bpf_program__fd(bpf->progs.look);

	ASSERT_NE(0ULL, bpf->bss->held);
	ASSERT_EQ(0, bpf_prog_test_run_opts(fd, NULL));
	ASSERT_EQ(BPF_TCP_NEW_SYN_RECV, bpf->bss->state);
}

TEST_F(skb_to_full_sk, held_in_a_qdisc)
{
	struct skb_to_full_sk__bss *seen = self->bpf->bss;
	struct peer *peer = &self->peer;

	peer->seq--;
	ASSERT_EQ(0, peer_syn(peer));
	look(_metadata, self->bpf);
	ASSERT_EQ(self->cookie, seen->listener_cookie);
	ASSERT_EQ(BPF_TCP_LISTEN, seen->listener_state);

	ASSERT_EQ(0, peer_ack(peer));
	ASSERT_EQ(1, listener_queued(self->from));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);
	ASSERT_EQ(0, close(self->from));
	ASSERT_EQ(1, listener_queued(self->to));
	look(_metadata, self->bpf);
	EXPECT_EQ(self->cookie, seen->listener_cookie);
	EXPECT_EQ(BPF_TCP_CLOSE, seen->listener_state);

	ASSERT_EQ(0, system(DROP));
	ASSERT_EQ(0, peer_number(peer));
	EXPECT_EQ(1, peers_serve(peer, 1, self->to));
	expect_counters(_metadata, 1, 0);

	/* Or else the server's end would wait for its FIN's ACK. */
	ASSERT_EQ(1, peers_give_up(peer, 1));
	ASSERT_EQ(0, close(self->to));
	ASSERT_EQ(0, close(self->tun.fd));
	ASSERT_EQ(0, setns(self->here, CLONE_NEWNET));
	ASSERT_EQ(0, process_kill(self->process));
	EXPECT_TRUE(netns_gone(TIE));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	if (access("/sys/kernel/btf/vmlinux", F_OK))
		ksft_exit_skip("no BTF, without which no program can tell\n");

	return test_harness_run(argc, argv);
}
