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

int faults_begin(enum faults faults);
void faults_end(void);

/* The caller, and its children, ask for it; or not any more. */
void faults_ask(bool ask);

#endif /* FAULTS_H */
