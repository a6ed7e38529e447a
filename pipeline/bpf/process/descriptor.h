/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a file descriptor of the process that runs now to its socket.
 */
#ifndef HTTPIPE_PROCESS_DESCRIPTOR_H
#define HTTPIPE_PROCESS_DESCRIPTOR_H

#include "process/kernel.h"

/* inode.i_mode: include/uapi/linux/stat.h */
#define MODE_TYPE   0170000
#define MODE_SOCKET 0140000

/* 0 where it is no socket. */
static __always_inline struct sock *socket_of_descriptor(int fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *table = BPF_CORE_READ(task, files, fdt);
	struct file **files = BPF_CORE_READ(table, fd), *file = 0;
	struct socket *socket;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(table, max_fds) ||
	    bpf_probe_read_kernel(&file, sizeof(file), files + fd) || !file ||
	    (BPF_CORE_READ(file, f_inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	return BPF_CORE_READ(socket, sk);
}

#endif
