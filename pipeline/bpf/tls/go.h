/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Go's crypto/tls: arguments in registers, calls that return on another thread, and a file descriptor in the
 * object.
 *
 * tls.Conn begins with its net.Conn, an interface: type, data. The data is a *net.TCPConn, which begins with
 * a *netFD, of which poll.FD is the first member: fdMutex (16 bytes), Sysfd; behind it, at 56, stand family
 * and sotype. Where a program put a net.Conn of its own there, these are not what the socket says, or
 * nothing.
 */
#ifndef HTTPIPE_TLS_GO_H
#define HTTPIPE_TLS_GO_H

#include "tls/calls.h"
#include "tls/socket.h"

#define GO_INTERFACE_DATA 8
#define GO_SYSFD	  16
#define GO_FAMILY	  56

/* A goroutine, whichever thread it runs on: its g, in r14, and its process. */
static __always_inline __u64 goroutine(__u64 id, __u64 g)
{
	return (id >> 32 << 48) ^ g;
}

/* False where it is not certain. */
static __always_inline int socket_of_go(__u64 connection, struct tls_socket *socket)
{
	__u64 data = 0, net_fd = 0, kind[2] = {}; /* family, sotype */
	struct sock *sk;
	int fd = -1;

	if (bpf_probe_read_user(&data, sizeof(data), (void *)(connection + GO_INTERFACE_DATA)) ||
	    bpf_probe_read_user(&net_fd, sizeof(net_fd), (void *)data) ||
	    bpf_probe_read_user(&fd, sizeof(fd), (void *)(net_fd + GO_SYSFD)) ||
	    bpf_probe_read_user(kind, sizeof(kind), (void *)(net_fd + GO_FAMILY)))
		return 0;
	sk = socket_of_descriptor(fd);
	return read_socket(sk, socket) && kind[1] == SOCK_STREAM &&
	       kind[0] == BPF_CORE_READ(sk, __sk_common.skc_family);
}

static __always_inline int on_go_enter(struct tls_pending *call, __u64 g)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct tls_key key = {.address = call->connection, .tgid = id >> 32};
	struct tls_connection *connection;
	struct tls_socket socket = {};
	struct tls_thread *thread;
	struct tls_text text = {};

	if (!watched(id >> 32))
		return 0;
	connection = connection_of(&key, call->cookie);
	if (!connection)
		return 0;
	if (socket_of_go(call->connection, &socket))
		bind(&key, connection, &socket, TLS_HOW_FD);
	if (call_of(call->cookie) == TLS_CALL_GO_READ)
		return on_enter(call, goroutine(id, g));
	/* Reported at once: the answer may be read before Write returns. */
	count(TLS_COUNT_CALLS);
	text.from = call->buffer;
	text.bytes = call->size;
	text.ts_ns = bpf_ktime_get_boot_ns();
	text.sent = 1;
	thread = thread_of(id);
	if (thread)
		evidence_of_write(&key, connection, thread, text.bytes);
	on_text(&key, connection, &text);
	return 0;
}

#endif
