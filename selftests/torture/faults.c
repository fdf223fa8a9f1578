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

#include "faults.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define FAIL_PAGE_ALLOC	"/sys/kernel/debug/fail_page_alloc/"
#define ROOT		"/mnt"
#define MODULE_FILE	"/tcp_migrate.ko"

/*
 * What the network allocates. Not what the sanitizers allocate with the same
 * flags: they switch themselves off when they get no memory.
 */
static const char * const caches[] = {
	"/sys/kernel/slab/TCP*/failslab",
	"/sys/kernel/slab/*_sock_TCP*/failslab",
	"/sys/kernel/slab/tcp_bind*/failslab",
	"/sys/kernel/slab/skbuff_*/failslab",
	"/sys/kernel/slab/kmalloc-[0-9]*/failslab",
	"/sys/kernel/slab/net_namespace/failslab",
};

static int write_file(const char *path, const char *value)
{
	ssize_t len = strlen(value);
	int fd, ret;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;

	ret = write(fd, value, len) == len ? 0 : -1;
	close(fd);
	return ret;
}

bool faults_available(void)
{
	return !access(FAILSLAB "cache-filter", W_OK) &&
	       !access(FAIL_PAGE_ALLOC "min-order", W_OK);
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

	for (i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
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

	for (i = 0; i < sizeof(caches) / sizeof(*caches); i++) {
		if (glob(caches[i], 0, NULL, &paths))
			continue;
		for (j = 0; j < paths.gl_pathc; j++)
			write_file(paths.gl_pathv[j], chosen);
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
	return write_file(FAILSLAB "cache-filter", "Y") ||
	       write_file(FAILSLAB "task-filter", tasks) ||
	       write_file(FAILSLAB "ignore-gfp-wait", atomic) ||
	       write_file(FAILSLAB "verbose", "0") ||
	       write_file(FAILSLAB "times", "-1") ||
	       write_file(FAIL_PAGE_ALLOC "min-order", "0") ||
	       write_file(FAIL_PAGE_ALLOC "task-filter", tasks) ||
	       write_file(FAIL_PAGE_ALLOC "ignore-gfp-wait", atomic) ||
	       write_file(FAIL_PAGE_ALLOC "verbose", "0") ||
	       write_file(FAIL_PAGE_ALLOC "times", "-1") ||
	       write_file(FAIL_PAGE_ALLOC "probability", "2") ||
	       write_file(FAILSLAB "probability", "4") ? -1 : 0;
}

/* Others choose caches of their own, and for all tasks. */
void faults_end(void)
{
	write_file(FAILSLAB "probability", "0");
	write_file(FAIL_PAGE_ALLOC "probability", "0");
	write_file(FAILSLAB "task-filter", "N");
	write_file(FAILSLAB "ignore-gfp-wait", "Y");
	choose_caches("0");
}

void faults_ask(bool ask)
{
	write_file("/proc/thread-self/make-it-fail", ask ? "1" : "0");
}
