// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "module.h"
#include "patience.h"

bool module_loaded(void)
{
	return !access("/sys/module/" MODULE, F_OK);
}

int module_load(const char *parameters)
{
	const char *path = getenv("TCP_MIGRATE_KO");
	int fd, ret, saved;

	if (!path) {
		errno = ENOENT;
		return -1;
	}

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;

	ret = syscall(SYS_finit_module, fd, parameters, 0);
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

int module_unload(void)
{
	int ret;

	wait_until(!(ret = syscall(SYS_delete_module, MODULE, O_NONBLOCK)) ||
		   (errno != EWOULDBLOCK && errno != ENOMEM));
	return ret;
}
