/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Decisions that repeat with their seed, for one thread.
 */
#ifndef RANDOM_H
#define RANDOM_H

#include <linux/types.h>

struct random {
	__u64 state;
};

/* Splitmix64. */
static inline __u64 random_next(struct random *random)
{
	__u64 z = random->state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static inline unsigned int random_below(struct random *random, unsigned int n)
{
	return (random_next(random) >> 32) * n >> 32;
}

/* One in @n. */
static inline int random_rarely(struct random *random, unsigned int n)
{
	return !random_below(random, n);
}

/* A stream of its own for whatever has this number. */
static inline struct random random_split(struct random random, __u64 number)
{
	random.state ^= number * 0xd1342543de82ef95;
	random_next(&random);
	return random;
}

#endif /* RANDOM_H */
