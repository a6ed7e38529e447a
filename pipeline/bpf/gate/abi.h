/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What kernel and user space share of the gate: settings, lists, decisions, counters.
 * pipeline/sources/gate/abi.py mirrors this file in the same order; tests/test_abi.py compares them.
 *
 * Everything is little-endian, fixed-width and explicitly padded, except addresses and ports, which stay in
 * network byte order as they lie in the packet.
 */
#ifndef HTTPIPE_GATE_ABI_H
#define HTTPIPE_GATE_ABI_H

/* Bytes of a canonical path that are kept, and segments; of what is longer GATE_DOUBT_LONG says so. */
#define GATE_PATH_BYTES	   512
#define GATE_SEGMENTS	   64
/* Bytes of a host that are kept are GATE_TEXT_BYTES; the room is a power of two, so that a mask proves it. */
#define GATE_HOST_ROOM	   128
#define GATE_METHOD_BYTES  16
/* Bytes of a head. Servers' own limits are 8 to 64 KiB. */
#define GATE_HEAD_BYTES	   16384
/* Of a name in the lists: a path, a prefix, a host. */
#define GATE_TEXT_BYTES	   120
/* The whole response: the smallest segment that every IPv4 host takes has 536 bytes (RFC 9293, 3.7.1). */
#define GATE_REPLY_BYTES   512
/* Bytes of a path in a decision. */
#define GATE_RECORD_PATH   256
/* Interfaces without a link header, by number: WireGuard, tun, PPP. */
#define GATE_RAW_LINKS	   1024
/* Request bytes that a refused connection may still send: with fewer some clients see a reset in place of the
 * answer, because they read it only when they have sent everything. */
#define GATE_SWALLOW_BYTES (64 << 20)

enum gate_mode {
	GATE_MODE_MONITOR, /* decides and tells; changes no byte */
	GATE_MODE_ENFORCE,
};

enum gate_answer {
	GATE_ANSWER_NOTHING,
	GATE_ANSWER_FORBIDDEN, /* 403, with a body */
	GATE_ANSWER_RESET,
	GATE_ANSWER_DROPPED, /* no answer could be made: options before the TCP header, no memory */
};

/* gate_settings.policy: what is refused besides requests */
#define GATE_POLICY_NOT_HTTP  1 /* what is not HTTP/1 */
#define GATE_POLICY_MIDSTREAM 2 /* connections whose beginning was not seen */
#define GATE_POLICY_FULL      4 /* what finds no place in a table */
#define GATE_POLICY_FRAGMENTS 8 /* fragments of TCP over IP */

/* What servers may understand in another way than the gate does. */
enum gate_doubt {
	GATE_DOUBT_LONG = 1 << 0,	/* path, host, method or head longer than what is looked at */
	GATE_DOUBT_HEADER = 1 << 1,	/* a malformed or folded line, a bare CR, an odd host */
	GATE_DOUBT_FRAMING = 1 << 2,	/* odd or contradicting Content-Length and Transfer-Encoding */
	GATE_DOUBT_ESCAPE = 1 << 3,	/* a malformed percent escape */
	GATE_DOUBT_CONTROL = 1 << 4,	/* a control character in the path, escaped or not */
	GATE_DOUBT_DOUBLE = 1 << 5,	/* an escaped percent sign: decoded twice it would be another path */
	GATE_DOUBT_ABOVE = 1 << 6,	/* .. above the root */
	GATE_DOUBT_OLD = 1 << 7,	/* HTTP/0.9 */
	GATE_DOUBT_HOSTS = 1 << 8,	/* several Host headers, or one that contradicts the target */
	GATE_DOUBT_BACKSLASH = 1 << 9,	/* in the path, escaped or not */
	GATE_DOUBT_PARAMETER = 1 << 10, /* ; in the path, escaped or not */
	GATE_DOUBT_SLASHES = 1 << 11,	/* the path begins with two slashes */
	GATE_DOUBT_DOTS = 1 << 12,	/* a dot segment */
	GATE_DOUBT_ESCAPED = 1 << 13,	/* an escaped slash or dot */
	GATE_DOUBT_UTF8 = 1 << 14,	/* bytes in the path that are not UTF-8 */
	GATE_DOUBT_VERSION = 1 << 15,	/* HTTP/1.2 and later */
	GATE_DOUBT_BODY = 1 << 16,	/* of a GET or HEAD */
	GATE_DOUBT_FRAGMENT = 1 << 17,	/* # in front of the query */
	/* Facts beside them. */
	GATE_FACT_UPGRADE = 1 << 20, /* Upgrade or CONNECT */
	GATE_FACT_ABSOLUTE = 1 << 21,
	GATE_FACT_CHUNKED = 1 << 22,
	GATE_FACT_SPLIT = 1 << 23, /* the head came in several segments */
};

enum gate_reason {
	GATE_REASON_NONE,
	GATE_REASON_LISTED,
	GATE_REASON_NOT_LISTED,
	GATE_REASON_DOUBT,
	GATE_REASON_NOT_HTTP,
	GATE_REASON_MIDSTREAM,
	GATE_REASON_FULL,
	GATE_REASON_URGENT,   /* urgent data, of which applications see one byte less */
	GATE_REASON_FRAGMENT, /* counted, never told: it has no ports */
	GATE_REASON_DESYNC,   /* what was sent again says something else, or nobody knows what it was */
};

enum gate_action {
	GATE_ACTION_ALLOWED,
	GATE_ACTION_WOULD_REFUSE,
	GATE_ACTION_REFUSED,
};

/* What a name in the lists is; those of the allow list are GATE_NAME_ALLOW more. */
enum gate_kind {
	GATE_NAME_HOST = 1,   /* text: host; a: its number */
	GATE_NAME_SUFFIX = 2, /* text: host reversed, dot behind it; a: its number */
	GATE_NAME_METHOD = 3, /* text: method; a: its number */
	GATE_NAME_GROUP = 4, /* of a host and a method; a: GATE_GROUP_*, b: entry, c: row, d: the next host */
	GATE_NAME_PATH = 5,  /* of a host and a method; text: path or prefix; a: entry */
	GATE_NAME_ALLOW = 16,
};

/* What a group has. */
#define GATE_GROUP_ANY	  1 /* every path is entry b */
#define GATE_GROUP_EXACT  2
#define GATE_GROUP_PREFIX 4
#define GATE_GROUP_GLOBS  8 /* the automaton begins at row c */

/* gate_settings.facts */
#define GATE_LIST_DENY	  1
#define GATE_LIST_ALLOW	  2
#define GATE_LIST_HOSTS	  4
#define GATE_LIST_METHODS 8

/* The key of the hash: whole names. */
struct gate_name {
	__u32 kind;
	__u32 host;   /* its number, 0 for any */
	__u32 method; /* its number, 0 for any */
	__u8 text[GATE_TEXT_BYTES];
};

/* The key of the trie: beginnings of names. */
struct gate_prefix {
	__u32 bits; /* 96, and 8 for each byte of text */
	struct gate_name name;
};

struct gate_found {
	__u32 a, b, c, d;
};

/* A state of the automaton of all globs; row 0 is where nothing fits any more. */
struct gate_row {
	__u16 next[256];
	__u32 entry; /* that fits where the path ends here, 0 for none */
};

/* Written by user space through a memory mapping. */
struct gate_settings {
	__u32 mode;	      /* enum gate_mode */
	__u32 answer;	      /* GATE_ANSWER_FORBIDDEN or RESET */
	__u32 refuse;	      /* enum gate_doubt: those that are refused */
	__u32 policy;	      /* GATE_POLICY_* */
	__u32 report_all;     /* tell of what is allowed, too */
	__u32 list;	      /* which of two generations of lists holds */
	__u32 facts[2];	      /* of each: GATE_LIST_* */
	__u32 generations[2]; /* of each: its number */
	__u32 reply_bytes;
	__u32 reply_sum; /* ones' complement sum of the reply, not inverted */
	__u8 reply[GATE_REPLY_BYTES];
	__u64 raw_links[GATE_RAW_LINKS / 64]; /* one bit per interface */
	__u64 ports[1024];		      /* one bit per port */
};

/* gate_decision.bits */
#define GATE_BIT_IPV6	1 /* the key is 36 bytes long, else 12 */
#define GATE_BIT_EGRESS 2 /* seen as this host sent it */

/* One record of the ring. */
struct gate_decision {
	__u64 ts_ns;   /* CLOCK_BOOTTIME */
	__u32 flow[9]; /* source, destination, source port, destination port: 12 bytes for IPv4, 36 for IPv6
			*/
	__u32 seq;     /* of the segment with which the head was whole */
	__u32 ifindex;
	__u32 doubts;	  /* enum gate_doubt, and facts */
	__u32 entry;	  /* number of the entry that fits, 0 for none */
	__u32 generation; /* of the lists */
	__u32 head_bytes;
	__u16 vlan;
	__u8 bits;
	__u8 mode;
	__u8 reason;
	__u8 action;
	__u8 answer;
	__u8 method_bytes;
	__u16 host_bytes;
	__u16 path_bytes; /* of the path, of which the first GATE_RECORD_PATH are here */
	__u8 method[GATE_METHOD_BYTES];
	__u8 host[GATE_HOST_ROOM];
	__u8 path[GATE_RECORD_PATH];
};

/* Places in the per-CPU counters. Every head is one of HEADS and of ALLOWED to NOT_HTTP; every refusal, of a
 * head or of LISTED to DESYNC, is one of WOULD_REFUSE to DROPPED and of DECISIONS or RING_FULL. */
enum gate_count {
	GATE_COUNT_SEGMENTS, /* with payload, to the ports that are watched */
	GATE_COUNT_HEADS,
	GATE_COUNT_ALLOWED,
	GATE_COUNT_LISTED,
	GATE_COUNT_NOT_LISTED,
	GATE_COUNT_DOUBT,
	GATE_COUNT_NOT_HTTP,
	GATE_COUNT_MIDSTREAM,
	GATE_COUNT_FULL,
	GATE_COUNT_URGENT,
	GATE_COUNT_DESYNC,
	GATE_COUNT_WOULD_REFUSE,
	GATE_COUNT_FORBIDDEN,
	GATE_COUNT_RESET,
	GATE_COUNT_DROPPED,
	GATE_COUNT_DECISIONS,	/* records put into the ring */
	GATE_COUNT_RING_FULL,	/* records lost because the reader was too slow */
	GATE_COUNT_CONNECTIONS, /* openings seen */
	GATE_COUNT_TAKEN_UP,	/* connections whose beginning was not seen, looked at from a request on */
	GATE_COUNT_PASSED_OVER, /* connections that are not looked at: no HTTP/1, no place, by policy */
	GATE_COUNT_SPLIT,	/* heads that came in several segments */
	GATE_COUNT_EARLY,     /* segments dropped, or not looked at, because others before them are missing */
	GATE_COUNT_PARKED,    /* segments kept until others before them came */
	GATE_COUNT_BUSY,      /* segments dropped because another CPU was at the connection for too long */
	GATE_COUNT_REPEATED,  /* segments that say nothing new */
	GATE_COUNT_REREAD,    /* of these, read again because the stack has not got them yet */
	GATE_COUNT_WAITING,   /* segments dropped because the answer to an upgrade is still to come */
	GATE_COUNT_SWALLOWED, /* segments that came behind a refusal */
	GATE_COUNT_ANSWERED_AGAIN, /* of these, given the answer again */
	GATE_COUNT_MPTCP,	   /* openings whose option for several paths was taken out */
	GATE_COUNT_OPENING_DATA,   /* openings with data (TCP Fast Open) */
	GATE_COUNT_FRAGMENTS,
	GATE_COUNT_MALFORMED,
	GATE_COUNTS,
};

struct gate_counters {
	__u64 value[GATE_COUNTS];
};

_Static_assert(sizeof(struct gate_name) == 132, "gate_name has padding: its bytes are hashed");
_Static_assert(sizeof(struct gate_prefix) == 136, "gate_prefix has padding");
_Static_assert(sizeof(struct gate_row) == 516, "gate_row has padding");
_Static_assert(sizeof(struct gate_settings) == 48 + 512 + 128 + 8192, "gate_settings has padding");
_Static_assert(sizeof(struct gate_decision) == 480, "gate_decision has padding");

#endif
