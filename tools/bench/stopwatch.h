/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Time, which is a count of instructions in a guest that was started so.
 */
#ifndef STOPWATCH_H
#define STOPWATCH_H

#include <stddef.h>

/* In nanoseconds. */
long now(void);

/*
 * Nobody whom the caller wakes runs in its stead, until it's over: what is
 * measured in between is the caller's doing.
 */
void undisturbed(void);
void undisturbed_over(void);

/*
 * Keeps the processor for longer than a grace period takes, if nobody else wants
 * it, and always as long.
 */
void spin(void);

/* Sorts them. */
long median(long *values, size_t count);

/* A line for scripts/bench: the case, what was measured, and the value. */
void report(const char *name, const char *quantity, double value);

/* Ends the program: there's no result where the case wasn't what it should be. */
void fail(const char *what);

#endif /* STOPWATCH_H */
