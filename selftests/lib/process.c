// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "patience.h"
#include "process.h"

static void run(int (*begin)(void *data), void *data, int ready)
{
	int error;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	error = begin(data) ? errno : 0;
	if (write(ready, &error, sizeof(error)) != sizeof(error) || error)
		_exit(1);

	for (;;)
		pause();
}

pid_t process_start(int (*begin)(void *data), void *data)
{
	int ready[2];
	int error;
	pid_t pid;

	if (pipe(ready))
		return -1;

	pid = fork();
	if (!pid)
		run(begin, data, ready[1]);

	close(ready[1]);
	if (read(ready[0], &error, sizeof(error)) != sizeof(error))
		error = ECHILD;

	close(ready[0]);
	errno = error;
	return error ? -1 : pid;
}

static long ended_ms;

int process_end(pid_t pid, int signal)
{
	ended_ms = now_ms();
	return kill(pid, signal) || waitpid(pid, NULL, 0) != pid ? -1 : 0;
}

int process_kill(pid_t pid)
{
	return process_end(pid, SIGKILL);
}

long process_dead_ms(void)
{
	return ended_ms ? now_ms() - ended_ms : 0;
}
