/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The one truth that tls.bpf.c and user space share: records in the ring, cookies, settings, counters.
 * pipeline/sources/tls/abi.py mirrors this file in the same order; tests/test_abi.py compares them.
 *
 * Everything is little-endian, fixed-width and explicitly padded; addresses and ports are in network byte
 * order.
 */
#ifndef HTTPIPE_TLS_H
#define HTTPIPE_TLS_H

#include "process/ends.h"

/* Bytes of one record's payload at most: the largest class of size. */
#define TLS_RECORD_PAYLOAD 16384
/* Records a call at most, 1 MiB: programs that write more at once exist, and wait for none of it. */
#define TLS_CALL_RECORDS   64

/* The low byte of a cookie: the arguments of the function, and how it returns the number of bytes (probe.py).
 * Odd: it writes. */
enum tls_call {
	TLS_CALL_READ = 2,
	TLS_CALL_WRITE = 3,
	TLS_CALL_READ_EX = 4,
	TLS_CALL_WRITE_EX = 5,
	TLS_CALL_WRITE_EX2 = 7,
	TLS_CALL_GO_READ = 8,
	TLS_CALL_GO_WRITE = 9,
	TLS_CALL_RUST_READ = 10,
	TLS_CALL_RUST_WRITE = 11,
	TLS_CALL_NSPR_READ = 12,
	TLS_CALL_NSPR_WRITE = 13,
	TLS_CALL_NSPR_RECEIVE = 14,
	TLS_CALL_RUST_WRITE_VECTORED = 15,
	TLS_CALL_FREE = 16,
	TLS_CALL_SENDFILE = 17,
};

/* tls_record.kind */
enum tls_kind {
	TLS_DATA,   /* plain text; `captured` bytes of it follow */
	TLS_CLOSED, /* the connection is over */
	TLS_SHED,   /* from here on the connection is left out */
	TLS_SENT,   /* rustls: `length` bytes written under a token were sent on `connection`; 0: not known */
	TLS_PROCESS, /* first sight of a process: struct process_facts follows, as far as it is filled */
	TLS_EXIT,    /* the process is over, or another program in it, and so are its connections */
};

/* tls_record.bits */
#define TLS_BIT_SENT  1 /* the process wrote it, else it read it */
#define TLS_BIT_CUT   2 /* bytes that should have been copied were not */
#define TLS_BIT_MID   4 /* HTTP/2 whose beginning was not seen */
#define TLS_BIT_TOKEN 8 /* rustls wrote it: `connection` is a token, until TLS_SENT says whose */

/* tls_record.how: what says that the connection has this socket. */
enum tls_how {
	TLS_HOW_UNKNOWN,
	TLS_HOW_NESTED, /* the socket call was made within the call of the library: proof */
	TLS_HOW_FD,	/* the object names its file descriptor: proof */
	TLS_HOW_READ,	/* lengths of what a thread received and then read as plain text */
	TLS_HOW_WRITE,	/* lengths of what it wrote as plain text and then sent */
	TLS_HOW_TAKEN,	/* rustls: received and decrypted by one call of the program */
};

struct tls_record {
	__u64 ts_ns;	  /* CLOCK_BOOTTIME */
	__u64 connection; /* number of the TLS connection, never used again */
	__u64 position;	  /* bytes of its direction before these; of TLS_SENT the token */
	__u32 tgid;
	__u32 length;	/* bytes of plain text */
	__u32 captured; /* bytes that follow */
	__u16 target;	/* number of the library, from the cookie */
	__u16 version;	/* of TLS, as on the wire (0x0304); 0 for not known */
	__u8 kind;	/* enum tls_kind */
	__u8 bits;	/* TLS_BIT_* */
	__u8 how;	/* enum tls_how */
	__u8 pad;
	__u32 votes; /* lengths that spoke for this socket; 0 until some did both ways */
	__u32 conflicts;
	__u32 process_votes; /* the same over all connections of the process */
	__u32 process_conflicts;
	struct socket_ends ends; /* family 0: not known */
	__u32 pad2;
};

/* tls_settings.want; everything else is so many bytes in the ring, at which to wake the reader */
#define TLS_WANT_NOTHING 0 /* it is awake */
#define TLS_WANT_ANY	 1 /* wake it for the next record */

/* tls_settings.ends */
#define TLS_END_CLIENT 1
#define TLS_END_SERVER 2

/* Written by user space through a memory mapping. The kernel resets `want` when it wakes the reader, and
 * changes `keep` and `looked_ns` by itself. */
struct tls_settings {
	__u32 want;
	__u32 budget;	  /* bytes copied per turn and direction */
	__u32 ends;	  /* TLS_END_*: which observed ends are wanted */
	__u32 keep;	  /* parts of all connections that are captured, of HTTP_PARTS */
	__u64 looked_ns;  /* when it was looked at whether `keep` may grow */
	__u32 own;	  /* the process that is never looked at, nor its children */
	__u32 facts;	  /* what is told of processes beyond pid, path and cgroup: PROCESS_WITH_* */
	__u32 websockets; /* whether what follows a 101 is copied, all of it */
	__u32 pad;
};

/* tls_process.verdict */
enum tls_verdict {
	TLS_UNDECIDED, /* captured; user space decides, and drops what it did not want */
	TLS_WANTED,
	TLS_IGNORED,
};

/* What is remembered of a process. User space writes `verdict`. */
struct tls_process {
	__u32 verdict;
	__u32 votes;
	__u32 conflicts;
	__u32 pad;
};

/* Places in the per-CPU counters. */
enum tls_count {
	TLS_COUNT_CALLS,	    /* calls of TLS libraries that were looked at */
	TLS_COUNT_RECORDS,	    /* records put into the ring */
	TLS_COUNT_RECORD_BYTES,	    /* their bytes */
	TLS_COUNT_CONNECTIONS,	    /* connections found to speak HTTP */
	TLS_COUNT_ENDED,	    /* of these, ended */
	TLS_COUNT_LEFT_OUT_BYTES,   /* body bytes left out on purpose */
	TLS_COUNT_NOT_HTTP,	    /* calls on connections not known to speak HTTP */
	TLS_COUNT_NOT_TLS,	    /* connections of NSPR found to be plain sockets */
	TLS_COUNT_OTHER_END,	    /* connections left alone because of `ends` */
	TLS_COUNT_RING_FULL,	    /* records lost because the reader was too slow */
	TLS_COUNT_RING_FULL_BYTES,  /* bytes of plain text that they stood for */
	TLS_COUNT_COPY_FAILED,	    /* plain text that could not be read: unmapped, or out of reach */
	TLS_COUNT_CALL_CUT,	    /* calls longer than TLS_CALL_RECORDS can hold, their end not copied */
	TLS_COUNT_TABLE_FULL,	    /* connections or calls that found no place in their table */
	TLS_COUNT_NO_CALL,	    /* returns whose call was not seen */
	TLS_COUNT_NOT_ATTRIBUTED,   /* reads of rustls of which nobody knows the connection */
	TLS_COUNT_BOUND,	    /* connections whose socket became known */
	TLS_COUNT_CONFLICTS,	    /* lengths that spoke against a socket */
	TLS_COUNT_SHED_CONNECTIONS, /* times that a connection was left: the reader was too slow */
	TLS_COUNT_SHED_REQUESTS,    /* requests on such connections */
	TLS_COUNTS,
};

struct tls_counters {
	__u64 value[TLS_COUNTS];
};

_Static_assert(sizeof(struct tls_record) == 104, "tls_record has padding");
_Static_assert(sizeof(struct tls_settings) == 40, "tls_settings has padding");
_Static_assert(sizeof(struct tls_process) == 16, "tls_process has padding");

#endif
