/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long to wait: for what should happen, longer than the slowest machine takes.
 */
#ifndef PATIENCE_H
#define PATIENCE_H

#include <stdbool.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS	120000

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether @condition comes true; what it reads may change meanwhile. */
#define wait_until(condition)						\
({									\
	long end_ = now_ms() + PATIENCE_MS;				\
	bool met_;							\
									\
	for (;;) {							\
		met_ = (condition);					\
		if (met_ || now_ms() >= end_)				\
			break;						\
		usleep(5000);						\
	}								\
	met_;								\
})

#endif /* PATIENCE_H */
