// SPDX-License-Identifier: GPL-2.0
/*
 * skb_to_full_sk(): a SYN+ACK that waits in a qdisc holds its request, and whoever sends
 * it may look at that one's listener. It must be the one that the request was made by,
 * whatever has become of the connection: only on that one has the request a reference.
 *
 *  1. One listener; a peer sends a SYN and has its SYN+ACK. From then on the device
 *     sends nothing for longer than the test takes.
 *  2. The peer sends its SYN again: another SYN+ACK waits, if its timer hasn't sent one
 *     already. Then the peer sends the final ACK, or is silent.
 *  3. Another listener joins the group, the first one stops. The connection is the
 *     other's, at once or when the timer has run, and the request that the SYN+ACK holds is
 *     still the first one's.
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

struct scene {
	struct skb_to_full_sk *bpf;
	struct peer peer;
	struct tun tun;
	pid_t process;
	int here;
	int from, to;
	__u64 cookie;
};

FIXTURE(skb_to_full_sk) {
	struct scene scene;
};

FIXTURE_VARIANT(skb_to_full_sk) {
	const char *address;
};

ADDRESS_VARIANTS(skb_to_full_sk, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(skb_to_full_sk)
{
	struct scene *scene = &self->scene;
	int there;

	ASSERT_EQ(0, netns_enter());
	scene->here = netns_open();
	ASSERT_LE(0, scene->here);
	scene->process = netns_start();
	ASSERT_LE(0, scene->process);
	ASSERT_EQ(0, netns_tie(TIE, scene->process));
	there = netns_of(scene->process);
	ASSERT_LE(0, there);
	ASSERT_EQ(0, setns(there, CLONE_NEWNET));
	ASSERT_EQ(0, close(there));

	ASSERT_EQ(0, tun_open(&scene->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	scene->bpf = skb_to_full_sk__open_and_load();
	ASSERT_NE(NULL, scene->bpf);
	scene->from = listener_open(variant->address);
	ASSERT_LE(0, scene->from);
	scene->cookie = listener_cookie(scene->from);
	ASSERT_TRUE(peer_begin(&scene->peer, &scene->tun, variant->address,
			       FIRST_PORT));
	scene->bpf->bss->port = htons(scene->peer.port);
	ASSERT_EQ(0, system(HOLD));
	ASSERT_EQ(0, skb_to_full_sk__attach(scene->bpf));
}

FIXTURE_TEARDOWN(skb_to_full_sk)
{
	skb_to_full_sk__destroy(self->scene.bpf);
}

static void look(struct __test_metadata *_metadata, struct skb_to_full_sk *bpf)
{
	int fd = bpf_program__fd(bpf->progs.look);

	ASSERT_NE(0ULL, bpf->bss->held);
	ASSERT_EQ(0, bpf_prog_test_run_opts(fd, NULL));
	ASSERT_EQ(BPF_TCP_NEW_SYN_RECV, bpf->bss->state);
}

static void hold(struct __test_metadata *_metadata, struct scene *scene)
{
	scene->peer.seq--;
	ASSERT_EQ(0, peer_syn(&scene->peer));
	look(_metadata, scene->bpf);
	ASSERT_EQ(scene->cookie, scene->bpf->bss->listener_cookie);
	ASSERT_EQ(BPF_TCP_LISTEN, scene->bpf->bss->listener_state);
}

static void stop(struct __test_metadata *_metadata, struct scene *scene,
		 const char *address)
{
	scene->to = listener_open(address);
	ASSERT_LE(0, scene->to);
	ASSERT_EQ(0, close(scene->from));
}

static void drop(struct __test_metadata *_metadata, struct scene *scene)
{
	look(_metadata, scene->bpf);
	EXPECT_EQ(scene->cookie, scene->bpf->bss->listener_cookie);
	EXPECT_EQ(BPF_TCP_CLOSE, scene->bpf->bss->listener_state);
	ASSERT_EQ(0, system(DROP));
}

static void end(struct __test_metadata *_metadata, struct scene *scene)
{
	struct peer *peer = &scene->peer;

	ASSERT_EQ(0, peer_number(peer));
	EXPECT_EQ(1, peers_serve(peer, 1, scene->to));
	expect_counters(_metadata, 1, 0);

	/* Or else the server's end would wait for its FIN's ACK. */
	ASSERT_EQ(1, peers_give_up(peer, 1));
	ASSERT_EQ(0, close(scene->to));
	ASSERT_EQ(0, close(scene->tun.fd));
	ASSERT_EQ(0, setns(scene->here, CLONE_NEWNET));
	ASSERT_EQ(0, process_kill(scene->process));
	EXPECT_TRUE(netns_gone(TIE));
}

TEST_F(skb_to_full_sk, held_in_a_qdisc)
{
	struct scene *scene = &self->scene;

	hold(_metadata, scene);
	ASSERT_EQ(0, peer_ack(&scene->peer));
	ASSERT_EQ(1, listener_queued(scene->from));
	stop(_metadata, scene, variant->address);
	ASSERT_EQ(1, listener_queued(scene->to));
	drop(_metadata, scene);
	end(_metadata, scene);
}

TEST_F(skb_to_full_sk, held_at_the_timer)
{
	struct scene *scene = &self->scene;

	hold(_metadata, scene);
	stop(_metadata, scene, variant->address);
	ASSERT_TRUE(counter_reaches(MIGRATE_SUCCESS, 1));
	drop(_metadata, scene);
	ASSERT_EQ(0, peer_ack(&scene->peer));
	ASSERT_EQ(1, listener_queued(scene->to));
	end(_metadata, scene);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	if (access("/sys/kernel/btf/vmlinux", F_OK))
		ksft_exit_skip("no BTF, without which no program can tell\n");

	return test_harness_run(argc, argv);
}
