/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Keys of TCP-MD5 and TCP-AO, for the segments from and to one address. It's of
 * the socket's family, so perhaps mapped.
 */
#ifndef KEYS_H
#define KEYS_H

int md5_set(int fd, const char *peer, const char *secret);
int ao_add(int fd, const char *peer, const char *secret);

#endif /* KEYS_H */
