// SPDX-License-Identifier: GPL-2.0
#include <linux/types.h>
#include <sys/socket.h>

#include "chooser.h"
#include "chooser.skel.h"
#include "stopwatch.h"

static struct chooser *chooser;

void chooser_attach(const int *listeners, int count)
{
	__u32 key;
	int fd;

	if (!chooser)
		chooser = chooser__open_and_load();
	if (!chooser)
		fail("chooser__open_and_load");

	for (key = 0; key < (__u32)count; key++) {
		__u64 value = listeners[key];

		if (bpf_map__update_elem(chooser->maps.listeners, &key,
					 sizeof(key), &value, sizeof(value),
					 BPF_ANY))
			fail("bpf_map__update_elem");
	}

	chooser->data->count = count;
	fd = bpf_program__fd(chooser->progs.choose);
	if (setsockopt(listeners[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &fd,
		       sizeof(fd)))
		fail("SO_ATTACH_REUSEPORT_EBPF");
}

void chooser_detach(int listener)
{
	int ignored = 0;

	if (setsockopt(listener, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &ignored,
		       sizeof(ignored)))
		fail("SO_DETACH_REUSEPORT_BPF");
}
