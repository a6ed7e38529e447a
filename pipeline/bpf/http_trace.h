/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * The one truth that kernel and user space share: records in the ring, values of maps, counters.
 * pipeline/sources/bpf/abi.py mirrors this file in the same order; tests/test_abi.py compares them.
 *
 * Everything is little-endian, fixed-width and explicitly padded, except the parts of a flow, which stay
 * in network byte order as they lie in the packet.
 */
#ifndef HTTPIPE_HTTP_TRACE_H
#define HTTPIPE_HTTP_TRACE_H

#include "parse/key.h"
#include "process/facts.h"
#include "shed/parts.h"

/* Bytes of one record's payload at most; longer segments are cut into several records. A power of two, so
 * that a mask proves the bound to the verifier; and scratch space must fit a per-CPU array's 32 KiB. */
#define HTTP_RECORD_PAYLOAD  16384
/* Records per segment at most: 9 are 144 KiB, twice what GSO makes of a segment. BIG TCP makes up to
 * 512 KiB, of which only a pipeline that wants large bodies would copy more; and each record costs the
 * verifier 1,500 instructions, a millisecond of starting. */
#define HTTP_SEGMENT_RECORDS 9
/* A range of bytes that were not copied is reported at this length, so that a long body shows signs of life.
 */
#define HTTP_RANGE_BYTES     (4 << 20)
/* A range not extended for this long may have been taken by the sweep: whoever extends it lists it again. */
#define HTTP_RANGE_QUIET_NS  (50 * 1000 * 1000ULL)
/* How far copy_until may lie behind what is left out. */
#define HTTP_FOLLOW_BYTES    (1 << 30)

/* http_direction.where, beside the index of an interface: by the socket that sent it. */
#define HTTP_WHERE_SENT (1U << 31)

/* http_connection.upgraded */
#define HTTP_UPGRADED_TUNNEL   1 /* 2xx to CONNECT */
#define HTTP_UPGRADED_SWITCHED 2 /* 101 */
#define HTTP_UPGRADED_HTTP2    3 /* the client's preface was seen */

/* Of a TLS handshake, and direction: a chain of certificates, or early data (RFC 8446, section 4.2.10). */
#define HTTP_HANDSHAKE_BYTES (32 << 10)
/* The shortest Initial that may say something: one that gives the connection up. Those with a hello have
 * 1,200 bytes (RFC 9000, section 14.1). */
#define HTTP_INITIAL_BYTES   30

/* http_record.bits */
#define HTTP_BIT_IPV6	  1  /* the key is 36 bytes long, else 12 */
#define HTTP_BIT_OUTGOING 2  /* sent by this host on this interface, else received */
#define HTTP_BIT_CUT	  4  /* bytes that should have been copied were not */
#define HTTP_BIT_RANGE	  8  /* several segments, merged, none of them copied */
#define HTTP_BIT_SHED	  16 /* no segment: from here on the connection is left out */
#define HTTP_BIT_OWNER	  32 /* no segment: who sends this flow, struct http_owner */
#define HTTP_BIT_DATAGRAM 64 /* no segment: a datagram of UDP */

/* One record of the ring; `captured` bytes of payload follow. */
struct http_record {
	__u64 ts_ns;	/* CLOCK_BOOTTIME of the first byte */
	__u64 last_ns;	/* CLOCK_BOOTTIME of the last byte */
	__u32 seq;	/* sequence number of the first payload byte; of the SYN itself where flags has SYN */
	__u32 ack;	/* acknowledgement number, 0 without ACK */
	__u32 length;	/* payload bytes that were on the wire */
	__u32 captured; /* payload bytes that follow */
	__u32 ifindex;
	__u16 vlan;    /* innermost VLAN id, 0 for none */
	__u8 flags;    /* TCP flags, RFC 9293 section 3.1 */
	__u8 bits;     /* HTTP_BIT_* */
	__u32 flow[9]; /* source, destination, source port, destination port: 12 bytes for IPv4, 36 for IPv6
			*/
	__u32 pad;
};

/* Whose end of a connection it is. In the ring it is cut behind its text, and `captured` says so. */
struct http_owner {
	struct http_record record;
	struct process_facts facts;
};

/* An end of a connection. */
struct http_owner_key {
	struct http_key connection;
	__u32 side; /* the owner's place in it */
};

/* What is remembered of one direction of a connection known to be HTTP. */
struct http_direction {
	__u64 range;	  /* not copied and not yet reported: sequence number << 32 | length; one word, so it
			     never tears */
	__u64 first_ns;	  /* of that range */
	__u64 last_ns;	  /* of that range */
	__u32 next_seq;	  /* end of the highest segment seen */
	__u32 copy_until; /* bytes before this sequence number are copied: start of the turn + budget */
	__u32 reported;	  /* end of the range as last reported */
	__u32 where; /* its newest segment was seen: an interface, and HTTP_WHERE_SENT; 0 before the first */
	__u32 finished; /* FIN was seen */
	__u32 busy;	/* how many CPUs are about to change the range, see policy/ranges.h */
};

struct http_connection {
	struct http_direction side[2]; /* by the sender's place in http_key */
	__u32 speaker;		       /* the side that sent new bytes last */
	__u32 connecting;	       /* the last request was CONNECT */
	__u32 upgraded;		       /* HTTP_UPGRADED_*: no longer HTTP until something looks like it */
	__u32 shed;		       /* left out, until the ring has room again */
	__u32 tls; /* a TLS handshake, and no HTTP: the client's place in http_key + 1; else 0 */
	__u32 pad;
};

/* A connection whose opening was seen, before its first byte. */
struct http_opening {
	__u64 syn_ns;
	__u64 answer_ns; /* SYN-ACK, 0 where not seen */
	__u32 syn_seq;
	__u32 answer_seq;
	__u32 client; /* the client's place in http_key */
	__u32 pad;
};

/* http_settings.want; everything else is so many bytes in the ring, at which to wake the reader */
#define HTTP_WANT_NOTHING 0 /* it is awake */
#define HTTP_WANT_ANY	  1 /* wake it for the next record */

/* Written by user space through a memory mapping. The kernel resets `want` when it wakes the reader, and
 * changes `keep` and `looked_ns` by itself. */
struct http_settings {
	__u32 want;
	__u32 budget;	   /* bytes copied per turn and direction */
	__u32 some_ports;  /* 0: any port; 1: those in `ports` */
	__u32 keep;	   /* parts of all connections that are captured, of HTTP_PARTS */
	__u64 looked_ns;   /* when it was looked at whether `keep` may grow */
	__u32 facts;	   /* what is told of owners beyond pid, path and cgroups: PROCESS_* */
	__u32 loopback;	   /* inode of the network namespace whose loopback is captured, 0 for all */
	__u32 websockets;  /* whether frames are followed behind a 101 */
	__u32 handshakes;  /* whether those of TLS and QUIC are reported */
	__u32 frame;	   /* bytes copied of the payload of a frame that carries a body or a message */
	__u32 contents;	   /* whether content is asked for, of which these are the first bytes */
	__u64 ports[1024]; /* one bit per port */
};

/* Places in the per-CPU counters. */
enum http_count {
	HTTP_COUNT_PACKETS,	    /* packets looked at, of any protocol */
	HTTP_COUNT_RECORDS,	    /* records put into the ring */
	HTTP_COUNT_RECORD_BYTES,    /* their bytes */
	HTTP_COUNT_CONNECTIONS,	    /* connections found to speak HTTP */
	HTTP_COUNT_ENDED,	    /* of these, ended by FIN or RST */
	HTTP_COUNT_UPGRADED,	    /* connections that stopped speaking HTTP: 101, CONNECT */
	HTTP_COUNT_LEFT_OUT_BYTES,  /* body bytes left out on purpose */
	HTTP_COUNT_REPEATED,	    /* segments seen before on another interface, dropped */
	HTTP_COUNT_NOT_HTTP,	    /* segments with payload of connections not known to speak HTTP */
	HTTP_COUNT_TLS_CONNECTIONS, /* ClientHellos among them */
	HTTP_COUNT_IP_FRAGMENTS,    /* fragments of TCP over IP, not decoded */
	HTTP_COUNT_TUNNELLED,	    /* packets within a tunnel's packets, not decoded there */
	HTTP_COUNT_MALFORMED,	    /* TCP or IP headers that contradict themselves */
	HTTP_COUNT_RING_FULL,	    /* records lost because the reader was too slow */
	HTTP_COUNT_RING_FULL_BYTES, /* bytes on the wire that they stood for */
	HTTP_COUNT_COPY_FAILED,	    /* records whose payload the kernel could not read */
	HTTP_COUNT_SEGMENT_CUT, /* segments longer than HTTP_SEGMENT_RECORDS can hold, their end not copied */
	HTTP_COUNT_TABLE_FULL,	/* connections that found no place in the table */
	HTTP_COUNT_WAITING_FULL,      /* ranges that found no place in the list for the sweep */
	HTTP_COUNT_SHED_CONNECTIONS,  /* times that a connection was left: the reader was too slow */
	HTTP_COUNT_SHED_REQUESTS,     /* segments of such connections that start like a request */
	HTTP_COUNT_OWNERS,	      /* owners of an end put into the ring */
	HTTP_COUNT_OWNERS_RING_FULL,  /* owners lost because the reader was too slow */
	HTTP_COUNT_OWNERS_TABLE_FULL, /* owners that found no place to wait for their connection's first byte
				       */
	HTTP_COUNT_HANDSHAKES,	      /* TLS handshakes that are copied */
	HTTP_COUNT_INITIALS,	      /* datagrams that begin with an Initial of QUIC, copied */
	HTTP_COUNT_FRAMES_LOST,	      /* times that a direction's frames could not be followed any more */
	HTTP_COUNT_NESTED,	      /* packets not looked at: their CPU had too many in hand already */
	HTTP_COUNTS,
};

struct http_counters {
	__u64 value[HTTP_COUNTS];
};

_Static_assert(sizeof(struct http_record) == 80, "http_record has padding");
_Static_assert(sizeof(struct http_owner) == sizeof(struct http_record) + sizeof(struct process_facts),
	       "http_owner has padding");
_Static_assert(sizeof(struct http_owner_key) == 44, "http_owner_key has padding: its bytes are hashed");
_Static_assert(sizeof(struct http_direction) == 48, "http_direction has padding");
_Static_assert(sizeof(struct http_connection) == 120, "http_connection has padding");
_Static_assert(sizeof(struct http_opening) == 32, "http_opening has padding");
_Static_assert(sizeof(struct http_settings) == 48 + 8192, "http_settings has padding");

#endif
