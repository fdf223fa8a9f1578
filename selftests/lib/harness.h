/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's harness, and what most programs add to it.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include "kselftest_harness.h"

#include "netns.h"
#include "outcomes.h"

/* Seconds for a test that hangs; no other may come near, however slow the machine. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1200

/*
 * A variant for each family, of a fixture that wants no more than an address. For
 * checkpatch.pl it takes a declaration not to be code.
 */
#define ADDRESS_VARIANTS(type, ipv4_address, ipv6_address)		\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(type, ipv4) {				\
		.address = ipv4_address,				\
	};								\
	FIXTURE_VARIANT_ADD(type, ipv6) {				\
		.address = ipv6_address,				\
	}

/* A variant for each way to stop a listener; the rest is what they have in common. */
#define STOP_VARIANTS(type, name, ...)					\
	struct __test_metadata;						\
	FIXTURE_VARIANT_ADD(type, name ## _close) {			\
		.stop = STOP_CLOSE,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(type, name ## _shut_rdwr) {			\
		.stop = STOP_SHUT_RDWR,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(type, name ## _shut_rd) {			\
		.stop = STOP_SHUT_RD,					\
		__VA_ARGS__						\
	};								\
	FIXTURE_VARIANT_ADD(type, name ## _exit) {			\
		.stop = STOP_EXIT,					\
		__VA_ARGS__						\
	}

/* Whether it's a kernel in which everything takes some ten times as long. */
static inline bool has_sanitizers(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

/* How many connections have been migrated in this namespace, and how many couldn't be. */
static inline void expect_counters(struct __test_metadata *_metadata,
				   long success, long failure)
{
	EXPECT_EQ(success, counter_read(MIGRATE_SUCCESS));
	EXPECT_EQ(failure, failures_read());
}

#endif /* HARNESS_H */
