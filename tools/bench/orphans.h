/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners that go on without a process.
 */
#ifndef ORPHANS_H
#define ORPHANS_H

#include <stdbool.h>

/* From now on, a listener goes on for a minute unless another one gets its connections. */
void orphans_allow(void);

/*
 * So many, each on an address of its own that is none of the benchmark's. Their port is
 * SERVER_PORT, or is another one for each.
 */
void orphans_make(int count, bool same_port);

/*
 * Ends them. From now on there are none, not even of the listeners that the program has
 * when it ends.
 */
void orphans_end(void);

#endif /* ORPHANS_H */
