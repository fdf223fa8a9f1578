// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kselftest.h"

#include "../lib/file.h"
#include "faults.h"

#define FAILSLAB	"/sys/kernel/debug/failslab"
#define FAIL_PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc"
#define ROOT		"/mnt"
#define MODULE_FILE	"/tcp_migrate.ko"

/*
 * What the network allocates. Not what the sanitizers allocate with the same
 * flags: they switch themselves off when they get no memory.
 */
static const char * const caches[] = {
	"/sys/kernel/slab/TCP*",
	"/sys/kernel/slab/*_sock_TCP*",
	"/sys/kernel/slab/tcp_bind*",
	"/sys/kernel/slab/skbuff_*",
	"/sys/kernel/slab/kmalloc-[0-9]*",
	"/sys/kernel/slab/net_namespace",
};

bool faults_available(void)
{
	return !access(FAILSLAB "/cache-filter", W_OK) &&
	       !access(FAIL_PAGE_ALLOC "/min-order", W_OK);
}

static int bind_module(void)
{
	const char *module = getenv("TCP_MIGRATE_KO");
	int fd;

	if (!module)
		return 0;

	fd = creat(ROOT MODULE_FILE, 0600);
	if (fd < 0 || close(fd) ||
	    mount(module, ROOT MODULE_FILE, NULL, MS_BIND, NULL))
		return -1;

	return setenv("TCP_MIGRATE_KO", MODULE_FILE, true);
}

int faults_prepare(void)
{
	static const char * const dirs[] = { "/dev", "/proc", "/sys" };
	char path[32];
	size_t i;

	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", ROOT, "tmpfs", 0, NULL))
		return -1;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, sizeof(path), ROOT "%s", dirs[i]);
		if (mkdir(path, 0700) ||
		    mount(dirs[i], path, NULL, MS_BIND | MS_REC, NULL))
			return -1;
	}

	return bind_module() || chroot(ROOT) || chdir("/") ? -1 : 0;
}

static void choose_caches(const char *chosen)
{
	glob_t paths;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(caches); i++) {
		if (glob(caches[i], 0, NULL, &paths))
			continue;
		for (j = 0; j < paths.gl_pathc; j++)
			file_write(paths.gl_pathv[j], "failslab", chosen);
		globfree(&paths);
	}
}

int faults_begin(enum faults faults)
{
	const char *tasks = faults == FAULTS_TASKS ? "Y" : "N";
	const char *atomic = faults == FAULTS_ATOMIC ? "Y" : "N";

	if (faults == FAULTS_NONE)
		return 0;

	choose_caches("1");
	return file_write(FAILSLAB, "cache-filter", "Y") ||
	       file_write(FAILSLAB, "task-filter", tasks) ||
	       file_write(FAILSLAB, "ignore-gfp-wait", atomic) ||
	       file_write(FAILSLAB, "verbose", "0") ||
	       file_write(FAILSLAB, "times", "-1") ||
	       file_write(FAIL_PAGE_ALLOC, "min-order", "0") ||
	       file_write(FAIL_PAGE_ALLOC, "task-filter", tasks) ||
	       file_write(FAIL_PAGE_ALLOC, "ignore-gfp-wait", atomic) ||
	       file_write(FAIL_PAGE_ALLOC, "verbose", "0") ||
	       file_write(FAIL_PAGE_ALLOC, "times", "-1") ||
	       file_write(FAIL_PAGE_ALLOC, "probability", "2") ||
	       file_write(FAILSLAB, "probability", "4") ? -1 : 0;
}

/* Others choose caches of their own, and for all tasks. */
void faults_end(void)
{
	file_write(FAILSLAB, "probability", "0");
	file_write(FAIL_PAGE_ALLOC, "probability", "0");
	file_write(FAILSLAB, "task-filter", "N");
	file_write(FAILSLAB, "ignore-gfp-wait", "Y");
	choose_caches("0");
}

void faults_ask(bool ask)
{
	file_write("/proc/thread-self", "make-it-fail", ask ? "1" : "0");
}
