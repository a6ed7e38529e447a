/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * Scratch memory, one per CPU and role. What changes in a loop lies here and not on the stack: a map's memory
 * is unknown to the verifier, so that one turn of the loop proves them all; and all calls together have 512
 * bytes of stack.
 */
#ifndef HTTPIPE_GATE_WORK_H
#define HTTPIPE_GATE_WORK_H

#include "gate/abi.h"
#include "gate/flow.h"
#include "parse/packet.h"

/* Bytes of payload that are looked at together. */
#define WINDOW 512

enum role {
	ROLE_JUDGE_INGRESS,
	ROLE_JUDGE_EGRESS,
	ROLE_ANSWERS,
	ROLES,
};

/* The TCP segment in hand, beyond struct packet. */
struct segment {
	__u32 link;  /* bytes in front of the IP header */
	__u32 tcp;   /* offset of the TCP header */
	__u32 plain; /* no options or extension headers between IP and TCP */
	__u32 stamped;
	__u32 stamp; /* RFC 7323, in network byte order */
	__u32 echo;
	__u32 fin; /* 1 where it has one */
	__u32 role;
	__u32 parked; /* the claim by which it was kept, where it is not the packet in hand */
};

/* What the walk through its payload has come to. */
struct reading {
	__u32 at;     /* of the payload */
	__u32 end;    /* as far as it goes now */
	__u32 window; /* of the payload: what begins `bytes` of struct work */
	__u32 filled; /* bytes of it */
	__u32 heads;
	__u32 reason; /* why it is refused, 0 as long as it is not */
	__u32 quiet;  /* it has been read before: only the states count */
	__u32 failed;
	__u32 entry;
};

/* What is read again: sequence numbers. */
struct repeat {
	__u32 at;    /* so far */
	__u32 end;   /* of what was read before */
	__u32 place; /* as far as in one go: a remembered one, or the end */
	__u32 found; /* its checkpoint or body, AT_BODY + number, or ELSEWHERE */
	__u32 body;  /* where `at` is, BODIES for none */
	__u32 result;
};

/* A look-up in the lists. */
struct query {
	__u32 list;
	__u32 kinds; /* 0, or GATE_NAME_ALLOW */
	__u32 host;
	__u32 method;
	__u32 row;
	__u32 entry;
	__u32 at;
	__u32 bytes;
	struct gate_name name;
	struct gate_prefix prefix;
};

/* A segment of our own. */
struct draft {
	__u32 back; /* to where the packet came from */
	__u32 seq;
	__u32 ack;
	__u32 flags;
	__u32 bytes; /* of the reply */
};

struct work {
	struct headers headers;
	struct packet packet;
	struct segment segment;
	struct reading reading;
	struct repeat again;
	struct draft draft;
	struct query query;
	struct flow_key key;
	struct part_key part;
	struct flow fresh;
	struct scan scan;
	__u8 bytes[WINDOW + 80];
};

#endif
