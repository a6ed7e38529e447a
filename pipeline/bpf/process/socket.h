/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * From a socket to the two ends of its connection, and to the key and flow by which packets name it.
 */
#ifndef HTTPIPE_PROCESS_SOCKET_H
#define HTTPIPE_PROCESS_SOCKET_H

#include "parse/key.h"
#include "process/ends.h"
#include "process/kernel.h"
#include "verifier.h"

#define AF_INET	    2
#define AF_INET6    10
#define IPPROTO_TCP 6

/* Both ports as one word, of any socket, with one read: the remote one (in network byte order), then the
 * local one (in that of the host). 0 where there is none, or only one yet. */
static __always_inline __u32 socket_ports(struct sock *sk)
{
	__u32 ports = BPF_CORE_READ(sk, __sk_common.skc_portpair);

	return ports & 0xFFFF && ports >> 16 ? ports : 0;
}

static __always_inline int is_tcp(struct sock *sk)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == AF_INET || family == AF_INET6) && BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP;
}

/* ::ffff:0:0/96, RFC 4291, section 2.5.5.2. */
static __always_inline int is_mapped(const __u32 *address)
{
	return !address[0] && !address[1] && address[2] == __builtin_bswap32(0xFFFF);
}

/* Only for sockets that are TCP. */
static __always_inline void read_ends(struct socket_ends *ends, struct sock *sk)
{
	__u32 ports = socket_ports(sk);

	__builtin_memset(ends, 0, sizeof(*ends));
	ends->local_port = __builtin_bswap16(ports >> 16);
	ends->remote_port = ports;
	ends->family = 4;
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		ends->local[0] = BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr);
		ends->remote[0] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
		return;
	}
	BPF_CORE_READ_INTO(&ends->local, sk, __sk_common.skc_v6_rcv_saddr);
	BPF_CORE_READ_INTO(&ends->remote, sk, __sk_common.skc_v6_daddr);
	if (!is_mapped(ends->remote)) {
		ends->family = 6;
		return;
	}
	ends->local[0] = ends->local[3];
	ends->remote[0] = ends->remote[3];
	ends->local[2] = ends->local[3] = ends->remote[2] = ends->remote[3] = 0;
}

/* Whether the local end comes second in the key: order_endpoints() of parse/packet.h. */
static __always_inline __u32 local_place(const struct socket_ends *ends)
{
	if (ends->local_port != ends->remote_port)
		return ends->local_port > ends->remote_port;
	UNROLL
	for (int i = 0; i < 4; i++)
		if (ends->local[i] != ends->remote[i])
			return ends->local[i] > ends->remote[i];
	return 0;
}

/* The key by which packets name the connection; returns the place of the local end in it. */
static __always_inline __u32 ends_key(struct http_key *key, const struct socket_ends *ends)
{
	__u32 place = local_place(ends);

	key->family = ends->family;
	if (place) {
		__builtin_memcpy(key->address[1], ends->local, 16);
		__builtin_memcpy(key->address[0], ends->remote, 16);
		key->port[1] = ends->local_port;
		key->port[0] = ends->remote_port;
	} else {
		__builtin_memcpy(key->address[0], ends->local, 16);
		__builtin_memcpy(key->address[1], ends->remote, 16);
		key->port[0] = ends->local_port;
		key->port[1] = ends->remote_port;
	}
	return place;
}

/* The inode of the socket's network namespace, as `stat -L /proc/PID/ns/net` shows it. */
static __always_inline __u32 socket_namespace(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

/* 127.0.0.0/8 and ::1: they mean another host in each network namespace. */
static __always_inline int is_loopback(const struct socket_ends *ends)
{
	if (ends->family == 4)
		return (ends->local[0] & 0xFF) == 127;
	return !ends->local[0] && !ends->local[1] && !ends->local[2] &&
	       ends->local[3] == __builtin_bswap32(1);
}

#endif
