/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of the connections of an orphaned listener when its successor listens.
 */
#ifndef ADOPTION_H
#define ADOPTION_H

#include "harness.h"
#include "orphans.h"
#include "process.h"

/*
 * So many connections are adopted, some of which are served before they are counted; and
 * not only in the end, when the time of the one that was killed is up.
 */
static inline void expect_adopted(struct __test_metadata *_metadata, long count)
{
	EXPECT_TRUE(counter_reaches(MIGRATE_SUCCESS, count));
	expect_counters(_metadata, count, 0);
	EXPECT_GT(atoi(LONG_GRACE_MS), process_dead_ms());
}

#endif /* ADOPTION_H */
