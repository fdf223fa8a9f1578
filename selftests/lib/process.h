/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Processes that own sockets, to be killed.
 */
#ifndef PROCESS_H
#define PROCESS_H

#include <sys/types.h>

/*
 * Starts a process, which calls @begin and then does nothing more. Waits for it, and
 * returns -1 with its errno if @begin fails.
 */
pid_t process_start(int (*begin)(void *data), void *data);

/* Has it die of a signal. Its descriptors have been closed on return. */
int process_end(pid_t pid, int signal);

/* The same with SIGKILL. */
int process_kill(pid_t pid);

/* For how long the last one that was ended has been dead; 0 if there was none. */
long process_dead_ms(void);

#endif /* PROCESS_H */
