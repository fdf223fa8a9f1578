/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs a round of torture: a process with a network namespace of its own, and threads
 * that do their worst in it.
 */
#ifndef RUN_H
#define RUN_H

#include "round.h"

/* Decides what may happen in a round. */
void round_plan(struct round *round, struct random random, int number);

/*
 * The round, in a process of its own that ends with it. It tells @parent, a socket,
 * when it has a namespace of its own, and goes on when that answers.
 */
void round_run(struct round *round, int parent);

#endif /* RUN_H */
