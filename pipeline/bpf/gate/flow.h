/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is remembered of one connection, client to server.
 *
 * What is sent again must say the same: checkpoints tell what the bytes from some place on meant when they
 * came first, bodies which bytes mean nothing at all.
 */
#ifndef HTTPIPE_GATE_FLOW_H
#define HTTPIPE_GATE_FLOW_H

#include "gate/scan.h"
#include "verifier.h"
#include "parse/key.h"

/* Beginnings of the newest segments that were more than body, and did not begin within one. */
#define CHECKPOINTS    8
/* The newest bodies and chunks: of 64 KiB, as most programs make them, four megabytes. A power of two; clang
 * writes out at most 128 stores of eight bytes to clear them. */
#define BODIES	       64
/* Of a body the newest bytes: beyond two gigabytes sequence numbers say nothing about before and behind. */
#define BODY_BYTES     (1 << 30)
/* States within a head that are remembered. A power of two. */
#define PARTS	       8
/* Segments of a connection that are kept because they came too early (gate/parked.h). */
#define PARKED_OF_FLOW 4

enum refused {
	REFUSED_NOT,
	REFUSED_ANSWERED, /* the gate is the server from here on */
	REFUSED_RESET,	  /* whatever comes is answered by a reset */
};

struct flow_key {
	struct http_key connection;
	__u32 side; /* the client's place in it */
};

/* Of a head that came in part: the state where one of its segments ends. */
struct part_key {
	struct flow_key flow;
	__u32 slot;
};

/* Of a checkpoint that says nothing: zeros would say that a head begins at sequence number 0. */
#define NO_STATE 255

struct checkpoint {
	__u32 seq;
	__u32 part; /* where the rest of its state is: slot + 1, 0 between heads; NO_STATE */
	struct framing framing;
};

/* Of a body or chunk: the newest bytes that have been read, or leapt over. */
struct body {
	__u32 from;
	__u32 chunk : 1;
	__u32 bytes : 31;
};

struct flow {
	__u32 next_seq; /* behind the last byte that was read */
	__u32 busy;	/* a CPU is at it */
	__u32 forgot;	/* where next_seq was when what is old was forgotten */
	struct framing framing;
	__u32 part;	    /* of the state at next_seq: slot + 1, 0 between heads */
	__u32 newest_part;  /* the slot behind which older ones are overwritten first */
	__u32 parts[PARTS]; /* the place that each part belongs to */
	__u32 newest;	    /* of the checkpoints */
	__u32 requests;
	__u32 refused;	   /* enum refused */
	__u32 answer_seq;  /* of the refusal's first byte */
	__u32 answer_end;  /* behind its FIN */
	__u32 swallow_seq; /* of what comes behind the refused request */
	__u32 swallowed;   /* bytes */
	__u32 server_seq;  /* where the answer to a wish for another protocol begins */
	__u32 newest_body;
	__u32 parked[PARKED_OF_FLOW]; /* their claims, 0 for none */
	__u64 last_ns;
	struct body bodies[BODIES];
	struct checkpoint checkpoints[CHECKPOINTS];
};

_Static_assert(sizeof(struct flow_key) == 44, "flow_key has padding: its bytes are hashed");
_Static_assert(sizeof(struct part_key) == 48, "part_key has padding: its bytes are hashed");

/* In parts: clang writes out at most 128 stores, and calls memset() for more, which there is not. */
static __always_inline void begin_flow(struct flow *flow, __u32 seq)
{
	__builtin_memset(flow, 0, __builtin_offsetof(struct flow, bodies));
	__builtin_memset(flow->bodies, 0, sizeof(flow->bodies));
	__builtin_memset(flow->checkpoints, 0, sizeof(flow->checkpoints));
	flow->next_seq = flow->forgot = seq;
	UNROLL
	for (int i = 0; i < CHECKPOINTS; i++)
		flow->checkpoints[i].part = NO_STATE;
}

/* Whether sequence number `a` comes before `b`. */
static __always_inline int before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline int in_body(const struct framing *framing)
{
	return framing->phase == PHASE_BODY || framing->phase == PHASE_CHUNK_DATA;
}

static __always_inline struct body *newest_body(struct flow *flow)
{
	return &flow->bodies[flow->newest_body & (BODIES - 1)];
}

/* A body or chunk begins at `seq`. */
static __always_inline void begin_body(struct flow *flow, __u32 seq, __u32 phase)
{
	struct body *body;

	flow->newest_body++;
	body = newest_body(flow);
	body->from = seq;
	body->bytes = 0;
	body->chunk = phase == PHASE_CHUNK_DATA;
}

/* The newest body or chunk goes as far as before `seq`. */
static __always_inline void extend_body(struct flow *flow, __u32 seq)
{
	struct body *body = newest_body(flow);

	if (seq - body->from > BODY_BYTES)
		body->from = seq - BODY_BYTES;
	body->bytes = seq - body->from;
}

static __always_inline __u32 end_of(const struct body *body)
{
	return body->from + body->bytes;
}

static __always_inline __u32 phase_of(const struct body *body)
{
	return body->chunk ? PHASE_CHUNK_DATA : PHASE_BODY;
}

/* The last byte of a body or chunk has come. */
static __always_inline void end_body(struct framing *framing)
{
	framing->phase = framing->phase == PHASE_BODY ? PHASE_HEAD : PHASE_CHUNK_END;
	framing->aux = 0;
}

#endif
