// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "listeners.h"
#include "netns.h"
#include "outcomes.h"
#include "patience.h"
#include "stalls.h"

/* No test has listeners there. */
#define WITNESS		"127.0.1.1"

struct stall stall_read(int listener)
{
	unsigned long long cookie, wanted = listener_cookie(listener);
	struct stall stall;
	char line[256];
	int parked;
	FILE *file;

	file = fopen(STALLS, "re");
	if (!file)
		return (struct stall){};

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llx %d %d %ld %d %d", &cookie, &stall.port,
			   &stall.queue, &stall.since_ms, &stall.times,
			   &parked) == 6 && cookie == wanted)
			break;
		cookie = 0;
	}

	if (feof(file))
		stall = (struct stall){};
	else
		stall.parked = parked;

	fclose(file);
	return stall;
}

/* Nobody reads the file in the middle of a look. */
static bool look_ends(void)
{
	FILE *file = fopen(STALLS, "re");
	bool read;

	if (!file)
		return false;

	read = fgetc(file) != EOF;
	fclose(file);
	return read;
}

bool stalls_rescued(int count)
{
	return outcome_reaches("stall", "migrated", count) && look_ends();
}

int listener_unblock(int fd)
{
	return fcntl(fd, F_SETFL, O_NONBLOCK);
}

int listener_open_unblocked(const char *address)
{
	int fd = listener_open(address);

	if (fd >= 0 && listener_unblock(fd)) {
		close(fd);
		return -1;
	}

	return fd;
}

static bool witness_rescued(void)
{
	int stalled, other, client;
	bool rescued;

	stalled = listener_open_unblocked(WITNESS);
	client = client_connect(WITNESS, 0);
	other = listener_open(WITNESS);
	rescued = stalled >= 0 && client >= 0 && other >= 0 &&
		  wait_until(listener_queued(other) == 1) && look_ends() &&
		  !listener_serve(other);

	close(stalled);
	close(client);
	close(other);
	return rescued;
}

bool stalls_looked_for(int netns)
{
	int home = netns_open();
	bool rescued;

	if (home < 0 || (netns >= 0 && setns(netns, CLONE_NEWNET)))
		return false;

	rescued = witness_rescued();
	if (setns(home, CLONE_NEWNET))
		rescued = false;

	close(home);
	return rescued;
}
