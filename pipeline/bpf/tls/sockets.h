/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The socket side: which socket does a thread speak on, and when is one gone?
 */
#ifndef HTTPIPE_TLS_SOCKETS_H
#define HTTPIPE_TLS_SOCKETS_H

#include "tls/calls.h"
#include "tls/socket.h"

static __always_inline void on_receive(struct tls_thread *thread, const struct tls_socket *socket,
				       __u32 bytes)
{
	if (thread->fresh && same_socket(&thread->received, socket)) {
		thread->received_bytes += bytes;
	} else {
		thread->received = *socket; /* always: the address is used again for the next connection */
		thread->received_bytes = bytes;
	}
	thread->fresh = 1;
	thread->read_object = 0;
	thread->matched = 0;
}

/* The current thread sent or received so many bytes. */
static __always_inline int on_socket(struct sock *sk, int bytes, int sent)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct tls_socket socket = {};
	struct tls_pending *call;
	struct tls_thread *thread;

	if (bytes <= 0 || !known(id >> 32) || !read_socket(sk, &socket))
		return 0;
	call = bpf_map_lookup_elem(&calls, &id);
	if (call) {
		if (!call->socket.sk)
			call->socket = socket;
		if (call->socket.sk == socket.sk)
			call->wire += bytes;
		return 0;
	}
	thread = thread_of(id);
	if (!thread)
		return 0;
	if (!sent)
		on_receive(thread, &socket, bytes);
	else if (thread->token)
		on_rust_send(id >> 32, thread, &socket, bytes);
	else if (thread->write_object)
		evidence_of_send(id >> 32, thread, &socket, bytes);
	return 0;
}

/* Its memory will be used again, so nothing may point to it; and it is the end of the connection where the
 * library frees nothing. */
static __always_inline int on_destroyed(__u64 sk)
{
	struct tls_key *carried = bpf_map_lookup_elem(&carriers, &sk), key;
	struct tls_connection *connection;

	if (!carried)
		return 0;
	key = *carried;
	connection = bpf_map_lookup_elem(&connections, &key);
	if (connection && connection->socket.sk == sk) {
		report_end(&key, connection);
		bpf_map_delete_elem(&connections, &key);
	}
	bpf_map_delete_elem(&carriers, &sk);
	return 0;
}

#endif
