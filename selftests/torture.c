// SPDX-License-Identifier: GPL-2.0
/*
 * torture SECONDS [SEED]: everything at once, round after round.
 *
 *  1. A namespace with groups of listeners. Threads have listeners stop, close
 *     and listen again, processes with listeners die, programs come and go,
 *     namespaces too; in some rounds also the module and the sysctls, groups lose
 *     all listeners, programs cancel migrations, memory is short. In some rounds
 *     listeners are orphaned, and groups that lose all get another soon.
 *  2. Meanwhile clients connect, and peers begin handshakes that they complete,
 *     late or never, reset, or confuse.
 *  3. All end. Each client was served; or it was refused at a time at which
 *     there was a reason for that.
 *  4. Listeners answer, have nothing in their queues, and are closed. The
 *     namespace goes away, and what the kernel has allocated is what it had
 *     before the first round.
 *
 * All decisions follow from the seed.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"

#include "lib/netns.h"
#include "torture_lib/admin.h"
#include "torture_lib/run.h"
#include "torture_lib/state.h"

#define TIE	"torture"

static void describe(const struct round *round, char *text, size_t size)
{
	static const char * const faults[] = {
		[FAULTS_NONE]	= "",
		[FAULTS_ATOMIC]	= ", memory is short",
		[FAULTS_TASKS]	= ", memory is short in system calls",
	};

	snprintf(text, size,
		 "torture.round_%d%s%s%s%s%s%s%s%s%s: %ld served, %ld refused, %ld migrated",
		 round->number, round_is_quiet(round) ? ", quiet" : "",
		 round->reloads ? ", reloads" : "",
		 round->toggles ? ", toggles" : "",
		 round->cancels ? ", cancels" : "",
		 round->empties ? ", empties" : "",
		 round->grace ? ", grace" : "", round->gaps ? ", gaps" : "",
		 round->rescues ? ", rescues" : "",
		 faults[round->had_faults],
		 round->counts[COUNT_SERVED], round->counts[COUNT_REFUSED],
		 round->counts[COUNT_MIGRATED]);
}

/* Runs it in a process, and waits for that and its namespace to end. */
static void run(struct round *round)
{
	int pair[2], status;
	char byte;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		ksft_exit_fail_perror("socketpair");

	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(pair[0]);
		round_run(round, pair[1]);
	}

	close(pair[1]);
	if (pid < 0 || read(pair[0], &byte, 1) != 1 || netns_tie(TIE, pid) ||
	    write(pair[0], "", 1) != 1)
		round_fail(round, "cannot begin");

	close(pair[0]);
	if (waitpid(pid, &status, 0) != pid || status)
		round_fail(round, "ended with %#x", status);

	if (!netns_gone(TIE))
		round_fail(round, "the namespace doesn't go away");
}

static void print_counts(const long *counts)
{
	int i;

	for (i = 0; i < COUNTS; i++)
		ksft_print_msg("%10ld %s\n", counts[i], count_names[i]);
}

int main(int argc, char **argv)
{
	long counts[COUNTS] = {};
	struct random random;
	struct state before;
	struct round *round;
	char text[256];
	time_t end;
	int i;

	if (argc < 2)
		ksft_exit_fail_msg("usage: torture SECONDS [SEED]\n");

	ksft_print_header();
	netns_require_migration();
	end = time(NULL) + atoi(argv[1]);
	random.state = argc > 2 ? strtoull(argv[2], NULL, 0) : (__u64)time(NULL);
	ksft_print_msg("SEED=%llu\n", random.state);

	round = mmap(NULL, sizeof(*round), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (round == MAP_FAILED || admin_load_programs())
		ksft_exit_fail_perror("cannot begin");

	if (!state_read(&before))
		ksft_exit_fail_msg("sockets of others come and go\n");

	do {
		round_plan(round, random, ksft_test_num());
		run(round);
		if (!state_returns(&before))
			round_fail(round, "something is left");

		for (i = 0; i < COUNTS; i++)
			counts[i] += round->counts[i];

		describe(round, text, sizeof(text));
		ksft_test_result(!round->failed, "%s\n", text);
	} while (!round->failed && time(NULL) < end);

	print_counts(counts);
	printf("1..%d\n", ksft_test_num());
	return round->failed;
}
