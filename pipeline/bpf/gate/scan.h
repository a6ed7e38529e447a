/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * How far a connection's requests have been read: what the next byte means.
 *
 * `struct framing` is all there is between heads; within a head it takes `struct scan`, which keeps method,
 * host and path, and nothing else of it.
 */
#ifndef HTTPIPE_GATE_SCAN_H
#define HTTPIPE_GATE_SCAN_H

#include "gate/abi.h"

enum phase {
	PHASE_HEAD,
	PHASE_BODY,	  /* left: bytes to come */
	PHASE_CHUNK_SIZE, /* left: the size so far; aux: SIZE_* of gate/chunk.h */
	PHASE_CHUNK_DATA, /* left: bytes to come */
	PHASE_CHUNK_END,  /* aux: whether its CR has come */
	PHASE_TRAILER,	  /* aux: TRAILER_* of gate/chunk.h */
	PHASE_UPGRADE,	  /* WebSocket was asked for, and there is no answer yet */
	PHASE_TUNNEL,	  /* another protocol from here on */
	PHASE_UNKNOWN,	  /* not looked at */
};

struct framing {
	__u32 phase;
	__u32 aux;
	__u64 left;
};

/* Places within a head. */
enum place {
	AT_START,
	AT_METHOD,
	AT_TARGET,
	AT_SCHEME,
	AT_AUTHORITY,
	AT_PATH,
	AT_QUERY,
	AT_VERSION,
	AT_VERSION_END,
	AT_LINE_LF,
	AT_FIELD,
	AT_NAME,
	AT_BLANKS,
	AT_VALUE,
	AT_VALUE_LF,
	AT_END_LF,
	AT_DONE,
};

/* Header fields that are read. */
enum field {
	FIELD_OTHER,
	FIELD_HOST,
	FIELD_HOST_AGAIN, /* the target has named it already */
	FIELD_LENGTH,
	FIELD_CODING,
	FIELD_UPGRADE,
};

struct scan {
	struct framing framing;
	__u32 place;
	__u32 doubts; /* and facts */
	__u32 head_bytes;
	__u32 path_bytes;
	__u32 depth; /* of the path: segments */
	__u32 method_bytes;
	__u32 host_bytes;
	__u32 name_bytes;
	__u32 value_bytes;
	__u32 escape;  /* digits of a percent escape that are still to come, and one for the sign */
	__u32 high;    /* its first digit; of the version its last */
	__u32 raw;     /* bytes of the path as sent */
	__u32 utf8;    /* bytes of a character that are still to come */
	__u32 lowest;  /* of these the next one is this */
	__u32 highest; /* … to this */
	__u32 field;
	__u32 colon;	/* the line has one */
	__u32 lengths;	/* Content-Length fields */
	__u32 codings;	/* Transfer-Encoding fields */
	__u32 hosts;	/* Host fields */
	__u32 upgrades; /* what Upgrade fields ask for: 1 for WebSocket alone, more for anything else */
	__u32 ends;	/* of lines so far: ENDS_* */
	__u32 ended;	/* the value may have nothing but blanks from here on, a host but a port */
	__u32 at;	/* within a scheme, a version, a host that is compared */
	__u64 length;	/* what Content-Length says */
	__u64 name[4];	/* lower case, zero padded */
	__u64 value[2]; /* of Transfer-Encoding and Upgrade: lower case, zero padded */
	__u16 segments[GATE_SEGMENTS]; /* where each begins in the path */
	__u8 method[GATE_METHOD_BYTES];
	__u8 host[GATE_HOST_ROOM];
	__u8 path[GATE_PATH_BYTES + 8];
};

/* A head that has both is cut into other lines by a server for which LF alone ends none. */
#define ENDS_CRLF 1
#define ENDS_LF	  2

/* Eight characters as they lie in memory. */
#define TEXT8(a, b, c, d, e, f, g, h)                                                                        \
	((__u64)(a) | (__u64)(b) << 8 | (__u64)(c) << 16 | (__u64)(d) << 24 | (__u64)(e) << 32 |             \
	 (__u64)(f) << 40 | (__u64)(g) << 48 | (__u64)(h) << 56)

static __always_inline __u8 lower(__u8 c)
{
	return c >= 'A' && c <= 'Z' ? c | 32 : c;
}

/* Negative where it is none. */
static __always_inline int hex_digit(__u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Before the first byte of a head. All of it is zeroed: the same bytes always lead to the same state, which
 * can be compared. */
static __always_inline void begin_head(struct scan *scan)
{
	scan->framing.phase = PHASE_HEAD;
	scan->framing.aux = 0;
	scan->framing.left = 0;
	scan->place = AT_START;
	scan->doubts = 0;
	scan->head_bytes = 0;
	scan->path_bytes = 0;
	scan->depth = 0;
	scan->method_bytes = 0;
	scan->host_bytes = 0;
	scan->name_bytes = 0;
	scan->value_bytes = 0;
	scan->escape = 0;
	scan->high = 0;
	scan->raw = 0;
	scan->utf8 = 0;
	scan->lowest = 0;
	scan->highest = 0;
	scan->field = FIELD_OTHER;
	scan->colon = 0;
	scan->lengths = 0;
	scan->codings = 0;
	scan->hosts = 0;
	scan->upgrades = 0;
	scan->ends = 0;
	scan->ended = 0;
	scan->at = 0;
	scan->length = 0;
	__builtin_memset(scan->segments, 0, sizeof(scan->segments));
	scan->segments[0] = 1;
	__builtin_memset(scan->name, 0, sizeof(scan->name));
	__builtin_memset(scan->value, 0, sizeof(scan->value));
	__builtin_memset(scan->method, 0, sizeof(scan->method));
	__builtin_memset(scan->host, 0, sizeof(scan->host));
	__builtin_memset(scan->path, 0, sizeof(scan->path));
}

#endif
