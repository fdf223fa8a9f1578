// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kselftest.h"
#include "file.h"
#include "module.h"
#include "netns.h"
#include "patience.h"
#include "process.h"

#define SEPARATORS	"\n "

void netns_require_migration(void)
{
	if (!access("/proc/sys/" MIGRATE_REQ, F_OK))
		return;

	if (getenv("TCP_MIGRATE_KO")) {
		if (module_load(""))
			ksft_exit_fail_perror("TCP_MIGRATE_KO");
	} else if (system("modprobe -q " MODULE)) {
		ksft_exit_skip("no " MIGRATE_REQ ", TCP_MIGRATE_KO or module to modprobe\n");
	}
}

bool netns_has_module(void)
{
	return !access("/proc/sys/" MIGRATE_REQ_MATCH, F_OK);
}

void netns_require_module(void)
{
	netns_require_migration();
	if (!netns_has_module())
		ksft_exit_skip("the migration is mainline's\n");
}

int netns_enter(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd, ret;

	if (unshare(CLONE_NEWNET))
		return -1;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;

	ret = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return ret;
}

static int only_enter(__maybe_unused void *unused)
{
	return netns_enter();
}

pid_t netns_start(void)
{
	return process_start(only_enter, NULL);
}

int netns_open(void)
{
	return netns_of(getpid());
}

int netns_of(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int netns_tie(const char *name, pid_t pid)
{
	char command[80];

	snprintf(command, sizeof(command),
		 "ip link add %s type veth peer name above netns %d", name, pid);
	return system(command);
}

bool netns_tied(const char *name)
{
	return if_nametoindex(name);
}

bool netns_gone(const char *name)
{
	return wait_until(!netns_tied(name));
}

int sysctl_write(const char *name, const char *value)
{
	return file_write("/proc/sys", name, value);
}

long sysctl_read(const char *name)
{
	char path[128];
	FILE *file;
	long value;

	snprintf(path, sizeof(path), "/proc/sys/%s", name);
	file = fopen(path, "re");
	if (!file)
		return -1;

	if (fscanf(file, "%ld", &value) != 1)
		value = -1;

	fclose(file);
	return value;
}

/* /proc/net/netstat has a line of names, then a line of their values. */
static long counter_find(char *names, char *values, const char *wanted)
{
	char *name, *value, *save_name, *save_value;

	name = strtok_r(names, SEPARATORS, &save_name);
	value = strtok_r(values, SEPARATORS, &save_value);
	while (name && value) {
		if (!strcmp(name, wanted))
			return atol(value);

		name = strtok_r(NULL, SEPARATORS, &save_name);
		value = strtok_r(NULL, SEPARATORS, &save_value);
	}

	return -1;
}

long counter_read(const char *name)
{
	char names[8192], values[8192];
	long value = -1;
	FILE *file;

	file = fopen("/proc/net/netstat", "re");
	if (!file)
		return -1;

	while (value < 0 && fgets(names, sizeof(names), file) &&
	       fgets(values, sizeof(values), file)) {
		if (!strncmp(names, "TcpExt:", strlen("TcpExt:")))
			value = counter_find(names, values, name);
	}

	fclose(file);
	return value;
}

bool counter_reaches(const char *name, long value)
{
	return wait_until(counter_read(name) >= value);
}

/* A value of a file that has several in a line. */
static long sockstat_read(const char *format)
{
	char line[256];
	long count = -1;
	FILE *file;

	file = fopen("/proc/net/sockstat", "re");
	if (!file)
		return -1;

	while (count < 0 && fgets(line, sizeof(line), file))
		sscanf(line, format, &count);

	fclose(file);
	return count;
}

long time_wait_sockets(void)
{
	return sockstat_read("TCP: inuse %*d orphan %*d tw %ld");
}

long sockets_used(void)
{
	return sockstat_read("sockets: used %ld");
}
