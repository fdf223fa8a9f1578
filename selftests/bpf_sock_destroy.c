// SPDX-License-Identifier: GPL-2.0
/*
 * bpf_sock_destroy(): a BPF program that goes through the sockets of a namespace
 * destroys a listener. The iterator has locked it and may not sleep.
 *
 *  1. One listener, with connections in its accept queue, others in the middle
 *     of the handshake, or none.
 *  2. Another listener joins the group.
 *  3. The program destroys the first one.
 *  4. The other one accepts each connection.
 */
#include <bpf/bpf.h>

#include "lib/harness.h"

#include "bpf_sock_destroy.skel.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/orphans.h"
#include "lib/segments.h"

#define CLIENTS	8
#define PEERS	4

FIXTURE(bpf_sock_destroy) {
	struct bpf_sock_destroy *bpf;
	struct peer peers[PEERS];
	int clients[CLIENTS];
	struct tun tun;
	int from, to;
};

FIXTURE_VARIANT(bpf_sock_destroy) {
	const char *address;
};

ADDRESS_VARIANTS(bpf_sock_destroy, TUN_IPV4, TUN_IPV6);

FIXTURE_SETUP(bpf_sock_destroy)
{
	ASSERT_EQ(0, netns_enter());
	ASSERT_EQ(0, tun_open(&self->tun));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	self->bpf = bpf_sock_destroy__open_and_load();
	ASSERT_NE(NULL, self->bpf);
	self->from = listener_open(variant->address);
	ASSERT_LE(0, self->from);
}

FIXTURE_TEARDOWN(bpf_sock_destroy)
{
	bpf_sock_destroy__destroy(self->bpf);
}

/* The program prints nothing: the first read goes through all sockets. */
static int iterate(struct bpf_program *program)
{
	struct bpf_link *link;
	int fd, ret;
	char none;

	link = bpf_program__attach_iter(program, NULL);
	if (!link)
		return -1;

	fd = bpf_iter_create(bpf_link__fd(link));
	ret = fd < 0 ? -1 : read(fd, &none, sizeof(none));
	close(fd);
	bpf_link__destroy(link);
	return ret;
}

static void destroy(struct __test_metadata *_metadata,
		    struct bpf_sock_destroy *bpf, int listener)
{
	bpf->bss->victim = listener_cookie(listener);
	ASSERT_EQ(0, iterate(bpf->progs.destroy));
	ASSERT_EQ(1, bpf->bss->met);
	ASSERT_EQ(0, bpf->bss->error);
}

TEST_F(bpf_sock_destroy, migrates)
{
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);

	destroy(_metadata, self->bpf, self->from);
	ASSERT_EQ(CLIENTS, listener_queued(self->to));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_complete(self->peers, PEERS, self->to));
	expect_counters(_metadata, CLIENTS + PEERS, 0);
}

TEST_F(bpf_sock_destroy, migrates_fastopen)
{
	int limit = PEERS;

	ASSERT_EQ(0, sysctl_write("net/ipv4/tcp_fastopen", "1539"));
	ASSERT_EQ(0, setsockopt(self->from, IPPROTO_TCP, TCP_FASTOPEN, &limit,
				sizeof(limit)));
	ASSERT_EQ(PEERS, peers_fastopen(self->peers, PEERS, &self->tun,
					variant->address));
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);

	destroy(_metadata, self->bpf, self->from);
	EXPECT_EQ(PEERS, peers_ack(self->peers, PEERS));
	EXPECT_EQ(PEERS, peers_serve(self->peers, PEERS, self->to));
	expect_counters(_metadata, PEERS, 0);
}

TEST_F(bpf_sock_destroy, nothing_to_migrate)
{
	self->to = listener_open(variant->address);
	ASSERT_LE(0, self->to);

	destroy(_metadata, self->bpf, self->from);
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
	EXPECT_EQ(CLIENTS, listener_serve_in_order(self->to, CLIENTS));
	EXPECT_EQ(CLIENTS, clients_served(self->clients, CLIENTS));
	expect_counters(_metadata, 0, 0);
}

TEST_F(bpf_sock_destroy, last_listener)
{
	ASSERT_EQ(CLIENTS, clients_connect(self->clients, CLIENTS,
					   variant->address));
	ASSERT_EQ(PEERS, peers_begin(self->peers, PEERS, &self->tun,
				     variant->address));

	destroy(_metadata, self->bpf, self->from);
	EXPECT_EQ(CLIENTS, clients_reset(self->clients, CLIENTS));
	EXPECT_EQ(PEERS, peers_refused(self->peers, PEERS));
}

TEST_F(bpf_sock_destroy, is_not_orphaned)
{
	if (!netns_has_module())
		SKIP(return, "the migration is mainline's");

	ASSERT_EQ(0, orphans_allow(LONG_GRACE_MS));
	destroy(_metadata, self->bpf, self->from);
	ASSERT_EQ(0, close(self->from));
	EXPECT_EQ(0, orphans_count());
	EXPECT_EQ(-1, client_connect(variant->address, 0));
	EXPECT_EQ(ECONNREFUSED, errno);
}

int main(int argc, char **argv)
{
	netns_require_migration();
	if (access("/sys/kernel/btf/vmlinux", F_OK))
		ksft_exit_skip("no BTF, without which there are no iterators\n");

	return test_harness_run(argc, argv);
}
