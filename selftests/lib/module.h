/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module that $TCP_MIGRATE_KO names.
 */
#ifndef MODULE_H
#define MODULE_H

#include <stdbool.h>

#define MODULE	"tcp_migrate"

bool module_loaded(void);
int module_load(const char *parameters);

/* Waits as long as it's busy, with a hook that runs just now, or memory is short. */
int module_unload(void);

#endif /* MODULE_H */
