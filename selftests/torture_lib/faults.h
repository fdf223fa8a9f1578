/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault injection: the kernel runs out of memory at times.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

enum faults {
	FAULTS_NONE,
	FAULTS_ATOMIC,	/* where an allocation may not sleep, for everybody */
	FAULTS_TASKS,	/* in system calls of threads that asked for it */
};

/* Whether the kernel can, and this can have it do so. */
bool faults_available(void);

/*
 * Gives the calling process a root in memory. Where the root is 9p, each path that
 * is looked up asks the server, and without memory the client forgets to give
 * back what it got: its next lookups fail.
 */
int faults_prepare(void);

int faults_begin(enum faults faults);
void faults_end(void);

/* The caller, and its children, ask for it; or not any more. */
void faults_ask(bool ask);

#endif /* FAULTS_H */
