/* SPDX-License-Identifier: GPL-2.0 */
#ifndef FILE_H
#define FILE_H

/* Writes @value to a file of the kernel's. Returns 0, or -1 with errno. */
int file_write(const char *dir, const char *name, const char *value);

#endif /* FILE_H */
