// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "round.h"

const char * const count_names[COUNTS] = {
	[COUNT_LISTEN]		= "listen",
	[COUNT_LISTEN_AGAIN]	= "listen again",
	[COUNT_CLOSE]		= "close",
	[COUNT_GAP]		= "close, a gap, and listen",
	[COUNT_SHUTDOWN]	= "shutdown",
	[COUNT_EXIT]		= "process with listeners killed",
	[COUNT_LOAD]		= "module loaded",
	[COUNT_UNLOAD]		= "module unloaded",
	[COUNT_SYSCTL]		= "migration off and on",
	[COUNT_GRACE]		= "grace off and on",
	[COUNT_CHOICE]		= "choice by settings or room changed",
	[COUNT_ATTACH]		= "program attached",
	[COUNT_DETACH]		= "program detached",
	[COUNT_NAMESPACE]	= "namespace deleted",
	[COUNT_CONNECT]		= "client connects",
	[COUNT_FASTOPEN]	= "client connects with Fast Open",
	[COUNT_SYN]		= "peer's SYN",
	[COUNT_ACK]		= "peer's ACK",
	[COUNT_LATE_ACK]	= "peer's late ACK",
	[COUNT_RST]		= "peer's RST",
	[COUNT_BAD]		= "peer misbehaves",
	[COUNT_SERVED]		= "served",
	[COUNT_REFUSED]		= "refused",
	[COUNT_GONE]		= "gone before that",
	[COUNT_MIGRATED]	= "migrated",
	[COUNT_ADOPTED]		= "of them after a gap",
	[COUNT_GIVEN_BACK]	= "of them from a process that died",
	[COUNT_NOT_MIGRATED]	= "not migrated",
};

void round_count(struct round *round, enum count count)
{
	__atomic_fetch_add(&round->counts[count], 1, __ATOMIC_RELAXED);
}

void round_fail(struct round *round, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# round %d: %s\n", round->number, text);
	fflush(stdout);
	__atomic_store_n(&round->failed, true, __ATOMIC_RELAXED);
}

void round_prepare(const struct round *round, int fd)
{
	struct linger linger = { .l_onoff = 1 };

	if (round->faults)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void round_spare(const struct round *round, bool spare)
{
	if (round->faults == FAULTS_TASKS)
		faults_ask(!spare);
}

pid_t round_fork(const struct round *round)
{
	pid_t pid;

	round_spare(round, true);
	pid = fork();
	round_spare(round, false);
	return pid;
}

void hazard_begin(struct hazard *hazard)
{
	__atomic_fetch_add(&hazard->open, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&hazard->begun, 1, __ATOMIC_SEQ_CST);
}

void hazard_end(struct hazard *hazard)
{
	__atomic_fetch_sub(&hazard->open, 1, __ATOMIC_SEQ_CST);
}

void hazard_end_after_gaps(struct round *round)
{
	pthread_rwlock_wrlock(&round->gap);
	pthread_rwlock_unlock(&round->gap);
	hazard_end(&round->hazard);
}

/* -1 if there's one now. */
static int hazards_begun(struct hazard *hazard)
{
	int begun = __atomic_load_n(&hazard->begun, __ATOMIC_SEQ_CST);

	return __atomic_load_n(&hazard->open, __ATOMIC_SEQ_CST) ? -1 : begun;
}

struct shelter shelter_take(struct round *round, struct group *group)
{
	return (struct shelter) {
		.group = hazards_begun(&group->hazard),
		.all = hazards_begun(&round->hazard),
	};
}

bool shelter_held(struct shelter shelter, struct round *round,
		  struct group *group)
{
	return shelter.group >= 0 && shelter.all >= 0 &&
	       hazards_begun(&group->hazard) == shelter.group &&
	       hazards_begun(&round->hazard) == shelter.all;
}

bool round_is_quiet(const struct round *round)
{
	return !round->faults && !round->reloads && !round->toggles &&
	       !round->cancels && !round->empties;
}
