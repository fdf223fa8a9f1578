/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The network namespace that a test works in: its sysctls and its counters.
 */
#ifndef NETNS_H
#define NETNS_H

#include <stdbool.h>
#include <sys/types.h>

#define MIGRATE_REQ		"net/ipv4/tcp_migrate_req"
#define MIGRATE_REQ_MATCH	"net/ipv4/tcp_migrate_req_match"
#define MIGRATE_SUCCESS		"TCPMigrateReqSuccess"
#define MIGRATE_FAILURE		"TCPMigrateReqFailure"

/*
 * Every main() begins here: exits with the status of a skipped test when
 * neither the kernel nor a module has the sysctl.
 */
void netns_require_migration(void);

/* Whether it's the module's migration. */
bool netns_has_module(void);

/* The same for what mainline's migration hasn't got. */
void netns_require_module(void);

/* Moves the caller into a namespace of its own, with lo up. */
int netns_enter(void);

/* A process that does nothing, in a namespace of its own. */
pid_t netns_start(void);

/* A descriptor of the namespace of the caller, or a process, for setns(). */
int netns_open(void);
int netns_of(pid_t pid);

/*
 * Devices that are each other's peer: @name here, and one in the namespace of a
 * process. Both are gone when that is; netns_gone() waits for it.
 */
int netns_tie(const char *name, pid_t pid);
bool netns_tied(const char *name);
bool netns_gone(const char *name);

/* Names are relative to /proc/sys. */
int sysctl_write(const char *name, const char *value);
long sysctl_read(const char *name);

/* A TcpExt counter of the caller's namespace, -1 if there's none. */
long counter_read(const char *name);

/* Waits until it's at least @value: some count after what a client sees. */
bool counter_reaches(const char *name, long value);

/* How many there are in the caller's namespace, -1 if that's unknown. */
long time_wait_sockets(void);

/* How many there are that the kernel hasn't freed, whatever their state. */
long sockets_used(void);

#endif /* NETNS_H */
