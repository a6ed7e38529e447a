/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Calls of TLS libraries, from their entry to their return.
 */
#ifndef HTTPIPE_TLS_CALLS_H
#define HTTPIPE_TLS_CALLS_H

#include "tls/processes.h"
#include "tls/rust.h"

#define IS_WRITE(cookie) ((cookie)&1)

/* prio.h: the fourth argument of PR_Recv, of which only the low half is one. */
#define PR_MSG_PEEK 2

static __always_inline __u32 call_of(__u64 cookie)
{
	return cookie & 255;
}

/* The key of a call on another connection within a call: TLS within TLS, as through a proxy. */
#define WITHIN (1ULL << 63)

/* Stacks of Go move; its calls always return. */
#define ANY_STACK ~0ULL

/* `key` names the thread, or the goroutine. A call within another one is told by its stack pointer, so that
 * one that never returned (an exception passed through it) does no harm. */
static __always_inline int on_enter(struct tls_pending *call, __u64 key)
{
	struct tls_pending *outer = bpf_map_lookup_elem(&calls, &key);

	if (outer && (call->stack == ANY_STACK || call->stack < outer->stack)) {
		if (outer->connection != call->connection)
			key ^= WITHIN;
		else if (outer->buffer == call->buffer && call->stack != ANY_STACK)
			return 0; /* SSL_write within SSL_write_ex, gnutls_record_send2 within
				     gnutls_record_send */
	}
	if (!watched(bpf_get_current_pid_tgid() >> 32))
		return 0;
	count(TLS_COUNT_CALLS);
	call->ts_ns = bpf_ktime_get_boot_ns();
	if (bpf_map_update_elem(&calls, &key, call, BPF_ANY))
		count(TLS_COUNT_TABLE_FULL);
	return 0;
}

/* The number of bytes that the call says it read or wrote; 0 for none, and where it failed. */
static __always_inline __u64 result_of(const struct tls_pending *call, __s64 result, __u64 second)
{
	__u64 n = 0;

	switch (call_of(call->cookie)) {
	case TLS_CALL_READ_EX:
	case TLS_CALL_WRITE_EX:
	case TLS_CALL_WRITE_EX2:
		if ((__s32)result > 0 && read_user(&n, sizeof(n), call->written))
			count(TLS_COUNT_COPY_FAILED);
		return n;
	case TLS_CALL_GO_READ:
		return result > 0 ? result : 0;
	case TLS_CALL_RUST_WRITE:
	case TLS_CALL_RUST_WRITE_VECTORED:
		return result == 0 ? second : 0;
	case TLS_CALL_NSPR_RECEIVE:
		return call->written & PR_MSG_PEEK || (__s32)result < 0 ? 0 : (__u32)result;
	default:
		return (__s32)result > 0 ? (__u32)result : 0;
	}
}

/* The same, and 0 for more than was asked for: then this is the return of another call, whose entry was not
 * seen because the probes were just being attached. */
static __always_inline __u32 bytes_of(const struct tls_pending *call, __s64 result, __u64 second)
{
	__u64 n = result_of(call, result, second);

	if (n > call->size && call_of(call->cookie) != TLS_CALL_RUST_WRITE_VECTORED) {
		count(TLS_COUNT_NO_CALL);
		return 0;
	}
	return n;
}

/* NSPR's functions serve plain sockets, too: there, what passes the socket is what the program sees. */
static __always_inline int is_plain(const struct tls_pending *call, __u32 n)
{
	__u32 kind = call_of(call->cookie);

	return kind >= TLS_CALL_NSPR_READ && kind <= TLS_CALL_NSPR_RECEIVE && call->wire == n;
}

/* What the sockets that the thread used say of the connection's. */
static __always_inline void gather(const struct tls_pending *call, const struct tls_key *key,
				   struct tls_connection *connection, struct tls_thread *thread, __u32 n)
{
	if (call->socket.sk) {
		bind(key, connection, &call->socket, TLS_HOW_NESTED);
		if (IS_WRITE(call->cookie))
			learn_version(connection, call->wire - n, records_of(n));
	} else if (thread && !is_proof(connection->how)) {
		if (IS_WRITE(call->cookie))
			evidence_of_write(key, connection, thread, n);
		else
			evidence_of_read(key, connection, thread, n);
	}
}

static __always_inline void on_object(__u64 id, const struct tls_pending *call, struct tls_text *text)
{
	struct tls_key key = {.address = call->connection, .tgid = id >> 32};
	struct tls_connection *connection = connection_of(&key, call->cookie);

	if (!connection)
		return;
	gather(call, &key, connection, thread_of(id), text->bytes);
	if (!connection->protocol && is_plain(call, text->bytes)) {
		connection->protocol = TLS_PROTOCOL_OTHER;
		count(TLS_COUNT_NOT_TLS);
	}
	on_text(&key, connection, text);
}

/* Which call returns: the inner one of two uses the outer one's socket. */
static __always_inline struct tls_pending *returning(__u64 *key, __u64 stack)
{
	struct tls_pending *outer = bpf_map_lookup_elem(&calls, key), *call;
	__u64 inner = *key ^ WITHIN;

	if (outer && stack != ANY_STACK && stack >= outer->stack)
		return outer;
	call = bpf_map_lookup_elem(&calls, &inner);
	if (!call)
		return outer;
	if (outer) {
		call->socket = outer->socket;
		call->wire = outer->wire;
	}
	*key = inner;
	return call;
}

/* The call that returns now, taken with what it read or wrote; 0 where another one does. */
static __always_inline struct tls_pending *ended(__u64 *key, __u64 stack, __s64 result, __u64 second,
						 struct tls_text *text)
{
	struct tls_pending *call = returning(key, stack);

	if (!call) {
		if (known(bpf_get_current_pid_tgid() >> 32))
			count(TLS_COUNT_NO_CALL);
		return 0;
	}
	if (stack != ANY_STACK && stack < call->stack)
		return 0; /* a call within it returns */
	text->bytes = bytes_of(call, result, second);
	text->from = call->buffer;
	text->sent = IS_WRITE(call->cookie);
	text->ts_ns = text->sent ? call->ts_ns : bpf_ktime_get_boot_ns();
	return call;
}

static __always_inline int on_leave(__u64 key, __u64 stack, __s64 result, __u64 second)
{
	struct tls_text text = {};
	struct tls_pending *call = ended(&key, stack, result, second, &text);

	if (!call)
		return 0;
	if (text.bytes)
		on_object(bpf_get_current_pid_tgid(), call, &text);
	bpf_map_delete_elem(&calls, &key);
	return 0;
}

/* A program of its own: both together need more stack than there is. */
static __always_inline int on_rust_leave(__u64 id, __u64 stack, __s64 result, __u64 second)
{
	struct tls_text text = {};
	__u64 key = id;
	struct tls_pending *call = ended(&key, stack, result, second, &text);

	if (!call)
		return 0;
	if (text.bytes)
		on_rust_write(id, call, &text);
	bpf_map_delete_elem(&calls, &key);
	return 0;
}

/* The library frees or closes the connection. */
static __always_inline int on_free(__u64 object)
{
	struct tls_key key = {.address = object, .tgid = bpf_get_current_pid_tgid() >> 32};
	struct tls_connection *connection = bpf_map_lookup_elem(&connections, &key);
	struct tls_key *carried;
	__u64 sk;

	if (!connection)
		return 0;
	sk = connection->socket.sk;
	carried = bpf_map_lookup_elem(&carriers, &sk);
	if (carried && carried->address == key.address && carried->tgid == key.tgid)
		bpf_map_delete_elem(&carriers, &sk);
	report_end(&key, connection);
	bpf_map_delete_elem(&connections, &key);
	return 0;
}

#endif
