/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * rustls: its objects move, their memory is used again, and nothing frees a connection. So a connection is
 * its socket. What is read belongs to the socket that the thread received on since it last read, else to the
 * one that is known for the object; what is written gets a token, and its socket when the thread sends.
 */
#ifndef HTTPIPE_TLS_RUST_H
#define HTTPIPE_TLS_RUST_H

#include "tls/turns.h"

/* Of one vectored call, that are copied: hyper gives 16 at most, h2 a frame's header and its payload. */
#define RUST_PIECES 16

static __always_inline struct tls_connection *rust_connection(struct tls_key *key,
							      const struct tls_socket *socket, __u64 cookie)
{
	struct tls_connection *connection;
	__u64 sk = socket->sk;

	key->address = sk;
	key->name = TLS_NAME_SOCKET;
	connection = connection_of(key, cookie);
	if (!connection || (connection->how && same_socket(&connection->socket, socket)))
		return connection;
	if (connection->how)
		renew(connection);
	connection->socket = *socket;
	connection->how = TLS_HOW_TAKEN;
	bpf_map_update_elem(&carriers, &sk, key, BPF_ANY);
	count(TLS_COUNT_BOUND);
	return connection;
}

/* `object` gave plain text to the program. */
static __always_inline void on_rust_read(__u64 id, __u64 object, __u64 cookie, struct tls_text *text)
{
	struct tls_key name = {.address = object, .tgid = id >> 32}, key = {.tgid = id >> 32};
	struct tls_thread *thread = thread_of(id);
	struct tls_connection *connection;
	__u64 *sk;

	if (!thread)
		return;
	if (thread->fresh) {
		thread->fresh = 0;
		connection = rust_connection(&key, &thread->received, cookie);
		bpf_map_update_elem(&objects, &name, &thread->received.sk, BPF_ANY);
	} else {
		sk = bpf_map_lookup_elem(&objects, &name);
		if (!sk) {
			count(TLS_COUNT_NOT_ATTRIBUTED);
			return;
		}
		key.address = *sk;
		key.name = TLS_NAME_SOCKET;
		connection = bpf_map_lookup_elem(&connections, &key);
	}
	if (connection)
		on_text(&key, connection, text);
}

/* What the thread wrote since its last send went to `connection`; 0: nobody can tell. Its record is not on
 * the stack of those that have put_text() to call. */
static __noinline void report_sent(__u32 tgid, struct tls_thread *thread, const struct tls_key *key,
				   const struct tls_connection *connection)
{
	struct tls_record record = {};

	if (connection)
		draft(&record, key, connection);
	record.kind = TLS_SENT;
	record.tgid = tgid;
	record.position = thread->token;
	record.length = thread->token_plain;
	record.ts_ns = bpf_ktime_get_boot_ns();
	put_head(&record);
	thread->token = 0;
}

/* Verified once, for each piece of a call. */
__noinline int put_text(struct tls_key *key, struct tls_text *text)
{
	struct tls_connection *writer;
	struct tls_key own; /* verifiers before Linux 6.2 take the keys of maps from the stack only */

	if (!key || !text)
		return 0;
	own = *key;
	writer = bpf_map_lookup_elem(&connections, &own);
	if (writer)
		on_text(&own, writer, text);
	return 0;
}

/* The bytes of a vectored call lie in several places: an array of struct iovec. */
static __always_inline void put_pieces(struct tls_key *key, const struct tls_pending *call,
				       struct tls_text *text)
{
	__u64 piece[2] = {}; /* address, bytes */
	__u32 left = text->bytes;

	for (__u32 i = 0; i < RUST_PIECES && left && i < call->size; i++) {
		if (read_user(piece, sizeof(piece), call->buffer + i * sizeof(piece)))
			break;
		text->from = piece[0];
		text->bytes = piece[1] < left ? piece[1] : left;
		left -= text->bytes;
		put_text(key, text);
	}
	if (!left)
		return;
	count(TLS_COUNT_CALL_CUT);
	text->from = 0;
	text->bytes = left;
	put_text(key, text);
}

/* The program wrote to an object; its thread's next send says whose it was. */
static __always_inline void on_rust_write(__u64 id, const struct tls_pending *call, struct tls_text *text)
{
	__u64 object = call->connection, cookie = call->cookie;
	struct tls_key key = {.address = object, .tgid = id >> 32, .name = TLS_NAME_WRITER};
	struct tls_thread *thread = thread_of(id);
	struct tls_connection *writer = connection_of(&key, cookie);
	__u32 bytes = text->bytes;

	if (!thread || !writer)
		return;
	if (thread->token && thread->token_object != object)
		report_sent(id >> 32, thread, &key, 0); /* two objects, one send: not known */
	if (!thread->token) {
		thread->token_plain = 0;
		thread->token_records = 0;
		writer->number = next_number();
	}
	text->token = 1;
	if ((cookie & 255) == TLS_CALL_RUST_WRITE_VECTORED)
		put_pieces(&key, call, text);
	else
		put_text(&key, text);
	if (writer->protocol != TLS_PROTOCOL_HTTP1 && writer->protocol != TLS_PROTOCOL_HTTP2)
		return;
	thread->token = writer->number;
	thread->token_object = object;
	thread->token_cookie = cookie;
	thread->token_plain += bytes;
	thread->token_records += records_of(bytes);
}

/* The thread sent: what it wrote since its last send went there, if so many bytes can hold it. */
static __always_inline void on_rust_send(__u32 tgid, struct tls_thread *thread,
					 const struct tls_socket *socket, __u64 bytes)
{
	struct tls_key key = {.address = thread->token_object, .tgid = tgid, .name = TLS_NAME_WRITER};
	struct tls_connection *writer = bpf_map_lookup_elem(&connections, &key), *connection;
	__u32 protocol = writer ? writer->protocol : TLS_PROTOCOL_HTTP1;
	__u64 over = bytes - thread->token_plain;

	if (over > OVER_MOST || over < OVER_TLS_1_2_CHACHA * thread->token_records) {
		count(TLS_COUNT_CONFLICTS);
		report_sent(tgid, thread, &key, 0);
		return;
	}
	connection = rust_connection(&key, socket, thread->token_cookie);
	if (connection) {
		learn_version(connection, over, thread->token_records);
		if (!connection->protocol)
			connection->protocol = protocol;
	}
	report_sent(tgid, thread, &key, connection && !connection->shed ? connection : 0);
}

#endif
