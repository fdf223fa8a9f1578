// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "../lib/file.h"
#include "../lib/patience.h"
#include "state.h"

static const char * const slabs[STATE_SLABS] = {
	"request_sock_TCP",
	"request_sock_TCPv6",
	"TCP",
	"TCPv6",
	"tw_sock_TCP",
	"tw_sock_TCPv6",
};

/*
 * Has the objects that are free counted as such: those that CPUs keep to use
 * again, and those that KASAN keeps to find who uses them.
 */
static void slab_shrink(const char *name)
{
	char dir[64];

	snprintf(dir, sizeof(dir), "/sys/kernel/slab/%s", name);
	file_write(dir, "shrink", "1");
}

static void slabs_read(long *counts)
{
	char line[256], name[32];
	long active;
	FILE *file;
	int i;

	for (i = 0; i < STATE_SLABS; i++) {
		counts[i] = -1;
		slab_shrink(slabs[i]);
	}

	file = fopen("/proc/slabinfo", "re");
	if (!file)
		return;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31s %ld", name, &active) != 2)
			continue;
		for (i = 0; i < STATE_SLABS; i++) {
			if (!strcmp(name, slabs[i]))
				counts[i] = active;
		}
	}
	fclose(file);
}

/* These count for all namespaces. */
static void sockstat_read(long *sockets, long *orphans)
{
	char line[256];
	FILE *file;

	*sockets = -1;
	file = fopen("/proc/net/sockstat", "re");
	if (!file)
		return;

	while (fgets(line, sizeof(line), file))
		sscanf(line, "TCP: inuse %*d orphan %ld tw %*d alloc %ld",
		       orphans, sockets);
	fclose(file);
}

static long references_read(void)
{
	long count = -1;
	FILE *file;

	file = fopen("/sys/module/tcp_migrate/refcnt", "re");
	if (!file)
		return -1;

	if (fscanf(file, "%ld", &count) != 1)
		count = -1;
	fclose(file);
	return count;
}

static void state_read_now(struct state *state)
{
	slabs_read(state->slabs);
	sockstat_read(&state->sockets, &state->orphans);
	state->references = references_read();
}

static bool same(const char *name, long before, long now, bool say)
{
	if (before != now && say)
		printf("# %s: %ld, was %ld\n", name, now, before);
	return before == now;
}

static bool state_same(const struct state *before, const struct state *now,
		       bool say)
{
	bool ret;
	int i;

	ret = same("sockets", before->sockets, now->sockets, say);
	ret &= same("orphans", before->orphans, now->orphans, say);
	ret &= same("references on the module", before->references,
		    now->references, say);
	for (i = 0; i < STATE_SLABS; i++)
		ret &= same(slabs[i], before->slabs[i], now->slabs[i], say);

	return ret;
}

static bool state_stays(struct state *state)
{
	struct state last;

	state_read_now(&last);
	sleep(1);
	state_read_now(state);
	return !state->orphans && state_same(&last, state, false);
}

bool state_read(struct state *state)
{
	return wait_until(state_stays(state));
}

static bool state_is(const struct state *before, bool say)
{
	struct state now;

	state_read_now(&now);
	return state_same(before, &now, say);
}

bool state_returns(const struct state *before)
{
	return wait_until(state_is(before, false)) || state_is(before, true);
}

/* The lines of a table that aren't in TIME_WAIT. */
static int sockets_left(const char *table, bool say)
{
	unsigned int state;
	char line[256];
	int count = 0;
	FILE *file;

	file = fopen(table, "re");
	if (!file)
		return 0;

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, " %*d: %*s %*s %x", &state) != 1 || state == 6)
			continue;
		if (say)
			printf("# %s: %s", table, line);
		count++;
	}
	fclose(file);
	return count;
}

static bool drained(bool say)
{
	return !(sockets_left("/proc/net/tcp", say) +
		 sockets_left("/proc/net/tcp6", say));
}

bool state_drained(void)
{
	return wait_until(drained(false)) || drained(true);
}
