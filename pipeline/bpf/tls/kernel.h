/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
#ifndef HTTPIPE_TLS_KERNEL_H
#define HTTPIPE_TLS_KERNEL_H

#include <bpf/bpf_core_read.h>
#include "tls/maps.h"

#define AF_INET	    2
#define AF_INET6    10
#define SOCK_STREAM 1

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct in6_addr {
	union {
		__u32 u6_addr32[4];
	} in6_u;
};
struct sock_common {
	__u32 skc_daddr, skc_rcv_saddr;
	__u16 skc_dport, skc_num;
	unsigned short skc_family;
	struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};
struct sock {
	struct sock_common __sk_common;
	__u16 sk_type;
	__u16 sk_protocol;
};
struct socket {
	struct sock *sk;
};
struct inode {
	__u16 i_mode;
};
struct file {
	struct inode *f_inode;
	void *private_data;
};
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};
struct files_struct {
	struct fdtable *fdt;
};
struct signal_struct {
	struct {
		int counter;
	} live;
};
struct task_struct {
	struct signal_struct *signal;
	int pid, tgid;
	struct files_struct *files;
	struct task_struct *real_parent;
};
#pragma clang attribute pop

static __always_inline int read_socket(struct sock *sk, struct tls_socket *socket)
{
	struct tls_ends *ends = &socket->ends;
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return 0;
	socket->sk = (__u64)sk;
	ends->local_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_num));
	ends->remote_port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (family == AF_INET6) {
		ends->family = 6;
		BPF_CORE_READ_INTO(&ends->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&ends->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		ends->family = 4;
		ends->local[0] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		ends->remote[0] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	}
	return 1;
}

static __always_inline int socket_of_fd(int fd, struct tls_socket *socket)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **fds = BPF_CORE_READ(fdt, fd), *file;
	struct socket *found;

	if (fd < 0 || (__u32)fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	if (bpf_probe_read_kernel(&file, sizeof(file), fds + fd) || !file)
		return 0;
	if ((BPF_CORE_READ(file, f_inode, i_mode) & 0170000) != 0140000)
		return 0;
	found = BPF_CORE_READ(file, private_data);
	return read_socket(BPF_CORE_READ(found, sk), socket);
}

#endif
