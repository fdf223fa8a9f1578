/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that come and go, and who accepts and serves their connections.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include "round.h"

#define CHANGERS	2

/* Gives a group a listener more, which somebody serves or not. */
int group_open(struct round *round, struct group *group, bool served);

/* Each of the threads that open, stop and close listeners. */
void *servers_change(void *task);

/* The thread that serves, until the round is over. */
void *servers_serve(void *task);

#endif /* SERVERS_H */
