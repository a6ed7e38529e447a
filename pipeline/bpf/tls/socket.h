/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is remembered of a socket.
 */
#ifndef HTTPIPE_TLS_SOCKET_H
#define HTTPIPE_TLS_SOCKET_H

#include "process/descriptor.h"
#include "process/socket.h"
#include "tls/maps.h"

/* include/linux/net.h */
#define SOCK_STREAM 1

/* False where it is no stream over IP. Multipath TCP is one, too, which is_tcp() is not told. */
static __always_inline int read_socket(struct sock *sk, struct tls_socket *socket)
{
	__u16 family = sk ? BPF_CORE_READ(sk, __sk_common.skc_family) : 0;

	if ((family != AF_INET && family != AF_INET6) || BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return 0;
	socket->sk = (__u64)sk;
	read_ends(&socket->ends, sk);
	return 1;
}

#endif
