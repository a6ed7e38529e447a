/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * TLS connections and their sockets. What is bound stays bound, unless proof says otherwise; a number names
 * one connection, also where the library uses the memory of its object again.
 */
#ifndef HTTPIPE_TLS_CONNECTIONS_H
#define HTTPIPE_TLS_CONNECTIONS_H

#include "tls/maps.h"

static __always_inline int is_proof(__u32 how)
{
	return how == TLS_HOW_NESTED || how == TLS_HOW_FD;
}

/* Nanoseconds since boot, mixed with the CPU: two threads may ask at once. */
static __always_inline __u64 next_number(void)
{
	return bpf_ktime_get_ns() << 8 | (bpf_get_smp_processor_id() & 255);
}

/* Two threads may use a connection for the first time at once, as Go's net/http does: one reads while the
 * other writes. So an entry is made with its number, and is put into the table whole: the first one stays. */
static __always_inline void add_connection(const struct tls_key *key, __u64 cookie)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct tls_connection *draft;

	bpf_map_update_elem(&drafts, &id, &no_connection, BPF_ANY);
	draft = bpf_map_lookup_elem(&drafts, &id);
	if (!draft)
		return;
	draft->number = next_number();
	draft->target = cookie >> 8;
	bpf_map_update_elem(&connections, key, draft, BPF_NOEXIST);
	bpf_map_delete_elem(&drafts, &id);
}

static __always_inline struct tls_connection *connection_of(const struct tls_key *key, __u64 cookie)
{
	struct tls_connection *found = bpf_map_lookup_elem(&connections, key);

	if (found)
		return found;
	add_connection(key, cookie);
	found = bpf_map_lookup_elem(&connections, key);
	if (!found)
		count(TLS_COUNT_TABLE_FULL);
	return found;
}

/* The same object is another connection now. */
static __always_inline void renew(struct tls_connection *connection)
{
	connection->number = next_number();
	connection->protocol = TLS_PROTOCOL_UNKNOWN;
	connection->speaker = 0;
	connection->left = 0;
	connection->version = 0;
	connection->votes = 0;
	connection->conflicts = 0;
	connection->ways = 0;
	connection->mid = 0;
	connection->shed = 0;
	connection->switched = 0;
	connection->bytes_read = 0;
	connection->bytes_sent = 0;
}

static __always_inline int same_socket(const struct tls_socket *a, const struct tls_socket *b)
{
	return a->sk == b->sk && a->ends.local_port == b->ends.local_port &&
	       a->ends.remote_port == b->ends.remote_port;
}

/* `socket` was seen to carry the connection. */
static __always_inline void bind(const struct tls_key *key, struct tls_connection *connection,
				 const struct tls_socket *socket, __u32 how)
{
	__u64 sk = socket->sk;

	if (connection->how) {
		if (same_socket(&connection->socket, socket)) {
			connection->votes++;
			if (is_proof(how))
				connection->how = how;
			return;
		}
		if (!is_proof(how)) {
			connection->conflicts++;
			count(TLS_COUNT_CONFLICTS);
			return;
		}
		if (is_proof(connection->how))
			renew(connection);
	}
	connection->socket = *socket;
	connection->how = how;
	bpf_map_update_elem(&carriers, &sk, key, BPF_ANY);
	count(TLS_COUNT_BOUND);
}

#endif
