// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

int file_write(const char *dir, const char *name, const char *value)
{
	ssize_t len = strlen(value);
	int fd, ret, saved;
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;

	ret = write(fd, value, len) == len ? 0 : -1;
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}
