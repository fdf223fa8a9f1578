/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that runs short, for the whole guest: programs that include this run alone.
 */
#ifndef SLABS_H
#define SLABS_H

#include <stdbool.h>

/* For the data of a packet: there may be heads in a cache of the CPU's own. */
#define PACKETS_SLAB	"skbuff_small_head"

/* Whether the kernel can do that. */
bool slabs_can_fail(void);

/*
 * From now on, or not any more, the kernel has no memory for what @slab holds, where it
 * doesn't wait for any.
 */
int slab_exhaust(const char *slab, bool on);

#endif /* SLABS_H */
