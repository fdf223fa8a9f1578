/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Final ACKs that a listener's filter has wait until they are let go: after the lookup
 * of their request, and before a child is made. That takes a second CPU, and a BPF JIT.
 * Programs that use it are linked with libbpf.
 */
#ifndef HELD_ACKS_H
#define HELD_ACKS_H

#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "lib/held_acks.skel.h"
#include "patience.h"

/* Only the first network namespace tells about the JIT. */
static inline bool held_acks_supported(void)
{
	return get_nprocs() >= 2 &&
	       !access("/proc/sys/net/core/bpf_jit_enable", F_OK);
}

static inline int held_acks_attach(const struct held_acks *held, int listener)
{
	int hold = bpf_program__fd(held->progs.hold);

	return setsockopt(listener, SOL_SOCKET, SO_ATTACH_BPF, &hold,
			  sizeof(hold));
}

/* Whether one comes to wait. */
static inline bool held_acks_wait(const struct held_acks *held)
{
	return wait_until(__atomic_load_n(&held->bss->waiting,
					  __ATOMIC_ACQUIRE));
}

static inline void held_acks_release(struct held_acks *held)
{
	__atomic_store_n(&held->bss->go, 1, __ATOMIC_RELEASE);
}

#endif /* HELD_ACKS_H */
