// SPDX-License-Identifier: GPL-2.0
/*
 * net.ipv4.tcp_migrate_req: its values, whose it is, and who may change it.
 */
#include <fcntl.h>
#include <sched.h>

#include "lib/harness.h"
#include "lib/listeners.h"
#include "lib/netns.h"
#include "lib/workers.h"

#define NOBODY	65534

FIXTURE(tcp_migrate_req) {
};

FIXTURE_SETUP(tcp_migrate_req)
{
	ASSERT_EQ(0, netns_enter());
}

FIXTURE_TEARDOWN(tcp_migrate_req)
{
}

TEST_F(tcp_migrate_req, off_by_default)
{
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
}

TEST_F(tcp_migrate_req, takes_0_and_1)
{
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0\n"));
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
}

TEST_F(tcp_migrate_req, takes_nothing_else)
{
	static const char * const values[] = {
		"2", "-1", "256", "257", "x", "1x", "on", "4294967297",
	};
	char old[2] = "0";
	size_t i;

	for (; old[0] <= '1'; old[0]++) {
		ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, old));
		for (i = 0; i < ARRAY_SIZE(values); i++) {
			EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ, values[i]));
			EXPECT_EQ(EINVAL, errno);
			EXPECT_EQ(old[0] - '0', sysctl_read(MIGRATE_REQ))
				TH_LOG("after \"%s\"", values[i]);
		}
	}
}

/* The same for when connections are given back. */
TEST_F(tcp_migrate_req, unread_takes_0_to_2)
{
	static const char * const values[] = { "3", "-1", "258", "x", "1x" };
	char value[2] = "0";
	size_t i;

	if (!netns_has_module())
		SKIP(return, "the migration is mainline's");

	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ_UNREAD));
	for (; value[0] <= '2'; value[0]++) {
		ASSERT_EQ(0, sysctl_write(MIGRATE_REQ_UNREAD, value));
		EXPECT_EQ(value[0] - '0', sysctl_read(MIGRATE_REQ_UNREAD));
		for (i = 0; i < ARRAY_SIZE(values); i++) {
			EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ_UNREAD, values[i]));
			EXPECT_EQ(EINVAL, errno);
		}
		EXPECT_EQ(value[0] - '0', sysctl_read(MIGRATE_REQ_UNREAD));
	}
}

TEST_F(tcp_migrate_req, one_for_each_namespace)
{
	int first, second;

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	first = netns_open();
	ASSERT_LE(0, first);

	ASSERT_EQ(0, netns_enter());
	second = netns_open();
	ASSERT_LE(0, second);
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));

	ASSERT_EQ(0, setns(first, CLONE_NEWNET));
	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "0"));
	ASSERT_EQ(0, setns(second, CLONE_NEWNET));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
	ASSERT_EQ(0, setns(first, CLONE_NEWNET));
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
}

/* It isn't enough that some other namespace has it on. */
TEST_F(tcp_migrate_req, counts_in_its_own_namespace_only)
{
	int from, to, client;

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	ASSERT_EQ(0, netns_enter());

	from = listener_open("127.0.0.1");
	ASSERT_LE(0, from);
	client = client_connect("127.0.0.1", 0);
	ASSERT_LE(0, client);
	to = listener_open("127.0.0.1");
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(from));
	EXPECT_TRUE(client_reset(client));

	ASSERT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	client = client_connect("127.0.0.1", 1);
	ASSERT_LE(0, client);
	from = to;
	to = listener_open("127.0.0.1");
	ASSERT_LE(0, to);
	ASSERT_EQ(0, close(from));
	EXPECT_EQ(1, listener_serve(to));
	EXPECT_TRUE(client_served(client, 1));
}

TEST_F(tcp_migrate_req, needs_rights)
{
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
	EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ, "1"));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, sysctl_read(MIGRATE_REQ));
}

/* All rights over a user namespace are none over its parent's network. */
TEST_F(tcp_migrate_req, needs_rights_over_this_namespace)
{
	ASSERT_EQ(0, setresuid(NOBODY, NOBODY, NOBODY));
	ASSERT_EQ(0, unshare(CLONE_NEWUSER));
	EXPECT_EQ(-1, sysctl_write(MIGRATE_REQ, "1"));
	EXPECT_EQ(EACCES, errno);

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	EXPECT_EQ(0, sysctl_write(MIGRATE_REQ, "1"));
	EXPECT_EQ(1, sysctl_read(MIGRATE_REQ));
}

int main(int argc, char **argv)
{
	netns_require_migration();
	return test_harness_run(argc, argv);
}
