// SPDX-License-Identifier: GPL-2.0
/*
 * What a thread allocates from the slabs.
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "kernel.bpf.h"

#define MOST_OBJECTS	65536

bool watching;
int tid;

/* Bytes are counted as they are handed out, which is more than was asked for. */
__u64 allocations;
__u64 bytes;

/* What hasn't been freed, by whomever. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MOST_OBJECTS);
	__type(key, __u64);
	__type(value, __u64);
} held SEC(".maps");

static void allocated(const void *object, __u64 size)
{
	__u64 key = (__u64)object;

	if (!watching || (int)bpf_get_current_pid_tgid() != tid)
		return;

	allocations++;
	bytes += size;
	bpf_map_update_elem(&held, &key, &size, BPF_ANY);
}

static void freed(const void *object)
{
	__u64 key = (__u64)object;

	bpf_map_delete_elem(&held, &key);
}

SEC("tp_btf/kmem_cache_alloc")
int BPF_PROG(cache_alloc, unsigned long site, const void *object,
	     struct kmem_cache *cache)
{
	allocated(object, cache->size);
	return 0;
}

SEC("tp_btf/kmalloc")
int BPF_PROG(kmalloc, unsigned long site, const void *object, __u64 wanted,
	     __u64 size)
{
	allocated(object, size);
	return 0;
}

SEC("tp_btf/kmem_cache_free")
int BPF_PROG(cache_free, unsigned long site, const void *object)
{
	freed(object);
	return 0;
}

SEC("tp_btf/kfree")
int BPF_PROG(kfree, unsigned long site, const void *object)
{
	freed(object);
	return 0;
}

char _license[] SEC("license") = "GPL";
