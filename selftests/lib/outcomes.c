// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "netns.h"
#include "outcomes.h"
#include "patience.h"

#define TRACING		"/sys/kernel/tracing"
#define GROUP		"events/tcp_migrate"

/* A line of the file: an outcome, and its counters. */
#define PATHS		6

struct line {
	char outcome[32];
	char columns[PATHS][32];
};

static bool line_read(FILE *file, struct line *line)
{
	int i;

	if (fscanf(file, "%31s", line->outcome) != 1)
		return false;

	for (i = 0; i < PATHS; i++) {
		if (fscanf(file, "%31s", line->columns[i]) != 1)
			return false;
	}

	return true;
}

long outcome_read(const char *path, const char *outcome)
{
	struct line heading, line;
	long value = -1;
	FILE *file;
	int i;

	file = fopen(OUTCOMES, "re");
	if (!file)
		return -1;

	if (!line_read(file, &heading))
		heading = (struct line){};

	while (value < 0 && line_read(file, &line)) {
		for (i = 0; i < PATHS; i++) {
			if (!strcmp(line.outcome, outcome) &&
			    !strcmp(heading.columns[i], path))
				value = atol(line.columns[i]);
		}
	}

	fclose(file);
	return value;
}

long outcomes_sum(bool success)
{
	struct line line;
	long sum = 0;
	FILE *file;
	int i;

	file = fopen(OUTCOMES, "re");
	if (!file)
		return -1;

	while (line_read(file, &line)) {
		if (success != (!strcmp(line.outcome, "migrated") ||
				!strcmp(line.outcome, "over_backlog")))
			continue;
		/* The heading counts nothing. */
		for (i = 0; i < PATHS; i++)
			sum += atol(line.columns[i]);
	}

	fclose(file);
	return sum;
}

long failures_read(void)
{
	static const char *const paths[] = { "ack", "timer" };
	long failures = counter_read(MIGRATE_FAILURE), lost;
	size_t i;

	for (i = 0; i < 2; i++) {
		lost = outcome_read(paths[i], "lost_race");
		if (lost > 0)
			failures -= lost;
	}

	return failures;
}

bool outcome_reaches(const char *path, const char *outcome, long value)
{
	return wait_until(outcome_read(path, outcome) >= value);
}

bool outcomes_agree(void)
{
	return wait_until(outcomes_sum(true) == counter_read(MIGRATE_SUCCESS) &&
			  outcomes_sum(false) == counter_read(MIGRATE_FAILURE));
}

bool events_supported(void)
{
	return !mount("tracefs", TRACING, "tracefs", 0, NULL) || errno == EBUSY;
}

/* What SO_NETNS_COOKIE is in the caller's namespace. */
static unsigned long long net_cookie(void)
{
	unsigned long long cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;

	getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len);
	close(fd);
	return cookie;
}

int events_open(struct events *events)
{
	char filter[64];

	snprintf(events->dir, sizeof(events->dir),
		 TRACING "/instances/tcp_migrate.%d", getpid());
	if (mkdir(events->dir, 0700))
		return -1;

	snprintf(filter, sizeof(filter), "net_cookie == %llu", net_cookie());
	return file_write(events->dir, GROUP "/filter", filter) ||
	       file_write(events->dir, GROUP "/enable", "1") ? -1 : 0;
}

void events_close(struct events *events)
{
	file_write(events->dir, GROUP "/enable", "0");
	rmdir(events->dir);
}

static bool event_parse(struct event *event, const char *line)
{
	return sscanf(line,
		      "%31[^:]: family=%15s src=%63s dest=%63s state=%31s path=%15s outcome=%15s from_cookie=%llx to_cookie=%llx net_cookie=%llx",
		      event->name, event->family, event->src, event->dest,
		      event->state, event->path, event->outcome,
		      &event->from_cookie, &event->to_cookie,
		      &event->net_cookie) == 10;
}

int events_read(const struct events *events, struct event *list, int most)
{
	char path[128], line[512], *start;
	int count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/trace", events->dir);
	file = fopen(path, "re");
	if (!file)
		return -1;

	while (count >= 0 && count < most && fgets(line, sizeof(line), file)) {
		if (line[0] == '#')
			continue;

		/* What comes before is the task, its CPU and the time. */
		start = strstr(line, ": tcp_migrate_");
		if (start && event_parse(&list[count], start + 2))
			count++;
		else
			count = -1;
	}

	fclose(file);
	return count;
}
