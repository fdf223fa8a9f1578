/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Loads and unloads the module, changes the sysctl and the programs of groups,
 * and has namespaces come and go.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include "round.h"

/* Before the first round. */
int admin_load_programs(void);
bool admin_can_reload(void);

/* Has what waits for processes that hang or die go to others. */
void admin_help(struct round *round);

/* A listener that programs may choose, for a while. */
void admin_offer(struct random *random, int listener);

/* The thread. */
void *admin_act(void *task);

#endif /* ADMIN_H */
