// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <unistd.h>

#include "file.h"
#include "slabs.h"

#define FAILSLAB	"/sys/kernel/debug/failslab"

bool slabs_can_fail(void)
{
	return !access(FAILSLAB, F_OK);
}

int slab_exhaust(const char *slab, bool on)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/kernel/slab/%s", slab);
	return file_write(FAILSLAB, "verbose", "0") ||
	       file_write(FAILSLAB, "cache-filter", "1") ||
	       file_write(FAILSLAB, "times", "-1") ||
	       file_write(FAILSLAB, "probability", on ? "100" : "0") ||
	       file_write(dir, "failslab", on ? "1" : "0") ? -1 : 0;
}
