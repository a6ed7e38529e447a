/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What the probes remember. User space sets the sizes that matter before it loads the object.
 *
 * Programs at probes may be preempted by others on the same CPU (only migration is off), so nothing here is
 * scratch space per CPU: what a call needs lies on its stack, under its thread's id, or in the ring.
 */
#ifndef HTTPIPE_TLS_MAPS_H
#define HTTPIPE_TLS_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "tls.h"

/* What names a TLS connection in the kernel: an object of the library, or a socket. */
enum tls_name {
	TLS_NAME_OBJECT, /* address of the library's object for the connection */
	TLS_NAME_SOCKET, /* rustls, whose objects move: the struct sock */
	TLS_NAME_WRITER, /* rustls: the object that is written to */
};

struct tls_key {
	__u64 address;
	__u32 tgid;
	__u32 name; /* enum tls_name */
};

/* The socket of a connection. `sk` names it while it lives; the address is used again afterwards. */
struct tls_socket {
	__u64 sk;
	struct socket_ends ends;
};

enum tls_protocol { TLS_PROTOCOL_UNKNOWN, TLS_PROTOCOL_HTTP1, TLS_PROTOCOL_HTTP2, TLS_PROTOCOL_OTHER };

/* Where one direction of HTTP/2 is between its frames. */
struct tls_frames {
	__u32 left;    /* bytes of the frame that have not passed */
	__u32 data;    /* it is DATA */
	__u32 budget;  /* bytes of DATA that may still be copied */
	__u32 have;    /* bytes of the next header that are known */
	__u32 lost;    /* nobody knows: everything is copied */
	__u8 head[32]; /* 9 bytes, and room for what verifiers think possible */
};

struct tls_connection {
	__u64 number;
	struct tls_socket socket;
	__u32 how; /* enum tls_how */
	__u32 votes;
	__u32 conflicts;
	__u32 ways;	/* TLS_WAY_*: what voted */
	__u32 protocol; /* enum tls_protocol */
	__u32 speaker;	/* TLS_SPEAKER_* of who sent last */
	__u32 left;	/* bytes of the turn that may still be copied */
	__u32 version;
	__u32 target;
	__u32 mid;	/* HTTP/2 joined after its beginning */
	__u32 shed;	/* left out, until the ring has room again */
	__u32 switched; /* a 101 has passed: no longer HTTP */
	__u32 pad;
	__u64 bytes_read, bytes_sent; /* of plain text, since it is known to be HTTP */
	struct tls_frames frames_read, frames_sent;
};

#define TLS_WAY_READ	1
#define TLS_WAY_WRITTEN 2

#define TLS_SPEAKER_PEER 1 /* read */
#define TLS_SPEAKER_SELF 2 /* written */

/* A call that has not returned yet. */
struct tls_pending {
	__u64 connection, buffer, size,
		written; /* its arguments; `written` points to where n will be, or flags */
	__u64 stack;	 /* stack pointer: calls within it have a lower one */
	__u64 ts_ns;
	__u64 wire; /* bytes on the socket meanwhile */
	__u64 cookie;
	struct tls_socket socket; /* the first that was used meanwhile */
};

/* What a thread did last, for libraries that read and write memory instead of sockets. */
struct tls_thread {
	struct tls_socket received; /* the last socket that gave bytes */
	__u64 received_bytes;
	__u64 fresh;   /* nothing has been made of them yet */
	__u64 matched; /* the object whose plain text they are, by their length */
	__u64 read_object, read_plain, read_calls;
	__u64 write_object, write_plain, write_records, write_first; /* since its last send */
	__u64 token, token_object, token_cookie, token_plain,
		token_records; /* rustls: written since its last send */
};

/* What new entries begin as: in the object's read-only data, as the stack has 512 bytes only. */
static const struct tls_connection no_connection;
static const struct tls_thread no_thread;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 8 << 20);
} events SEC(".maps");

/* Written by user space, through a mapping. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tls_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct tls_counters);
} counters SEC(".maps");

/* By tgid. Added at the first call, deleted when the process ends; user space writes verdicts. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u32);
	__type(value, struct tls_process);
} processes SEC(".maps");

/* Deleted when the library frees the object, when the socket is destroyed, or to make place. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct tls_key);
	__type(value, struct tls_connection);
} connections SEC(".maps");

/* By thread: a connection while it is put together, which takes more than a stack has. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct tls_connection);
} drafts SEC(".maps");

/* struct sock → the connection that it carries. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct tls_key);
} carriers SEC(".maps");

/* By thread, or by process and goroutine. Deleted at the return. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct tls_pending);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct tls_thread);
} threads SEC(".maps");

/* rustls: an object that was read → the struct sock that it read last. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct tls_key);
	__type(value, __u64);
} objects SEC(".maps");

static __always_inline struct tls_settings *settings_lookup(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

/* Atomic: between load and store another program may run on this CPU. */
static __always_inline void add(enum tls_count what, __u64 by)
{
	__u32 zero = 0;
	struct tls_counters *found = bpf_map_lookup_elem(&counters, &zero);

	if (found)
		__sync_fetch_and_add(&found->value[what], by);
}

static __always_inline void count(enum tls_count what)
{
	add(what, 1);
}

#endif
