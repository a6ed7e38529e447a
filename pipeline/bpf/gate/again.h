/* SPDX-License-Identifier: (BSD-2-Clause OR GPL-2.0-only) */
/*
 * What is sent again must mean the same.
 *
 * A segment may have been read here and then be lost behind us, or be refused by the stack: a wrong checksum,
 * an old time stamp, a place out of the window. So the stack is asked how far it has got. What it has, it
 * does not take twice. Of the rest each part is read again, from the state at its beginning, and must lead to
 * the state at its end: then every mixture of the copies means the same, and whichever the stack takes was
 * judged.
 */
#ifndef HTTPIPE_GATE_AGAIN_H
#define HTTPIPE_GATE_AGAIN_H

#include "gate/read.h"
#include "gate/stack.h"
#include "gate/state.h"

enum outcome {
	AGAIN_SAME,
	AGAIN_OTHER, /* or nobody knows what it was */
	AGAIN_REFUSED,
};

struct rereading {
	struct __sk_buff *skb;
	struct work *work;
	struct flow *flow;
	struct gate_settings *settings;
};

struct forgetting {
	struct flow *flow;
};

static long forget_step(__u32 i, struct forgetting *of)
{
	struct flow *flow = of->flow;
	struct checkpoint *checkpoint = &flow->checkpoints[i & (CHECKPOINTS - 1)];
	struct body *body = &flow->bodies[i & (BODIES - 1)];

	if (flow->next_seq - end_of(body) > BODY_BYTES / 2)
		body->bytes = 0;
	if (flow->next_seq - checkpoint->seq > BODY_BYTES / 2)
		checkpoint->part = NO_STATE;
	return 0;
}

/* Each gigabyte, before sequence numbers come around and mean another place. No window is as large. */
static __noinline int forget_old(struct flow *flow)
{
	struct forgetting of = {flow};

	bpf_loop(BODIES, forget_step, &of, 0);
	flow->forgot = flow->next_seq;
	return 0;
}

/* repeat.found: beyond the checkpoints. */
#define AT_BODY	  64
#define ELSEWHERE 128

/* The next place behind `at` whose state is remembered, up to `end`: a checkpoint's, */
static long checkpoint_step(__u32 i, struct rereading *of)
{
	struct repeat *again = &of->work->again;
	__u32 seq;

	if (i >= CHECKPOINTS)
		return 1;
	if (of->flow->checkpoints[i & (CHECKPOINTS - 1)].part == NO_STATE)
		return 0;
	seq = of->flow->checkpoints[i & (CHECKPOINTS - 1)].seq;
	if (before(again->at, seq) && before(seq, again->place)) {
		again->place = seq;
		again->found = i;
	}
	return 0;
}

/* or where a body begins. */
static long body_step(__u32 i, struct rereading *of)
{
	struct repeat *again = &of->work->again;
	__u32 seq;

	if (i >= BODIES)
		return 1;
	if (!of->flow->bodies[i & (BODIES - 1)].bytes)
		return 0;
	seq = of->flow->bodies[i & (BODIES - 1)].from;
	if (before(again->at, seq) && before(seq, again->place)) {
		again->place = seq;
		again->found = AT_BODY + i;
	}
	return 0;
}

/* The checkpoint at `at`. */
static long state_step(__u32 i, struct rereading *of)
{
	struct checkpoint *checkpoint;

	if (i >= CHECKPOINTS)
		return 1;
	checkpoint = &of->flow->checkpoints[i & (CHECKPOINTS - 1)];
	if (checkpoint->seq != of->work->again.at || checkpoint->part == NO_STATE)
		return 0;
	of->work->again.found = i;
	return 1;
}

static __always_inline void next_place(struct rereading *of)
{
	struct repeat *again = &of->work->again;

	again->place = again->end;
	again->found = ELSEWHERE;
	bpf_loop(CHECKPOINTS, checkpoint_step, of, 0);
	bpf_loop(BODIES, body_step, of, 0);
}

/* At the beginning of a body its length says all. */
static __always_inline int compare_body(struct rereading *of, __u32 number)
{
	struct flow *flow = of->flow;
	struct body *body = &flow->bodies[number & (BODIES - 1)];
	const struct framing *framing = &of->work->scan.framing;
	__u64 left = body->bytes;

	if (end_of(body) == flow->next_seq && in_body(&flow->framing))
		left += flow->framing.left;
	return framing->phase == phase_of(body) && framing->left == left;
}

/* The state at the place where the rereading has come must be the one of the first time. */
static __always_inline int compare(struct rereading *of)
{
	struct flow *flow = of->flow;
	__u32 found = of->work->again.found, place = of->work->again.place;
	struct checkpoint *checkpoint = &flow->checkpoints[found & (CHECKPOINTS - 1)];
	int part;

	if (found < CHECKPOINTS)
		return same_state(of->work, flow, &checkpoint->framing, checkpoint->part, place);
	if (found < ELSEWHERE)
		return compare_body(of, found - AT_BODY);
	if (place == flow->next_seq)
		return same_state(of->work, flow, &flow->framing, flow->part, place);
	of->work->again.found = ELSEWHERE;
	of->work->again.at = place;
	bpf_loop(CHECKPOINTS, state_step, of, 0);
	if (of->work->again.found < CHECKPOINTS) {
		checkpoint = &flow->checkpoints[of->work->again.found & (CHECKPOINTS - 1)];
		return same_state(of->work, flow, &checkpoint->framing, checkpoint->part, place);
	}
	/* Cut in another way than the first time: what comes next must begin here. */
	part = save_part(of->skb, of->work, flow, place);
	if (part < 0)
		return 0;
	add_checkpoint(flow, place, &of->work->scan.framing, part);
	return 1;
}

static long within_step(__u32 i, struct rereading *of)
{
	struct repeat *again = &of->work->again;
	struct body *body;

	if (i >= BODIES)
		return 1;
	body = &of->flow->bodies[i & (BODIES - 1)];
	if (before(again->at, body->from) || !before(again->at, end_of(body)))
		return 0;
	again->body = i;
	return 1;
}

/* Whether `at` is nothing but body, harmless whatever it says. */
static __always_inline int is_within_body(struct rereading *of)
{
	of->work->again.body = BODIES;
	bpf_loop(BODIES, within_step, of, 0);
	return of->work->again.body < BODIES;
}

/* Behind it at once; where the rereading goes on there, it is over. */
static __always_inline void skip_body(struct rereading *of)
{
	struct repeat *again = &of->work->again;
	struct body *body = &of->flow->bodies[again->body & (BODIES - 1)];
	struct framing behind = {};

	behind.phase = phase_of(body);
	end_body(&behind);
	again->at = end_of(body);
	if (before(again->at, again->end))
		load_state(of->work, of->flow, &behind, 0, again->at);
}

static long reread_step(__u32 UNUSED i, struct rereading *of)
{
	struct work *work = of->work;
	struct repeat *again = &work->again;

	if (!before(again->at, again->end))
		return 1;
	if (is_within_body(of)) {
		skip_body(of);
		return 0;
	}
	next_place(of);
	work->reading.at = again->at - work->packet.seq;
	work->reading.end = again->place - work->packet.seq;
	work->reading.filled = 0;
	work->reading.window = 0;
	read_payload(of->skb, work, of->flow, of->settings);
	again->result = work->reading.reason		       ? AGAIN_REFUSED
			: work->reading.failed || !compare(of) ? AGAIN_OTHER
							       : AGAIN_SAME;
	again->at = again->place;
	if (again->result != AGAIN_SAME)
		return 1;
	return 0;
}

/* The body or chunk that ends at `at`, or two bytes before, its CRLF between. */
static long ends_step(__u32 i, struct rereading *of)
{
	struct repeat *again = &of->work->again;
	struct body *body;
	__u32 behind;

	if (i >= BODIES)
		return 1;
	body = &of->flow->bodies[i & (BODIES - 1)];
	behind = again->at - end_of(body);
	if (!body->bytes || (behind && !(behind == 2 && body->chunk)))
		return 0;
	again->body = i;
	return 1;
}

/* The same where a body says it; of each chunk that is sent by itself, and begins with its frame. */
static __always_inline int find_state_by_body(struct rereading *of)
{
	struct repeat *again = &of->work->again;
	struct framing framing = {};
	struct body *body;

	again->body = BODIES;
	bpf_loop(BODIES, ends_step, of, 0);
	if (again->body >= BODIES)
		return 0;
	body = &of->flow->bodies[again->body & (BODIES - 1)];
	framing.phase = phase_of(body);
	end_body(&framing);
	if (again->at != end_of(body))
		framing.phase = PHASE_CHUNK_SIZE;
	return load_state(of->work, of->flow, &framing, 0, again->at);
}

/* The state at `at` into work->scan; 0 where nobody knows it. */
static __always_inline int find_state(struct rereading *of)
{
	struct flow *flow = of->flow;
	struct repeat *again = &of->work->again;
	struct checkpoint *checkpoint;

	again->found = ELSEWHERE;
	bpf_loop(CHECKPOINTS, state_step, of, 0);
	if (again->found >= CHECKPOINTS)
		return find_state_by_body(of);
	checkpoint = &flow->checkpoints[again->found & (CHECKPOINTS - 1)];
	return load_state(of->work, flow, &checkpoint->framing, checkpoint->part, again->at);
}

/* Bytes of the segment in hand that were read before, as far as `end`. */
static __noinline int read_again(struct __sk_buff *skb, struct work *work, struct flow *flow,
				 struct gate_settings *settings, __u32 end)
{
	struct rereading of = {skb, work, flow, settings};
	struct repeat *again = &work->again;
	struct stack stack = {};

	if (work->segment.role == ROLE_JUDGE_EGRESS)
		return AGAIN_SAME; /* our own kernel sends the same bytes again */
	__builtin_memset(again, 0, sizeof(*again));
	again->at = work->packet.seq;
	again->end = end;
	if (look_at_stack(skb, work, &stack) && before(again->at, stack.rcv_nxt))
		again->at = stack.rcv_nxt;
	if (!before(again->at, end))
		return AGAIN_SAME;
	work->reading.quiet = 1;
	if (!is_within_body(&of)) {
		count(GATE_COUNT_REREAD);
		if (!find_state(&of))
			return AGAIN_OTHER;
	}
	bpf_loop(CHECKPOINTS + 2 * BODIES + 2, reread_step, &of, 0);
	return before(again->at, end) && again->result == AGAIN_SAME ? AGAIN_OTHER : again->result;
}

#endif
