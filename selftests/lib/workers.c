// SPDX-License-Identifier: GPL-2.0
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest.h"
#include "listeners.h"
#include "netns.h"
#include "process.h"
#include "workers.h"

static void exit_by_itself(__maybe_unused int signal)
{
	_exit(0);
}

/* Moves a descriptor above all others. */
static int make_highest(int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) ||
	       dup2(fd, limit.rlim_cur - 1) < 0 ? -1 : close(fd);
}

static int work(void *data)
{
	const struct worker *worker = data;
	int fd, i;

	if (signal(SIGUSR1, exit_by_itself) == SIG_ERR)
		return -1;

	if (worker->prepare && worker->prepare())
		return -1;

	for (i = 0; i < worker->accepts; i++) {
		fd = listener_accept(worker->listener);
		if (fd < 0 || (worker->treat && worker->treat(fd, i)))
			return -1;
	}

	return worker->listener_is_highest ? make_highest(worker->listener) : 0;
}

pid_t worker_start(const struct worker *worker)
{
	return process_start(work, (void *)worker);
}

int unread_allow(const char *unread)
{
	return sysctl_write(MIGRATE_REQ, "1") ||
	       sysctl_write(MIGRATE_REQ_UNREAD, unread) ? -1 : 0;
}
