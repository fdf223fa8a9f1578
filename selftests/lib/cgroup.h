/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cgroups of version 2, below the root.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include <linux/types.h>

struct cgroup {
	char dir[64];
};

/* Has the caller see the hierarchy, in a mount namespace of its own. */
int cgroups_mount(void);

/* Cgroups that aren't there any more, but that something still holds; -1 if unknown. */
long cgroups_dying(void);

/* Has cgroups count what memory they use. */
int cgroups_count_memory(void);

int cgroup_make(struct cgroup *cgroup, const char *name);
int cgroup_remove(const struct cgroup *cgroup);

/* Has the caller enter it, or the root. */
int cgroup_enter(const struct cgroup *cgroup);
int cgroup_leave(void);

__u64 cgroup_id(const struct cgroup *cgroup);

/* How many bytes it uses for sockets' buffers; -1 if unknown. */
long cgroup_socket_memory(const struct cgroup *cgroup);

/* How many of its processes the OOM killer has killed; -1 if unknown. */
long cgroup_oom_kills(const struct cgroup *cgroup);

/* Has its sockets receive nothing more. */
int cgroup_deny(const struct cgroup *cgroup);

#endif /* CGROUP_H */
