// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "stopwatch.h"

long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static void schedule(int policy, int priority)
{
	const struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &param))
		fail("sched_setscheduler");
}

void undisturbed(void)
{
	schedule(SCHED_FIFO, 1);
}

void undisturbed_over(void)
{
	schedule(SCHED_OTHER, 0);
}

void spin(void)
{
	int i;

	for (i = 0; i < 20000000; i++)
		asm volatile("");
}

static int compare(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

long median(long *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

void report(const char *name, const char *quantity, double value)
{
	printf("%s\t%s\t%.2f\n", name, quantity, value);
	fflush(stdout);
}

void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}
